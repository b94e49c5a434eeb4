package disk_test

import (
	"bytes"
	"errors"
	"testing"

	"github.com/lunette-io/lunette/device/disk"
	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/scsi/cdb"
	"github.com/lunette-io/lunette/store"
	"github.com/lunette-io/lunette/store/filter/fault"
	"github.com/lunette-io/lunette/store/filter/verify"
	"github.com/lunette-io/lunette/store/null"
	"github.com/lunette-io/lunette/transport/loopback"
)

// A disk that is resized has the new capacity, keeps what it had, and tells every initiator once.
func TestResize(t *testing.T) {
	for _, size := range []int{512, 4096} {
		b := newBench(t, memoryStore(t, 1<<20), func(c *disk.Config) { c.BlockSize = size })
		sessions := []*loopback.Session{b.login(1, loopback.Options{}), b.login(2, loopback.Options{})}
		data := bytes.Repeat([]byte("lunette!"), 512)
		do(t, sessions[0], writeCDB(0, uint32(4096/size)), data, 0, scsi.Sense{})
		resize := func(bytes int64, want error) {
			t.Helper()
			was := b.disk.Blocks()
			r, err := b.disk.PrepareResize(t.Context(), b.unit, bytes)
			if !errors.Is(err, want) {
				t.Fatalf("%d bytes: %v", bytes, err)
			}
			if err != nil {
				return
			}
			if b.disk.Blocks() != was {
				t.Errorf("%d bytes are seen before they are published", bytes)
			}
			r.Publish()
			if err := r.Retire(t.Context()); err != nil {
				t.Errorf("%d bytes: %v", bytes, err)
			}
		}
		ready := func(s *loopback.Session) scsi.ASC {
			r, _, err := s.Do(t.Context(), 0, cdb.AppendTestUnitReady(nil), nil, 0)
			if err != nil {
				t.Fatal(err)
			}
			return r.Sense.ASC
		}
		for _, n := range []int64{2 << 20, 1<<19 + 512, 1 << 20} {
			resize(n, nil)
			blocks := uint64(n) / uint64(size)
			if b.disk.Blocks() != blocks || b.disk.StoreInfo().Size != n {
				t.Errorf("%d bytes: %d blocks on %d bytes", n, b.disk.Blocks(), b.disk.StoreInfo().Size)
			}
			for _, s := range sessions {
				if asc := ready(s); asc != scsi.ASCCapacityDataChanged {
					t.Errorf("%d bytes: %v is told", n, asc)
				}
				if asc := ready(s); asc != 0 {
					t.Errorf("%d bytes: %v is told as well", n, asc)
				}
				do(t, s, readCDB(blocks-1, 1), nil, size, scsi.Sense{})
				do(t, s, readCDB(blocks, 1), nil, size, scsi.LBAOutOfRange())
				if got := do(t, s, readCDB(0, uint32(4096/size)), nil, 4096, scsi.Sense{}); !bytes.Equal(got, data) {
					t.Errorf("%d bytes: it holds something else", n)
				}
			}
		}
		resize(1<<20, nil) // as it is
		resize(0, nil)
		resize(-512, store.ErrNotSupported)
		resize(256, store.ErrNotSupported)
		for _, s := range sessions {
			if asc := ready(s); asc != 0 {
				t.Errorf("nothing has changed, but %v is told", asc)
			}
		}
		b.close()
	}
	b := newBench(t, waiting{memoryStore(t, 1<<20)}, nil)
	if _, err := b.disk.PrepareResize(t.Context(), b.unit, 2<<20); !errors.Is(err, store.ErrNotSupported) {
		t.Errorf("a store that cannot: %v", err)
	}
}

// What is prepared and taken back is seen by nobody; a store that fails leaves nothing. Meanwhile what is
// there is read and written.
func TestResizeIsTakenBack(t *testing.T) {
	for name, s := range map[string]store.Store{"lending": memoryStore(t, 1<<20), "a filter that needs a rest": verify.New(memoryStore(t, 1<<20)), "live": nullStore(t, 1<<20)} {
		f := fault.New(s, 1)
		b := newBench(t, f, nil)
		session, stop, ended := b.login(1, loopback.Options{}), make(chan struct{}), make(chan error, 1)
		go func() {
			for {
				select {
				case <-stop:
					ended <- nil
					return
				default:
				}
				r, _, err := session.Do(t.Context(), 0, writeCDB(0, 8), make([]byte, 4096), 0)
				if err == nil && r.Status != scsi.Good {
					err = r.Sense
				}
				if err != nil {
					ended <- err
					return
				}
			}
		}()
		for _, size := range []int64{2 << 20, 1 << 19, 4 << 20} {
			r, err := b.disk.PrepareResize(t.Context(), b.unit, size)
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			if b.disk.Blocks() != 2048 || (size > 1<<20) != (b.disk.StoreInfo().Size == size) {
				t.Errorf("%s: %d blocks on %d bytes", name, b.disk.Blocks(), b.disk.StoreInfo().Size)
			}
			if err := r.Undo(); err != nil || b.disk.StoreInfo().Size != 1<<20 {
				t.Errorf("%s: %v, %d bytes", name, err, b.disk.StoreInfo().Size)
			}
		}
		f.Set(fault.Rule{Ops: fault.Resize, Err: store.ErrOutOfSpace, Late: true, Times: 1, Probability: 1})
		if _, err := b.disk.PrepareResize(t.Context(), b.unit, 2<<20); !errors.Is(err, store.ErrOutOfSpace) || b.disk.StoreInfo().Size != 1<<20 {
			t.Errorf("%s: no room: %v, %d bytes", name, err, b.disk.StoreInfo().Size)
		}
		close(stop)
		if err := <-ended; err != nil {
			t.Errorf("%s: %v", name, err)
		}
		b.close()
	}
}

func nullStore(t *testing.T, size int64) store.Store {
	t.Helper()
	s, err := null.Open(null.Config{Size: size})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// A cut that comes after the disk has got another size again takes nothing away.
func TestCutComesTooLate(t *testing.T) {
	b := newBench(t, memoryStore(t, 1<<20), nil)
	prepare := func(size int64) *disk.Resizing {
		r, err := b.disk.PrepareResize(t.Context(), b.unit, size)
		if err != nil {
			t.Fatal(err)
		}
		r.Publish()
		return r
	}
	cut, back := prepare(1<<19), prepare(1<<20)
	if err := errors.Join(cut.Retire(t.Context()), back.Retire(t.Context())); err != nil {
		t.Fatal(err)
	}
	if b.disk.StoreInfo().Size != 1<<20 || b.disk.Blocks() != 2048 {
		t.Errorf("%d bytes, %d blocks", b.disk.StoreInfo().Size, b.disk.Blocks())
	}
}
