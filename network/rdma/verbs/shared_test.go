package verbs

import (
	"errors"
	"runtime"
	"testing"
	"testing/synctest"

	"github.com/lunette-io/lunette/network/rdma"
)

// join makes a further connection of the device of x, whose ends are ended with the test.
func (x *bed) join(t *testing.T) (a, b *conn, ua, ub *user) {
	t.Helper()
	l, err := x.d.Listen(t.Context(), "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	accepted := make(chan rdma.Conn)
	go func() {
		r, err := l.Accept()
		if err != nil {
			close(accepted)
			return
		}
		c, err := r.Accept(wide)
		if err != nil {
			t.Error(err)
		}
		accepted <- c
	}()
	c, _, err := x.d.Dial(t.Context(), l.Addr(), wide)
	if err != nil {
		t.Fatal(err)
	}
	a, b, ua, ub = c.(*conn), (<-accepted).(*conn), newUser(), newUser()
	a.Start(ua)
	b.Start(ub)
	t.Cleanup(func() {
		a.Close(nil)
		b.Close(nil)
		_, _ = ua.end(), ub.end()
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	return a, b, ua, ub
}

// stuck does not go on with the first message until it may.
type stuck struct {
	*user
	on chan struct{}
}

func (s *stuck) Received(m rdma.Message) {
	<-s.on
	s.user.Received(m)
}

// A peer that sends more than was agreed, to a connection that is slow, fills no queue of completions over its size with what is meant for
// others, not even when these have ended: buffers that were posted for them stay.
func TestSharedFitsQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const messages = 300
		x := newBed(t, Config{Depth: 128}, func(f *fabric) { f.can.completions = 128 + 64 + 1 })
		var some []*user
		for range 6 {
			a, _, ua, ub := x.join(t)
			if len(some) < 4 { // these end
				a.Close(errors.New("enough"))
				_, _ = ua.end(), ub.end()
			}
			some = append(some, ua)
		}
		for i, p := range x.a.(*conn).card.pollers {
			taken := p.room
			for _, c := range p.all() {
				taken += c.room
			}
			for _, q := range p.pools {
				taken += q.posted
			}
			if taken > p.depth {
				t.Errorf("queue %d of %d has %d in works, buffers that are posted, and room", i, p.depth, taken)
			}
		}
		a, b, ua, ub := x.join(t)
		if !a.shares {
			t.Fatal("nothing is shared")
		}
		s := &stuck{ub, make(chan struct{})}
		b.mu.Lock()
		b.h = s
		b.mu.Unlock()
		var last *rdma.Work
		for range messages {
			last = &rdma.Work{Op: rdma.Send, Head: []byte("more")}
			if !a.Post(last) {
				t.Fatal("refused")
			}
		}
		a.Flush()
		synctest.Wait()
		close(s.on)
		if err := ua.back(last); err != nil {
			t.Error(err)
		}
		ub.until(func() bool { return len(ub.messages) == messages })
		if n := len(a.card.pollers); n != 8 {
			t.Errorf("%d queues for 4 connections with one end in each", n)
		}
	})
}

// An adapter that was lost, and has come again under its name, is used.
func TestAdapterComesAgain(t *testing.T) {
	x := newBed(t, Config{}, nil)
	x.f.mu.Lock()
	x.f.devices[0].happen(happening{kind: adapterLost})
	x.f.mu.Unlock()
	_, _ = x.ua.end(), x.ub.end()
	a, _, ua, _ := x.join(t)
	w := &rdma.Work{Op: rdma.Send, Head: []byte("x")}
	if !a.Post(w) {
		t.Fatal("refused")
	}
	a.Flush()
	if err := ua.back(w); err != nil {
		t.Error(err)
	}
	if all := x.d.Adapters(); len(all) != 1 || all[0].Connections != 2 {
		t.Errorf("%+v", all)
	}
}

// A queue of completions that has failed ends its connections, and others do not get it.
func TestQueueBroken(t *testing.T) {
	x := newBed(t, Config{}, nil)
	c := x.a.(*conn)
	x.f.mu.Lock()
	x.f.devices[0].happen(happening{queueBroken, c.poll.q.number()})
	x.f.mu.Unlock()
	if err := x.ua.end(); !errors.Is(err, rdma.ErrLost) {
		t.Error(err)
	}
	for range 2 * runtime.GOMAXPROCS(0) {
		a, b, ua, _ := x.join(t)
		if a.poll == c.poll || b.poll == c.poll {
			t.Fatal("a connection got a queue that has failed")
		}
		w := &rdma.Work{Op: rdma.Send, Head: []byte("x")}
		if !a.Post(w) {
			t.Fatal("refused")
		}
		a.Flush()
		if err := ua.back(w); err != nil {
			t.Error(err)
		}
	}
}
