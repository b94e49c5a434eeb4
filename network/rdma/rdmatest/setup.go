package rdmatest

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/lunette-io/lunette/network/rdma"
)

// accept answers the next request of l.
func accept(t testing.TB, l rdma.Listener, f func(r rdma.Request)) (wait func()) {
	var one sync.WaitGroup
	one.Go(func() {
		r, err := l.Accept()
		if err != nil {
			t.Error(err)
			return
		}
		f(r)
	})
	return one.Wait
}

// testPrivate sends private data of all lengths both ways.
func testPrivate(t *testing.T, n Network) {
	l := n.listen(t)
	longest := cmp.Or(n.Asks, rdma.MaxPrivate)
	for size := range longest + 1 {
		asks, answers := numbered(size, 1), numbered(rdma.MaxPrivate-size, 2)
		var b rdma.Conn
		wait := accept(t, l, func(r rdma.Request) {
			if !n.same(asks, r.Private()) {
				t.Errorf("private data of %d bytes came as %x", size, r.Private())
			}
			if i := r.Info(); i.Local != l.Addr() || i.Remote == "" || i.Provider == "" {
				t.Errorf("%+v", i)
			}
			o := usual
			o.Private = answers
			var err error
			if b, err = r.Accept(o); err != nil {
				t.Error(err)
			}
		})
		o := usual
		o.Private = asks
		a, private, err := n.Dials.Dial(context.Background(), l.Addr(), o)
		must(t, err)
		wait()
		if !n.same(answers, private) {
			t.Errorf("an answer of %d bytes came as %x", len(answers), private)
		}
		if i, k := a.Info(), b.Info(); i.Remote != l.Addr() || i.Local != k.Remote || k.Local != i.Remote || i.Provider != k.Provider {
			t.Errorf("%+v, %+v", i, k)
		}
		a.Close(nil)
		b.Close(nil)
	}
	o := usual
	o.Private = make([]byte, longest+1)
	if _, _, err := n.Dials.Dial(context.Background(), l.Addr(), o); err == nil {
		t.Error("too much private data was sent")
	}
}

// testReject refuses peers, with private data.
func testReject(t *testing.T, n Network) {
	l := n.listen(t)
	longest := cmp.Or(n.Rejects, rdma.MaxPrivate)
	for _, size := range []int{0, 1, 52, longest} {
		why := numbered(size, 3)
		wait := accept(t, l, func(r rdma.Request) {
			if err := r.Reject(why); err != nil {
				t.Error(err)
			}
		})
		c, _, err := n.Dials.Dial(context.Background(), l.Addr(), usual)
		wait()
		var rejected *rdma.RejectedError
		if c != nil || !errors.As(err, &rejected) || !n.same(why, rejected.Private) {
			t.Errorf("rejected with %d bytes: %v, %v", size, c, err)
		}
	}
	// What does not fit is not sent, and the peer is not left waiting.
	for _, f := range []func(r rdma.Request) error{
		func(r rdma.Request) error { return r.Reject(make([]byte, longest+1)) },
		func(r rdma.Request) error {
			_, err := r.Accept(rdma.Options{Private: make([]byte, rdma.MaxPrivate+1)})
			return err
		},
	} {
		wait := accept(t, l, func(r rdma.Request) {
			if f(r) == nil {
				t.Error("too much private data was sent")
			}
		})
		_, _, err := n.Dials.Dial(context.Background(), l.Addr(), usual)
		wait()
		if err == nil {
			t.Error("connected by a call that failed")
		}
	}
}

// testNobody dials where nobody listens.
func testNobody(t *testing.T, n Network) {
	l, err := n.Listens.Listen(context.Background(), n.Addr)
	must(t, err)
	must(t, l.Close())
	c, _, err := n.Dials.Dial(context.Background(), l.Addr(), usual)
	if rejected := (*rdma.RejectedError)(nil); c != nil || err == nil || errors.As(err, &rejected) {
		t.Errorf("%v, %v", c, err)
	}
	if _, _, err := n.Dials.Dial(context.Background(), "nonsense", usual); err == nil {
		t.Error("dialed nonsense")
	}
	if _, err := n.Listens.Listen(context.Background(), "nonsense"); err == nil {
		t.Error("listens at nonsense")
	}
}

// testListener closes a listener while somebody accepts, and with a peer that waits.
func testListener(t *testing.T, n Network) {
	l, err := n.Listens.Listen(context.Background(), n.Addr)
	must(t, err)
	if _, err := n.Listens.Listen(context.Background(), l.Addr()); err == nil {
		t.Error("two listen at one address")
	}
	ended := make(chan error, 2)
	for range 2 {
		go func() {
			_, err := l.Accept()
			ended <- err
		}()
	}
	must(t, l.Close())
	must(t, l.Close())
	for range 2 {
		if err := <-ended; !isClosed(err) {
			t.Error(err)
		}
	}
	if _, err := l.Accept(); !isClosed(err) {
		t.Error(err)
	}

	l, err = n.Listens.Listen(context.Background(), n.Addr)
	must(t, err)
	refused := make(chan error, 1)
	go func() {
		_, _, err := n.Dials.Dial(context.Background(), l.Addr(), usual)
		refused <- err
	}()
	time.Sleep(5 * time.Millisecond) // for it to get there, most likely: what follows holds anyhow
	must(t, l.Close())
	select {
	case err := <-refused:
		if err == nil {
			t.Error("a peer that was not accepted is connected")
		}
	case <-time.After(patience):
		t.Error("a peer that was not accepted waits")
	}
}

// testSlowPeers has peers whose requests nobody answers: others are served.
func testSlowPeers(t *testing.T, n Network) {
	l := n.listen(t)
	ctx, cancel := context.WithCancel(context.Background())
	var waiting sync.WaitGroup
	var held []rdma.Request
	for range 3 {
		wait := accept(t, l, func(r rdma.Request) { held = append(held, r) })
		waiting.Go(func() {
			if _, _, err := n.Dials.Dial(ctx, l.Addr(), usual); err == nil {
				t.Error("connected without an answer")
			}
		})
		wait()
	}
	p := n.connect(t, l, usual, usual)
	p.start()
	p.finish()
	cancel()
	waiting.Wait()
	for _, r := range held {
		// It may turn out now, or when the connection is used, that nobody is there.
		c, err := r.Accept(usual)
		if err != nil {
			continue
		}
		s := newSide(t, "a side without a peer", c)
		s.Start(s)
		if s.closed() == nil && !n.Abrupt {
			t.Log("a peer that gave up ended in order")
		}
	}
}

// testDialGivesUp dials with a context that ends.
func testDialGivesUp(t *testing.T, n Network) {
	l := n.listen(t)
	ctx, cancel := context.WithCancel(context.Background())
	gone := make(chan struct{})
	wait := accept(t, l, func(r rdma.Request) {
		cancel()
		<-gone
		_ = r.Reject(nil) // it is too late, which may be noticed or not
	})
	_, _, err := n.Dials.Dial(ctx, l.Addr(), usual)
	close(gone)
	wait()
	if !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if c, _, err := n.Dials.Dial(ctx, l.Addr(), usual); c != nil || !errors.Is(err, context.Canceled) {
		t.Error(c, err)
	}
}

// testAgreed: as many Reads as one side wants and the other serves.
func testAgreed(t *testing.T, n Network) {
	l := n.listen(t)
	for _, o := range [][2]rdma.Options{
		{{Reads: 4, Serves: 2}, {Reads: 3, Serves: 1}},
		{{Reads: 1, Serves: 16}, {Reads: 8, Serves: 16}},
		{{Reads: 0, Serves: 1}, {Reads: 1, Serves: 0}},
	} {
		var b rdma.Conn // is closed when both sides have it: an adapter's peer may not learn before that there was an answer
		wait := accept(t, l, func(r rdma.Request) {
			if r.Info().Reads != o[0].Serves {
				t.Errorf("the peer offers to serve %d, said %d", o[0].Serves, r.Info().Reads)
			}
			c, err := r.Accept(o[1])
			if err != nil {
				t.Error(err)
				return
			}
			if want := min(o[1].Reads, o[0].Serves); !n.agreed(c, want) {
				t.Errorf("%d Reads of the side that accepted, want %d", c.Info().Reads, want)
			}
			b = c
		})
		a, _, err := n.Dials.Dial(context.Background(), l.Addr(), o[0])
		must(t, err)
		wait()
		if b != nil {
			b.Close(nil)
		}
		if want := min(o[0].Reads, o[1].Serves); !n.agreed(a, want) {
			t.Errorf("%d Reads of the side that dialed, want %d", a.Info().Reads, want)
		}
		a.Close(nil)
	}
}

// agreed: iWARP may have to agree on a Read that nobody wanted, to begin with (RFC 6581 9).
func (x Traits) agreed(c rdma.Conn, want int) bool {
	got := c.Info().Reads
	return (x.Adapter && got >= want) || got == want || (want == 0 && got == 1)
}

// testMany has several connections of one listener at a time.
func testMany(t *testing.T, n Network) {
	l := n.listen(t)
	var all []*pair
	for range 8 {
		p := n.connect(t, l, usual, usual)
		t.Cleanup(p.finish)
		p.start()
		all = append(all, p)
	}
	for i, p := range all {
		p.a.post(&rdma.Work{Op: rdma.Send, Head: numbered(100, uint32(i))})
	}
	for i, p := range all {
		if got := p.b.message(0); !bytes.Equal(got.Data, numbered(100, uint32(i))) {
			t.Errorf("connection %d got another's message", i)
		}
	}
}
