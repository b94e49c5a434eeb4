package rc

import (
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lunette-io/lunette/network/rdma"
	"github.com/lunette-io/lunette/network/rdma/ib"
)

func alive(c *Config) { c.KeepAlive = time.Minute }

// TestKeepAliveAsks: a peer that is silent is asked each minute, and what it answers counts as heard. The user sees nothing of it.
func TestKeepAliveAsks(t *testing.T) {
	scripted(t, alive, func(t *testing.T, s *script) {
		s.q.Established()
		for i := range 3 {
			psn := ib.PSN(0xFFFFF0).Add(i)
			time.Sleep(59 * time.Second)
			s.sends()
			time.Sleep(time.Second)
			s.sends(fmt.Sprintf("0a %06x A", uint32(psn)))
			s.ack(psn)
		}
		if n := s.q.Stats(); n.Writes != 0 || n.Queued != 0 || n.BytesQueued != 0 {
			t.Errorf("it is counted: %+v", n)
		}
		if len(s.u.back) != 0 {
			t.Error("a work was given back that nobody has posted")
		}
	})
}

// TestKeepAliveHeard: whatever comes puts it off, and so does waiting for an answer.
func TestKeepAliveHeard(t *testing.T) {
	scripted(t, alive, func(t *testing.T, s *script) {
		s.q.Established()
		for range 5 {
			time.Sleep(50 * time.Second)
			s.ack(0x100) // for nothing that we have sent
		}
		s.sends()
		w := send(4)
		time.Sleep(30 * time.Second)
		s.post(w)
		s.sends("04 fffff0 A 4")
		s.ack(0xFFFFF0)
		time.Sleep(59 * time.Second)
		s.back(w, nil)
		s.sends()
	})
}

// TestKeepAliveLost: the peer does not answer, and the queue pair ends.
func TestKeepAliveLost(t *testing.T) {
	scripted(t, alive, func(t *testing.T, s *script) {
		s.q.Established()
		time.Sleep(70 * time.Second)
		s.u.mu.Lock()
		defer s.u.mu.Unlock()
		if !s.u.closed || !errors.Is(s.u.err, rdma.ErrLost) {
			t.Errorf("ended %v, with %v", s.u.closed, s.u.err)
		}
		if len(s.u.back) != 0 {
			t.Error("a work was given back that nobody has posted")
		}
	})
}

// TestKeepAliveBefore: nobody is asked whose queue pair may not be there yet, and nobody before there is a handler.
func TestKeepAliveBefore(t *testing.T) {
	scripted(t, alive, func(t *testing.T, s *script) {
		time.Sleep(time.Hour)
		s.sends()
	})
	synctest.Test(t, func(t *testing.T) {
		c := pairConf()
		alive(&c)
		out := &deskOutlet{}
		c.Outlet = out
		q := New(c)
		q.Established()
		time.Sleep(time.Hour)
		if len(out.flushed) != 0 {
			t.Error("something was sent")
		}
		u := newUser()
		q.Start(u)
		synctest.Wait()
		if len(out.flushed) != 1 {
			t.Errorf("%d packets were sent", len(out.flushed))
		}
		q.Close(errors.New("the end of the test"))
	})
}

// TestKeepAliveClose: an orderly end waits for the answer, and has no error.
func TestKeepAliveClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScript(t, alive)
		s.q.Established()
		time.Sleep(60*time.Second + time.Millisecond)
		s.q.Close(nil)
		s.ack(0xFFFFF0)
		s.u.until(func() bool { return s.u.closed })
		if s.u.err != nil {
			t.Error(s.u.err)
		}
	})
}

// TestKeepAlivePair: two queue pairs keep each other for a day, and each learns that the other has gone.
func TestKeepAlivePair(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPair(t, faults{}, faults{}, 50*time.Microsecond, 0, func(a, b *Config) { alive(a); alive(b) })
		ua, ub := newUser(), newUser()
		p.a.Start(ua)
		p.b.Start(ub)
		p.a.Established()
		p.b.Established()
		time.Sleep(24 * time.Hour)
		if ua.closed || ub.closed {
			t.Fatalf("ended: %v, %v", ua.err, ub.err)
		}
		p.ab.mu.Lock()
		n := p.ab.count + p.ba.count
		p.ab.mu.Unlock()
		if n < 2*24*60 || n > 4*24*60 {
			t.Errorf("%d packets in a day", n)
		}
		for _, w := range []*wire{p.ab, p.ba} {
			w.mu.Lock()
			w.f.drop = func(int, ib.BTH) bool { return true }
			w.mu.Unlock()
		}
		time.Sleep(70 * time.Second)
		synctest.Wait()
		for _, u := range []*user{ua, ub} {
			u.mu.Lock()
			if !u.closed || u.err == nil {
				t.Errorf("closed %v, with %v", u.closed, u.err)
			}
			u.mu.Unlock()
			u.check(t)
		}
		p.stop()
	})
}
