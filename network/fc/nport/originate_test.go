package nport

import (
	"errors"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lunette-io/lunette/network/fc"
	"github.com/lunette-io/lunette/network/fc/els"
)

// Our own exchanges.
func TestOriginate(t *testing.T) {
	u := &upper{lazy: true}
	onFake(t, u, nil, func(t *testing.T, k *fake, p *Port) {
		r := p.Remotes()[0]
		start := func() *task {
			u.mu.Lock()
			defer u.mu.Unlock()
			o := u.task()
			if !r.Originate(&o.x) {
				t.Fatal("no exchange")
			}
			u.tasks[&o.x] = o
			o.s.Header = fc.Header{RCtl: fc.RCtlCommand, FCtl: fc.FCtlRequest}
			o.s.Head = o.head[:]
			if !o.x.Post(&o.s) {
				t.Fatal("it is not posted")
			}
			o.posted++
			return o
		}
		reply := func(o *task, rx uint16) fc.Frame {
			f := data(o.x.index, rx)
			f.FCtl |= fc.FCtlResponder
			return f
		}
		end := func(o *task) {
			u.mu.Lock()
			o.over = true
			u.tidy(o)
			u.mu.Unlock()
		}
		a, b := start(), start()
		p.Flush()
		out := k.sent()
		if len(out) != 2 || out[0].OX == out[1].OX || out[0].RX != fc.NoID || out[0].FCtl != fc.FCtlRequest || out[0].SeqID != 0 {
			t.Fatalf("the commands are %v", out)
		}
		k.come(reply(a, 9))
		k.come(reply(a, 9))
		k.come(reply(a, 10)) // RX_ID does not change
		k.come(reply(a, fc.NoID))
		k.come(data(a.x.index, 9)) // of an exchange of theirs
		if a.frames != 2 || b.frames != 0 {
			t.Errorf("%d and %d frames were delivered", a.frames, b.frames)
		}
		end(a)
		k.come(reply(a, 9))

		// ABTS, answered.
		var told errorList
		b.x.Abort(told.add)
		end(b)
		synctest.Wait()
		f := k.one(t)
		if f.RCtl != fc.RCtlABTS || f.OX != b.x.index || f.FCtl != 0x090000 || f.D != remoteID {
			t.Fatalf("ABTS is %v", &f.Header)
		}
		acc := fc.Frame{Header: fc.Header{RCtl: fc.RCtlBAAcc, D: localID, S: remoteID, FCtl: 0x980000, OX: f.OX, RX: 4}, First: true, Last: true,
			Payload: els.AbortAccept{OX: f.OX, RX: 4, High: 0xffff}.Append(nil)}
		k.come(acc)
		k.come(acc)
		synctest.Wait()
		if got := told.take(); len(got) != 1 || got[0] != nil {
			t.Fatalf("the abort ended with %v", got)
		}
		sleep(4*time.Second + 100*time.Millisecond)
		f = k.one(t)
		q, err := els.ParseReinstate(f.Payload)
		if err != nil || q != (els.Reinstate{S: localID, OX: b.x.index, RX: 4}) {
			t.Fatalf("RRQ is %+v, %v", q, err)
		}
		if p.tables.phase(&p.tables.ours, b.x.index) == free {
			t.Fatal("OX_ID is free before RRQ is answered")
		}
		ans := reply(b, fc.NoID)
		ans.RCtl, ans.Type, ans.OX, ans.Payload = fc.RCtlELSReply, fc.TypeELS, f.OX, els.AppendAccept(nil)
		k.come(ans)
		if p.tables.phase(&p.tables.ours, b.x.index) != free {
			t.Error("OX_ID is not free after RRQ")
		}

		// ABTS, with no answer: it is sent again, and given up after twice R_A_TOV.
		told.take()
		c := start()
		c.x.Abort(told.add)
		sleep(7900 * time.Millisecond)
		if got := told.take(); len(got) != 0 {
			t.Fatalf("it ended early: %v", got)
		}
		if n := len(k.sent()); n < 3 {
			t.Errorf("%d frames, want ABTS several times", n)
		}
		sleep(200 * time.Millisecond)
		if got := told.take(); len(got) != 1 || !errors.Is(got[0], ErrTimeout) {
			t.Fatalf("it ended with %v", got)
		}
		end(c)
		// ABTS, and the login ends.
		told.take()
		d := start()
		d.x.Abort(told.add)
		r.Logout(false, errors.New("for a test"))
		synctest.Wait()
		if got := told.take(); len(got) != 1 || !errors.Is(got[0], ErrLoggedOut) {
			t.Fatalf("it ended with %v", got)
		}
		if r.Originate(&Exchange{}) {
			t.Error("there are exchanges after the login")
		}
	})
}

// An errorList is what was told, on any goroutine.
type errorList struct {
	mu  sync.Mutex
	all []error
}

func (l *errorList) add(err error) {
	l.mu.Lock()
	l.all = append(l.all, err)
	l.mu.Unlock()
}

func (l *errorList) take() []error {
	l.mu.Lock()
	defer l.mu.Unlock()
	all := l.all
	l.all = nil
	return all
}

// A loose upper layer takes frames for what has just become another exchange.
type loose struct{ *upper }

func (loose) Frame(*Exchange, *fc.Frame)          {}
func (loose) Abort(_ *Exchange, done func())      { done() }
func (loose) Sent(*Exchange, *fc.Sequence, error) {}

// The upper layer closes exchanges and uses them again while frames of them come: an ABTS ends the exchange that it names, and no other.
func TestOriginateAgain(t *testing.T) {
	u := &upper{}
	k, p := openFake(t, u, func(c *Config) { c.Upper = loose{u}; c.Features |= fc.FeatureInitiator })
	k.logIn(t)
	r := p.Remotes()[0]
	var x Exchange
	var ox, frames atomic.Int32
	ox.Store(-1)
	var all sync.WaitGroup
	all.Go(func() {
		defer ox.Store(-2)
		for range 2000 {
			if !r.Originate(&x) {
				t.Error("no exchange")
				return
			}
			id, _ := x.IDs()
			for n := frames.Swap(0); n == 0; n = frames.Load() {
				ox.Store(int32(id))
				runtime.Gosched()
			}
			x.Close()
		}
	})
	for i := 0; ; i++ {
		now := ox.Load()
		if now == -2 {
			break
		} else if now < 0 {
			continue
		}
		f := data(uint16(now), fc.NoID)
		if i%50 == 0 && i < 5000 {
			f = abts(uint16(now), fc.NoID)
		}
		f.FCtl |= fc.FCtlResponder
		k.come(f)
		frames.Add(1)
		k.sent()
	}
	all.Wait()
	closePort(t, p)
}
