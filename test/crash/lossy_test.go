//go:build crash

package crash

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/lunette-io/lunette/buffer"
	"github.com/lunette-io/lunette/store"
)

// A version is what a write has put into one grain.
type version struct {
	number int64
	data   []byte
}

// lies are ways in which a store can break its word, to see that the test notices.
type lies struct{ fua, flush bool }

// A lossy store is a medium with a volatile cache, which loses any part of what it has not
// made durable when the power goes; it takes its time, and flushes fail now and then.
type lossy struct {
	lies  lies
	grain int64 // how much of a write the medium takes whole, in bytes
	mu    sync.Mutex
	rand  *rand.Rand
	now   []byte              // what is read
	safe  []byte              // what the medium has
	cache map[int64][]version // by grain: what was written since, in order
	count int64
	off   bool
}

func newLossy(medium []byte, grain int, r *rand.Rand, l lies) *lossy {
	return &lossy{lies: l, grain: int64(grain), rand: r, safe: medium, now: append([]byte(nil), medium...), cache: make(map[int64][]version)}
}

// powerOff loses a random part of the cache and returns the medium. Every call fails from
// then on.
func (s *lossy) powerOff() []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.off = true
	for g, vs := range s.cache {
		if i := s.rand.IntN(len(vs) + 1); i < len(vs) {
			copy(s.safe[g*s.grain:], vs[i].data)
		}
	}
	s.cache = nil
	return s.safe
}

// Info implements [store.Store].
func (s *lossy) Info() store.Info {
	return store.Info{Size: int64(len(s.now)), PhysicalBlock: int(s.grain), Cached: true, Concurrency: 4}
}

func (s *lossy) gone(op string) error {
	if s.off {
		return fmt.Errorf("%s: %w: no power", op, store.ErrMedium)
	}
	return nil
}

// ReadAt implements [store.Store].
func (s *lossy) ReadAt(_ context.Context, into *buffer.Lease, off int64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.gone("read"); err != nil {
		return err
	}
	into.Copy(0, s.now[off:off+into.Len()])
	return nil
}

// put writes into the cache and returns the number of the write.
func (s *lossy) put(from *buffer.Lease, off int64) int64 {
	s.count++
	n := from.Len()
	from.Read(0, s.now[off:off+n])
	for at := off; at < off+n; at += s.grain {
		data := append([]byte(nil), s.now[at:at+s.grain]...)
		s.cache[at/s.grain] = append(s.cache[at/s.grain], version{s.count, data})
	}
	return s.count
}

// settle moves what grain g has up to the write of that number to the medium.
func (s *lossy) settle(g, number int64) {
	vs := s.cache[g]
	for len(vs) > 0 && vs[0].number <= number {
		copy(s.safe[g*s.grain:], vs[0].data)
		vs = vs[1:]
	}
	if len(vs) == 0 {
		delete(s.cache, g)
		return
	}
	s.cache[g] = vs
}

// pause lets go of the lock for a while.
func (s *lossy) pause() {
	d := time.Duration(s.rand.Int64N(int64(500 * time.Microsecond)))
	s.mu.Unlock()
	time.Sleep(d)
	s.mu.Lock()
}

// WriteAt implements [store.Store].
func (s *lossy) WriteAt(_ context.Context, from *buffer.Lease, off int64, f store.Flags) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pause()
	if err := s.gone("write"); err != nil {
		return err
	}
	number := s.put(from, off)
	if f&store.FUA == 0 || s.lies.fua {
		return nil
	}
	s.pause()
	if err := s.gone("write"); err != nil {
		return err
	}
	for g := off / s.grain; g < (off+from.Len())/s.grain; g++ {
		s.settle(g, number)
	}
	return nil
}

// Flush implements [store.Store].
func (s *lossy) Flush(context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	number := s.count
	s.pause()
	if err := s.gone("flush"); err != nil {
		return err
	}
	if s.rand.IntN(20) == 0 {
		return fmt.Errorf("flush: %w", store.ErrMedium)
	}
	if s.lies.flush {
		return nil
	}
	for g := range s.cache {
		s.settle(g, number)
	}
	return nil
}

// TryReadAt implements [store.Tryer].
func (s *lossy) TryReadAt(into *buffer.Lease, off int64) (bool, error) {
	if s.busy() {
		return false, nil
	}
	return true, s.ReadAt(context.Background(), into, off)
}

// TryWriteAt implements [store.Tryer].
func (s *lossy) TryWriteAt(from *buffer.Lease, off int64) (bool, error) {
	if s.busy() {
		return false, nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.gone("write"); err != nil {
		return true, err
	}
	s.put(from, off)
	return true, nil
}

func (s *lossy) busy() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.rand.IntN(2) == 0
}

// Close implements [store.Store].
func (s *lossy) Close() error { return nil }
