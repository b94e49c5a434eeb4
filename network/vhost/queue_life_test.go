package vhost

import (
	"encoding/binary"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/lunette-io/lunette/buffer"
	"github.com/lunette-io/lunette/internal/guard"
	"github.com/lunette-io/lunette/network/vhost/ring"
)

// A shelf keeps the chains that come.
type shelf struct {
	chains chan *Chain
	aborts atomic.Int32
}

func newShelf() *shelf { return &shelf{chains: make(chan *Chain, 64)} }

func (s *shelf) Handle(c *Chain) { s.chains <- c }
func (s *shelf) Burst(*Queue)    {}
func (s *shelf) Abort(q *Queue) {
	s.aborts.Add(1)
	for {
		select {
		case c := <-s.chains:
			c.Return(0)
		default:
			q.Flush()
			return
		}
	}
}
func (s *shelf) Ended(error) {}

// add posts a request of 16 bytes to read and 16 to fill, which are given, and kicks.
func (r *rig) add(token uint64) (out, in []byte) {
	r.t.Helper()
	out, outAt := r.cut(16)
	in, inAt := r.cut(16)
	if err := r.drv.Add([]ring.Piece{{Addr: outAt, Len: 16}}, []ring.Piece{{Addr: inAt, Len: 16}}, token); err != nil {
		r.t.Fatal(err)
	}
	r.kicks()
	return out, in
}

// A queue that is to stop waits for its chains, and has them aborted when patience is over; what comes back until then the driver sees, and nothing touches the ring after that.
func TestDrain(t *testing.T) {
	for _, o := range options() {
		s := newShelf()
		r := newRig(t, 8, o, s, nil)
		r.q.start()
		for i := range 3 {
			r.add(uint64(i))
		}
		first := <-s.chains
		if r.q.stats().Oldest <= 0 {
			t.Error("no chain is older than none")
		}
		abort, drained := make(chan struct{}), make(chan struct{})
		go func() {
			r.q.drain(abort)
			close(drained)
		}()
		first.Return(1) // and the driver sees it without a Flush, as the queue ends
		close(abort)
		<-drained
		if s.aborts.Load() > 1 || r.q.inflight.Load() != 0 {
			t.Errorf("%d aborts, %d chains", s.aborts.Load(), r.q.inflight.Load())
		}
		if _, n := r.get(); n != 1 {
			t.Errorf("%d bytes were written", n)
		}
		_ = unix.Munmap(r.mem) // what touches it ends the program
		r.q.Flush()
		if r.q.Take() != nil {
			t.Error("a queue that has ended gives a chain")
		}
		for _, fd := range []int{r.kick, r.call, r.fd} {
			_ = unix.Close(fd)
		}
	}
}

// What the driver kicks by and is called by changes while the queue sleeps.
func TestDescriptorsChange(t *testing.T) {
	h := handling{handle: func(c *Chain) { c.Return(0) }, burst: func(q *Queue) { q.Flush() }}
	r := newRig(t, 8, ring.Options{EventIndex: true}, h, nil)
	defer r.end()
	r.q.start()
	for i := range 20 {
		r.add(uint64(i))
		r.get()
		old := [2]int{r.kick, r.call}
		for j, fd := range []*int{&r.kick, &r.call} {
			var err error
			if *fd, err = unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK); err != nil {
				t.Fatal(err)
			}
			if j == 0 {
				err = r.q.setKick(*fd)
			} else {
				err = r.q.setCall(*fd)
			}
			if err != nil {
				t.Fatal(err)
			}
			_ = unix.Close(old[j])
		}
		var n [8]byte
		if _, err := unix.Read(r.call, n[:]); err != nil || binary.NativeEndian.Uint64(n[:]) == 0 {
			t.Fatalf("a new call is not called by: %v", err)
		}
	}
	if err := errors.Join(r.q.setKick(none), r.q.setKick(r.kick)); err != nil {
		t.Fatal(err)
	}
	r.add(1)
	r.get()
}

// A fault of the memory is the end of the connection, and of nothing else: the chain that is hit comes back as any other.
func TestMemoryCutShort(t *testing.T) {
	s := newShelf()
	r := newRig(t, 8, ring.Options{}, s, nil)
	r.q.start()
	r.add(1)
	c := <-s.chains
	if err := unix.Ftruncate(r.fd, 0); err != nil {
		t.Fatal(err)
	}
	b := make([]byte, 16)
	if err := c.Read(0, b); !errors.Is(err, guard.ErrFault) {
		t.Errorf("Read: %v", err)
	}
	if err := c.Write(0, b); !errors.Is(err, guard.ErrFault) {
		t.Errorf("Write: %v", err)
	}
	if err := <-r.failed; !errors.Is(err, guard.ErrFault) {
		t.Error(err)
	}
	c.Return(16)
	r.q.Flush()
	r.end()
	if len(r.failed) > 0 {
		t.Error("the connection ends twice")
	}
	if s := r.q.stats(); s.CopiedIn != 0 || s.CopiedOut != 0 || s.Inflight != 0 {
		t.Errorf("%+v", s)
	}
}

// So is a ring whose rules are broken, whoever finds it.
func TestRingBreaks(t *testing.T) {
	for _, idle := range []bool{false, true} {
		s := newShelf()
		r := newRig(t, 8, ring.Options{}, s, func(x *setting) { x.idle = idle })
		r.q.start()
		r.add(1)
		var c *Chain
		if idle {
			c = r.q.Take()
		} else {
			c = <-s.chains
		}
		binary.LittleEndian.PutUint16(r.place.Avail[2:], 100)
		ringBell(r.kick)
		if idle && r.q.Take() != nil {
			t.Error("a broken ring gives a chain")
		}
		if err := <-r.failed; !errors.Is(err, ring.ErrBroken) {
			t.Error(err)
		}
		if r.q.Take() != nil {
			t.Error("a broken ring gives a chain")
		}
		c.Return(0)
		r.end()
		if len(r.failed) > 0 {
			t.Error("the connection ends twice")
		}
	}
}

// A descriptor to kick by that has an end, as a pipe has, ends the connection and keeps no thread busy.
func TestKickEnds(t *testing.T) {
	r := newRig(t, 8, ring.Options{}, newShelf(), nil)
	r.q.start()
	var pipe [2]int
	if err := unix.Pipe2(pipe[:], unix.O_CLOEXEC); err != nil {
		t.Fatal(err)
	}
	if err := r.q.setKick(pipe[0]); err != nil {
		t.Fatal(err)
	}
	_ = unix.Close(pipe[0])
	_ = unix.Close(pipe[1])
	<-r.failed
	r.end()
}

// A queue without a thread gives chains to who asks, and wants no kicks.
func TestIdle(t *testing.T) {
	s := newShelf()
	r := newRig(t, 8, ring.Options{}, s, func(x *setting) { x.idle = true })
	r.q.start()
	if r.q.Take() != nil {
		t.Error("a chain out of nothing")
	}
	_, in := r.add(1)
	c := r.q.Take()
	if c == nil || c.Queue() != r.q || r.q.Take() != nil {
		t.Fatal("not one chain")
	}
	if err := c.Write(0, []byte("event")); err != nil {
		t.Fatal(err)
	}
	c.Return(5)
	r.q.Flush()
	if _, n := r.get(); n != 5 || string(in[:5]) != "event" {
		t.Errorf("%d bytes, %q", n, in)
	}
	var n [8]byte
	if _, err := unix.Read(r.kick, n[:]); err != unix.EAGAIN {
		t.Errorf("the driver has kicked: %v", err)
	}
	r.end()
}

// Who gives a chain back twice has it counted once, and no connection.
func TestReturnTwice(t *testing.T) {
	s := newShelf()
	r := newRig(t, 8, ring.Options{}, s, nil)
	r.q.start()
	r.add(1)
	c := <-s.chains
	c.Return(0)
	c.Return(0)
	if err := <-r.failed; !errors.Is(err, errTwice) {
		t.Error(err)
	}
	if n := r.q.inflight.Load(); n != 0 {
		t.Errorf("%d chains", n)
	}
	r.end()
}

// Copies end where a chain does.
func TestChainEnds(t *testing.T) {
	s := newShelf()
	r := newRig(t, 8, ring.Options{}, s, nil)
	r.q.start()
	out, _ := r.add(1)
	c := <-s.chains
	copy(out, "0123456789abcdef")
	var b [4]byte
	if err := c.Read(12, b[:]); err != nil || string(b[:]) != "cdef" {
		t.Error(err, b)
	}
	for _, off := range []int64{-1, 13, 17, 1 << 62} {
		if c.Read(off, b[:]) == nil || c.Write(off, b[:]) == nil {
			t.Errorf("four bytes at %d", off)
		}
	}
	if c.Again() || c.Readable() != 16 || c.Writable() != 16 {
		t.Error(c.Again(), c.Readable(), c.Writable())
	}
	c.Return(0)
	r.end()
}

// nobody takes leases back.
type nobody struct{}

func (nobody) Reclaim(*buffer.Lease) {}

// What is lent is the guest's memory itself, in pieces of each lease's own, and counted.
func TestLends(t *testing.T) {
	s := newShelf()
	r := newRig(t, 8, ring.Options{}, s, nil)
	r.q.start()
	mem, at := r.cut(64)
	out := []ring.Piece{{Addr: at, Len: 8}, {Addr: at + 16, Len: 8}}
	in := []ring.Piece{{Addr: at + 32, Len: 8}, {Addr: at + 48, Len: 8}}
	if err := r.drv.Add(out, in, 1); err != nil {
		t.Fatal(err)
	}
	r.kicks()
	c := <-s.chains
	var l, m, rest buffer.Lease
	c.LendReadable(&l, nobody{}, 4, 8)
	c.LendWritable(&m, nobody{}, 0, 16)
	c.LendWritable(&rest, nobody{}, 12, 100)
	if l.Segments() != 2 || l.Len() != 8 || &l.Segment(0).Mem[0] != &mem[4] || &l.Segment(1).Mem[0] != &mem[16] || !l.Foreign() {
		t.Errorf("%d pieces of %d bytes", l.Segments(), l.Len())
	}
	m.Truncate(3)
	if m.Len() != 3 || rest.Len() != 4 || c.Writable() != 16 {
		t.Error(m.Len(), rest.Len(), c.Writable())
	}
	if err := c.Write(12, []byte("last")); err != nil || string(rest.Segment(0).Mem) != "last" || string(mem[52:56]) != "last" {
		t.Error(err, rest.Segment(0).Mem)
	}
	l.Release()
	m.Release()
	rest.Release()
	c.Return(16)
	r.q.Flush()
	if s := r.q.stats(); s.LentOut != 8 || s.LentIn != 20 || s.CopiedIn != 4 {
		t.Errorf("%+v", s)
	}
	r.end()
}

// Chains that are given back keep room for so many pieces in all, not each for the most that it has had.
func TestRoomIsBounded(t *testing.T) {
	r := newRig(t, 8, ring.Options{}, newShelf(), nil)
	r.q.start()
	r.q.mu.Lock()
	all := 0
	for range 1000 {
		c := &Chain{queue: r.q}
		c.Buffers.Readable = make([]buffer.Segment, 0, 1024)
		r.q.keep(c)
		r.q.keep(c)
		all += cap(c.Buffers.Readable)
	}
	if all > maxKept || all < maxKept/2 || r.q.kept != all {
		t.Errorf("room for %d pieces, %d counted", all, r.q.kept)
	}
	r.q.mu.Unlock()
	r.end()
}

// Counters are read while everything moves.
func TestStatsWhileItRuns(t *testing.T) {
	h := handling{handle: func(c *Chain) { c.Return(0) }, burst: func(q *Queue) { q.Flush() }}
	r := newRig(t, 8, ring.Options{EventIndex: true}, h, nil)
	r.q.start()
	over := make(chan struct{})
	var reader sync.WaitGroup
	reader.Go(func() {
		for {
			select {
			case <-over:
				return
			default:
				if s := r.q.stats(); s.Inflight > 8 || s.Size != 8 {
					t.Errorf("%+v", s)
				}
			}
		}
	})
	for i := range 200 {
		r.add(uint64(i))
		r.get()
	}
	close(over)
	reader.Wait()
	r.end()
}

// A thread looks as long as waits are short, not at all when they are long, and never when the others that look leave it no processor.
func TestPoller(t *testing.T) {
	all := &pollers{most: time.Hour, room: 1}
	p := &poller{all: all}
	if p.more() {
		t.Fatal("it looks before that has ever been worth it")
	}
	for range 100 {
		p.began = time.Now()
		p.found() // after a sleep that was short, as it had better looked
	}
	if p.window != time.Hour {
		t.Fatalf("it looks for %v", p.window)
	}
	if !p.more() || !p.more() || all.now.Load() != 1 {
		t.Fatal("it does not look")
	}
	other := &poller{all: all, window: time.Hour}
	if other.more() {
		t.Error("two look, with room for one")
	}
	if !p.found() || all.now.Load() != 0 {
		t.Error("what looking has found is not counted")
	}
	p.more()
	p.began = p.began.Add(-3 * time.Hour)
	if p.more() || all.now.Load() != 0 {
		t.Error("it looks for ever")
	}
	if p.found() {
		t.Error("looking has found what came too late")
	}
	for range 100 {
		p.began = time.Now().Add(-3 * time.Hour)
		p.found()
	}
	if p.window != 0 {
		t.Errorf("after long waits it looks for %v", p.window)
	}
	never := &poller{all: newPollers(-1)}
	for range 10 {
		if never.more() {
			t.Fatal("it looks though nobody is to")
		}
		never.found()
	}
}

// A front-end that makes what its driver kicks by wait, and takes the kicks itself, holds up nobody: the thread does not wait for them.
func TestKicksAreTakenByAnother(t *testing.T) {
	fd, err := unix.Eventfd(0, unix.EFD_CLOEXEC)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = unix.Close(fd) }()
	empty(fd) // returns
	ringBell(fd)
	empty(fd)
	if err := unix.SetNonblock(fd, true); err != nil {
		t.Fatal(err)
	}
	var n [8]byte
	if _, err := unix.Read(fd, n[:]); err != unix.EAGAIN {
		t.Errorf("it is not empty: %v", err)
	}
}
