package verbs

import (
	"testing"
	"testing/synctest"

	"github.com/lunette-io/lunette/buffer"
	"github.com/lunette-io/lunette/network/rdma"
)

// slow waits in Done of one work until it may go on.
type slow struct {
	*user
	work *rdma.Work
	on   chan struct{}
}

func (s *slow) Done(w *rdma.Work, err error) {
	if w == s.work {
		<-s.on
	}
	s.user.Done(w, err)
}

// Closed is the last call, after that of Done for a work that needed no adapter, however long that takes.
func TestClosedIsLast(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := newBed(t, Config{}, nil)
		c := x.a.(*conn)
		s := &slow{x.ua, &rdma.Work{Op: rdma.Write}, make(chan struct{})}
		c.mu.Lock()
		c.h = s
		c.mu.Unlock()
		if !c.Post(s.work) {
			t.Fatal("refused")
		}
		go c.Flush()
		synctest.Wait()
		c.Close(rdma.ErrLost)
		synctest.Wait()
		x.ua.mu.Lock()
		early := x.ua.closed
		x.ua.mu.Unlock()
		close(s.on)
		if _ = x.ua.end(); early {
			t.Error("Closed was called while a work was being given back")
		}
		if err := x.ua.back(s.work); err != nil {
			t.Error(err)
		}
	})
}

// A connection that fails while its works are being gathered posts none: its queue pair may have ended.
func TestFailsWhileGathering(t *testing.T) {
	x := newBed(t, Config{}, nil)
	c := x.a.(*conn)
	c.mu.Lock()
	c.info.Reads = 0
	c.mu.Unlock()
	posted := make(chan int, 1)
	q := c.pair.(*fakePair)
	x.f.mu.Lock()
	q.watch = func(n int) { posted <- n }
	x.f.mu.Unlock()
	send, read := &rdma.Work{Op: rdma.Send, Head: []byte("first")}, &rdma.Work{Op: rdma.Read, Data: buffer.Of(make([]byte, 8)), Len: 8}
	if !c.Post(send) || !c.Post(read) {
		t.Fatal("refused")
	}
	c.Flush()
	_ = x.ua.end()
	for _, w := range []*rdma.Work{send, read} {
		if err := x.ua.back(w); err == nil {
			t.Error("a work was done")
		}
	}
	select {
	case n := <-posted:
		t.Errorf("%d works were posted by a connection that has failed", n)
	default:
	}
}

// Who asks is known after the answer as well, when the connection manager has forgotten.
func TestInfoAfterAnswer(t *testing.T) {
	f := newFabric()
	d, err := start(Config{}, f)
	if err != nil {
		t.Fatal(err)
	}
	l, err := d.Listen(t.Context(), "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	asked := make(chan error)
	go func() {
		_, _, err := d.Dial(t.Context(), l.Addr(), wide)
		asked <- err
	}()
	r, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	before := r.Info()
	_ = r.Reject(nil)
	if err := <-asked; err == nil {
		t.Error("connected")
	}
	if after := r.Info(); after != before || before.Remote == "" {
		t.Errorf("%+v, then %+v", before, after)
	}
	_ = l.Close()
	if err := d.Close(); err != nil {
		t.Error(err)
	}
}
