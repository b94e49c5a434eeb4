package cm

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lunette-io/lunette/network/rdma/ib"
	"github.com/lunette-io/lunette/network/rdma/ib/mad"
	"pgregory.net/rapid"
)

// TestConnect: a connection is made, its terms are agreed on, and it ends.
func TestConnect(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWire(1)
		a, b := w.node(t, hostA, Config{}), w.node(t, hostB, Config{})
		s := new(server)
		mine := Terms{QPN: 0x22, PSN: 0x222222, Reads: 16, Serves: 8, RNR: 5, Credits: true, Private: []byte("welcome")}
		s.do = s.accept(mine)
		listen(t, b, 3261, s)
		o := new(record)
		theirs := Terms{QPN: 0x11, PSN: 0x111111, MTU: 4096, Reads: 4, Serves: 128, Timeout: 2 * time.Second, Retries: 7, RNR: 6, Private: []byte("hello")}
		c, got := dial(t, a, 3261, theirs, o)
		if got.QPN != 0x22 || got.PSN != 0x222222 || got.Reads != 4 || got.Serves != 16 || got.RNR != 5 || got.MTU != 4096 || got.Retries != 7 || !got.Credits ||
			!bytes.HasPrefix(got.Private, []byte("welcome\x00")) || len(got.Private) != 196 || got.Timeout < 2*time.Second || got.Timeout > 3*time.Second {
			t.Errorf("the one who dials gets %+v", got)
		}
		r := s.requests[0]
		if q := r.Terms; q.QPN != 0x11 || q.PSN != 0x111111 || q.MTU != 4096 || q.Reads != 4 || q.Serves != 128 || q.Retries != 7 || q.RNR != 6 ||
			!bytes.HasPrefix(q.Private, []byte("hello\x00")) || len(q.Private) != 56 || q.Timeout < 2*time.Second || q.Timeout > 4*time.Second {
			t.Errorf("the one who listens gets %+v", q)
		}
		if ag := r.Agree(mine); ag.Reads != 16 || ag.Serves != 4 || ag.MTU != 4096 || ag.RNR != 6 {
			t.Errorf("agreed: %+v", ag)
		}
		if r.From.Addr() != hostA || r.From.Port() < 49152 || r.Port != 3261 || r.Path != path(hostB, hostA) {
			t.Errorf("asked from %s, %v", r.From, r.Path)
		}
		synctest.Wait()
		if n, _, _ := s.owners[0].got(); n != 0 {
			t.Error("established before RTU")
		}
		c.Ready()
		c.Ready()
		time.Sleep(time.Minute)
		synctest.Wait()
		if n, ends, _ := s.owners[0].got(); n != 1 || ends != 0 || w.sent != 3 {
			t.Errorf("established %d times, ended %d, %d datagrams", n, ends, w.sent)
		}
		if a.Stats().HalfOpen+b.Stats().HalfOpen != 0 {
			t.Error("half open")
		}
		ended := make(chan bool, 2)
		s.conns[0].Disconnect([]byte("bye"), func() { ended <- true })
		<-ended
		if _, ends, _ := o.got(); ends != 1 || !bytes.HasPrefix(o.private, []byte("bye\x00")) {
			t.Errorf("ended %d times, %q", ends, o.private)
		}
		c.Disconnect(nil, func() { ended <- true })
		<-ended
		if n := a.Stats().Connections + b.Stats().Connections; n != 0 || w.sent != 5 {
			t.Errorf("%d connections, %d datagrams", n, w.sent)
		}
	})
}

// TestCrossing: both sides end a connection at the same moment.
func TestCrossing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWire(1)
		a, b := w.node(t, hostA, Config{}), w.node(t, hostB, Config{})
		s := new(server)
		s.do = s.accept(terms(9))
		listen(t, b, 1, s)
		c, _ := dial(t, a, 1, terms(8), new(record))
		c.Ready()
		time.Sleep(time.Second)
		synctest.Wait()
		n := make(chan bool, 2)
		c.Disconnect(nil, func() { n <- true })
		s.conns[0].Disconnect(nil, func() { n <- true })
		<-n
		<-n
		time.Sleep(time.Minute)
		synctest.Wait()
		if _, ends, _ := s.owners[0].got(); ends != 0 || w.sent != 3+4 || a.Stats().Connections+b.Stats().Connections != 0 {
			t.Errorf("%d ends, %d datagrams", ends, w.sent)
		}
	})
}

// TestRefused: what the one who dials gets to know.
func TestRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWire(1)
		a, b := w.node(t, hostA, Config{}), w.node(t, hostB, Config{})
		s := new(server)
		listen(t, b, 1, s)
		for name, c := range map[string]struct {
			do   func(r *Request) bool
			port uint16
			want mad.Reason
		}{
			"nobody":  {nil, 2, mad.InvalidServiceID},
			"no room": {func(*Request) bool { return false }, 1, mad.NoResources},
			"user":    {func(r *Request) bool { return r.Reject([]byte("no")) == nil }, 1, mad.ConsumerReject},
			"mtu":     {func(r *Request) bool { return r.RejectMTU(1500) == nil }, 1, mad.InvalidMTU},
		} {
			s.mu.Lock()
			s.do = c.do
			s.mu.Unlock()
			_, _, err := a.Dial(context.Background(), path(hostA, hostB), c.port, terms(8), new(record))
			var no *RejectedError
			if !errors.As(err, &no) || no.Reason != c.want {
				t.Errorf("%s: %v", name, err)
				continue
			}
			if c.want == mad.ConsumerReject && !bytes.HasPrefix(no.Private, []byte("no\x00")) || c.want == mad.InvalidMTU && !bytes.Equal(no.Info, []byte{byte(ib.MTU1024)}) {
				t.Errorf("%s: %q, %x", name, no.Private, no.Info)
			}
		}
		if err := s.requests[0].Reject(nil); !errors.Is(err, ErrGone) {
			t.Error(err)
		}
		if _, err := s.requests[0].Accept(terms(9), new(record)); !errors.Is(err, ErrGone) {
			t.Error(err)
		}
		if a.Stats().Connections+b.Stats().Connections != 0 {
			t.Error("something is left")
		}
	})
}

// TestSilence: peers that do not answer are given up, in the time that was said.
func TestSilence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWire(1)
		a, b := w.node(t, hostA, Config{}), w.node(t, hostB, Config{})
		s := new(server)
		s.do = s.accept(terms(9))
		listen(t, b, 1, s)
		w.silent = true
		start := time.Now()
		if _, _, err := a.Dial(context.Background(), path(hostA, hostB), 1, terms(8), new(record)); !errors.Is(err, ErrTimeout) {
			t.Error(err)
		}
		if d := time.Since(start); d < 17*time.Second || d > 18*time.Second || w.sent != 17 { // 16 REQs, and the REJ
			t.Errorf("%v, %d datagrams", d, w.sent)
		}
		ctx, stop := context.WithTimeout(context.Background(), 3*time.Second)
		defer stop()
		if _, _, err := a.Dial(ctx, path(hostA, hostB), 1, terms(8), new(record)); !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
		// An RTU that does not come.
		w.faults(func() { w.silent = false })
		o := new(record)
		c, _ := dial(t, a, 1, terms(8), o)
		w.faults(func() { w.silent, w.sent = true, 0 })
		time.Sleep(time.Minute)
		synctest.Wait()
		if _, ends, err := s.owners[0].got(); ends != 1 || !errors.Is(err, ErrTimeout) || w.sent != 16 { // 15 REPs, and the REJ
			t.Errorf("%d ends, %v, %d datagrams", ends, err, w.sent)
		}
		c.Ready()
		// A DREQ that nobody answers.
		w.faults(func() { w.sent = 0 })
		start = time.Now()
		done := make(chan bool)
		c.Disconnect(nil, func() { close(done) })
		<-done
		if d := time.Since(start); d < 7*time.Second || d > 10*time.Second || w.sent != leaveTries {
			t.Errorf("%v, %d datagrams", d, w.sent)
		}
		if a.Stats().Connections+b.Stats().Connections != 0 {
			t.Error("something is left")
		}
	})
}

// TestEarlyData: a packet of the queue pair is as good as an RTU; what was lost of either is said again.
func TestEarlyData(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWire(1)
		a, b := w.node(t, hostA, Config{}), w.node(t, hostB, Config{})
		s := new(server)
		s.do = s.accept(terms(9))
		listen(t, b, 1, s)
		c, _ := dial(t, a, 1, terms(8), new(record))
		w.faults(func() { w.silent = true })
		c.Ready() // lost
		s.conns[0].Heard()
		s.conns[0].Heard()
		if n, _, _ := s.owners[0].got(); n != 1 {
			t.Errorf("established %d times", n)
		}
		w.faults(func() { w.silent = false })
		c2, _ := dial(t, a, 1, Terms{QPN: 10, MTU: 256}, new(record))
		w.faults(func() { w.silent = true })
		c2.Ready()
		w.faults(func() { w.silent = false })
		time.Sleep(3 * time.Second) // REP comes again, and has RTU sent again
		synctest.Wait()
		if n, _, _ := s.owners[1].got(); n != 1 {
			t.Errorf("established %d times", n)
		}
		if n := testing.AllocsPerRun(100, c.Heard); n != 0 {
			t.Errorf("%v allocations for a packet", n)
		}
	})
}

// TestClose: whoever waits is told.
func TestClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWire(1)
		a, b := w.node(t, hostA, Config{}), w.node(t, hostB, Config{})
		s := new(server)
		s.do = s.accept(terms(9))
		listen(t, b, 1, s)
		c, _ := dial(t, a, 1, terms(8), new(record))
		c.Ready()
		b.Close()
		ended := make(chan bool, 1)
		c.Disconnect(nil, func() { ended <- true })
		dialled := make(chan error)
		go func() {
			_, _, err := a.Dial(context.Background(), path(hostA, hostB), 1, terms(10), new(record))
			dialled <- err
		}()
		time.Sleep(time.Second)
		synctest.Wait()
		a.Close()
		a.Close()
		<-ended
		if err := <-dialled; !errors.Is(err, ErrClosed) {
			t.Error(err)
		}
		if _, _, err := a.Dial(context.Background(), path(hostA, hostB), 1, terms(10), new(record)); !errors.Is(err, ErrClosed) {
			t.Error(err)
		}
		if _, err := b.Listen(hostB, 5, s); !errors.Is(err, ErrClosed) {
			t.Error(err)
		}
	})
}

// TestFaults: over a wire that loses, doubles and reorders, connections are made once or not at all, and in the end nothing is left.
func TestFaults(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		seed := rapid.Uint64().Draw(rt, "seed")
		loss, twice := rapid.Float64Range(0, 0.4).Draw(rt, "loss"), rapid.Float64Range(0, 0.5).Draw(rt, "twice")
		most := time.Duration(rapid.IntRange(1, 3000).Draw(rt, "most")) * time.Millisecond
		n := rapid.IntRange(1, 6).Draw(rt, "connections")
		fail := ""
		synctest.Test(t, func(t *testing.T) { fail = faults(t, seed, loss, twice, most, n) })
		if fail != "" {
			rt.Fatal(fail)
		}
	})
}

func faults(t *testing.T, seed uint64, loss, twice float64, most time.Duration, n int) (fail string) {
	w := newWire(seed)
	w.loss, w.twice, w.most = loss, twice, max(w.least, most)
	a, b := w.node(t, hostA, Config{}), w.node(t, hostB, Config{})
	defer a.Close()
	defer b.Close()
	s := new(server)
	s.do = s.accept(terms(0x1000))
	listen(t, b, 1, s)
	type end struct {
		c   *Connection
		o   *record
		err error
	}
	ends := make([]end, n)
	done := make(chan bool)
	for i := range ends {
		go func() {
			e := &ends[i]
			e.o = new(record)
			e.c, _, e.err = a.Dial(context.Background(), path(hostA, hostB), 1, terms(ib.QPN(100+i)), e.o)
			if e.err == nil {
				e.c.Ready()
			}
			done <- true
		}()
	}
	for range ends {
		<-done
	}
	time.Sleep(2 * time.Minute) // whatever is half open has become something
	synctest.Wait()
	made := 0
	for _, e := range ends {
		if _, over, _ := e.o.got(); e.err == nil && over == 0 {
			made++
		}
	}
	open := 0
	for i, o := range s.owners {
		est, over, _ := o.got()
		if est > 1 || over > 1 || est == 0 && over == 0 {
			return fmt.Sprintf("%d: established %d times, ended %d", i, est, over)
		}
		if over == 0 {
			open++
		}
	}
	if a.Stats().Connections != made || b.Stats().Connections != open || a.Stats().HalfOpen+b.Stats().HalfOpen != 0 {
		return fmt.Sprintf("%+v of %d, %+v of %d", a.Stats(), made, b.Stats(), open)
	}
	if loss == 0 && made != n {
		return fmt.Sprintf("%d of %d made", made, n)
	}
	told := make(chan bool, 2*n)
	want := 0
	for i, e := range ends {
		if e.err == nil && (i%3 != 1) {
			e.c.Disconnect(nil, func() { told <- true })
			want++
		}
	}
	for i, c := range s.conns {
		if i%3 != 0 {
			c.Disconnect(nil, func() { told <- true })
			want++
		}
	}
	for range want {
		<-told
	}
	// Those that only one side has ended, whose DREQs were all lost, are left on the other.
	for _, e := range ends {
		if e.c != nil {
			e.c.Disconnect(nil, func() {})
		}
	}
	for _, c := range s.conns {
		c.Disconnect(nil, func() {})
	}
	time.Sleep(time.Minute)
	synctest.Wait()
	if len(told) != 0 || a.Stats().Connections+b.Stats().Connections != 0 {
		return fmt.Sprintf("%d told twice, %+v, %+v", len(told), a.Stats(), b.Stats())
	}
	for _, m := range []*Manager{a, b} {
		m.mu.Lock()
		if len(m.byPeer)+len(m.byQP)+len(m.houses) != 0 {
			fail = fmt.Sprintf("%d peers, %d queue pairs, %d houses are left", len(m.byPeer), len(m.byQP), len(m.houses))
		}
		m.mu.Unlock()
	}
	return fail
}
