package nport

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/lunette-io/lunette/network/fc"
	"github.com/lunette-io/lunette/network/fc/els"
)

// onFake runs f with a port on a fake that another port is logged in with.
func onFake(t *testing.T, u *upper, change func(*Config), f func(t *testing.T, k *fake, p *Port)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		k, p := openFake(t, u, change)
		k.logIn(t)
		u.said()
		f(t, k, p)
		k.hold(false)
		u.abortAll()
		closePort(t, p)
		u.leaks(t)
	})
}

func TestCommand(t *testing.T) {
	u := &upper{}
	onFake(t, u, nil, func(t *testing.T, k *fake, _ *Port) {
		for i := range uint16(300) {
			k.come(command(i % 3))
			f := k.one(t)
			if f.RCtl != fc.RCtlStatus || f.Type != fc.TypeFCP || f.D != remoteID || f.S != localID || f.OX != i%3 || f.RX != i%128 ||
				f.FCtl != fc.FCtlResponder|fc.FCtlLastSequence|fc.FCtlEndSequence || f.SeqID != 1 {
				t.Fatalf("the response %d is %v", i, &f.Header)
			}
		}
	})
}

// A frame that does not fit in all of its fields belongs to nobody.
func TestStrangeFrames(t *testing.T) {
	u := &upper{lazy: true}
	onFake(t, u, nil, func(t *testing.T, k *fake, p *Port) {
		k.come(command(5))
		k.come(command(6))
		var x [2]*task
		for _, o := range u.tasks {
			x[o.ox-5] = o
		}
		good := data(5, x[0].x.index)
		k.come(good)
		if x[0].frames != 1 {
			t.Fatal("the frame was not delivered")
		}
		was := p.Stats().Dropped
		n := int64(0)
		for _, f := range []func(*fc.Frame){
			func(f *fc.Frame) { f.OX = 6 }, func(f *fc.Frame) { f.RX = x[1].x.index }, func(f *fc.Frame) { f.RX = fc.NoID },
			func(f *fc.Frame) { f.RX = 60 }, func(f *fc.Frame) { f.RX = 6000 }, func(f *fc.Frame) { f.D = 3 }, func(f *fc.Frame) { f.S = 3 },
			func(f *fc.Frame) { f.FCtl |= fc.FCtlResponder }, func(f *fc.Frame) { f.FCtl |= fc.FCtlRecipient }, func(f *fc.Frame) { f.Type = fc.TypeNVMe },
			func(f *fc.Frame) { f.RCtl = fc.RCtlACK1 }, func(f *fc.Frame) { f.DFCtl = 0x20 },
			func(f *fc.Frame) { *f = command(7); f.DFCtl = 0x20 },
		} {
			g := good
			f(&g)
			k.come(g)
			n++
		}
		if x[0].frames != 1 || x[1].frames != 0 {
			t.Errorf("%d and %d frames were delivered, want 1 and 0", x[0].frames, x[1].frames)
		}
		if got := p.Stats().Dropped - was; got != n {
			t.Errorf("%d frames were counted as thrown away, want %d", got, n)
		}
	})
}

// What is kept is bounded, by number and by time.
func TestKept(t *testing.T) {
	u := &upper{finish: true}
	onFake(t, u, nil, func(t *testing.T, k *fake, p *Port) {
		for i := range uint16(40) {
			k.come(command(i))
		}
		if n := p.tables.kept(); n > p.tables.keep+1 {
			t.Errorf("%d are kept, want up to %d", n, p.tables.keep+1)
		}
		sleep(5 * time.Second)
		if n := p.tables.kept(); n != 0 || u.open() != 0 {
			t.Errorf("%d and %d are kept after R_A_TOV", n, u.open())
		}
	})
}

func (t *tables) phase(end *table, i uint16) phase {
	t.mu.Lock()
	defer t.mu.Unlock()
	return end.slots[i].phase
}

func (t *tables) resting() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.theirs.resting.n
}

func (u *upper) open() int {
	u.mu.Lock()
	defer u.mu.Unlock()
	return len(u.tasks)
}

func (t *tables) kept() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.theirs.kept.n
}

// No port gets all exchanges, and what is kept makes room.
func TestRoom(t *testing.T) {
	u := &upper{lazy: true}
	onFake(t, u, nil, func(t *testing.T, k *fake, _ *Port) {
		u.noAccept = true
		var r *Remote
		for r = range u.remotes {
		}
		n := 0
		for i := range uint16(200) {
			f := command(i)
			o := u.task()
			if r.Accept(&f, &o.x) {
				u.tasks[&o.x] = o
				n++
			}
		}
		if n != 32 {
			t.Errorf("one port has %d of 64 exchanges, want 32", n)
		}
	})
}

func TestAbort(t *testing.T) {
	u := &upper{lazy: true}
	onFake(t, u, nil, func(t *testing.T, k *fake, p *Port) {
		k.come(command(1))
		var x *task
		for _, x = range u.tasks {
		}
		rx := x.x.index
		k.come(abts(1, rx))
		if out := k.sent(); len(out) != 0 {
			t.Fatalf("the answer comes before the end: %v", out)
		}
		k.come(abts(1, rx))   // again
		k.come(command(1))    // a late copy
		k.come(data(1, rx))   // a late frame
		k.come(abts(1, 1+rx)) // of another
		if f := k.one(t); f.RCtl != fc.RCtlBARjt {
			t.Fatalf("ABTS of what is not there is answered with %v", &f.Header)
		}
		u.abortAll()
		synctest.Wait()
		f := k.one(t)
		a, err := els.ParseAbortAccept(f.Payload)
		if err != nil || f.RCtl != fc.RCtlBAAcc || f.OX != 1 || f.RX != rx || f.FCtl != 0x980000 || a.OX != 1 || a.RX != rx || a.Low != 0 || a.High != 0xffff {
			t.Fatalf("ABTS is answered with %v: %+v, %v", &f.Header, a, err)
		}
		// Nothing of it is taken until RRQ, and ABTS is answered again.
		k.come(command(1))
		if u.open() != 0 {
			t.Fatal("a command runs that was aborted")
		}
		k.come(abts(1, rx))
		if f := k.one(t); f.RCtl != fc.RCtlBAAcc {
			t.Fatalf("ABTS again is answered with %v", &f.Header)
		}
		k.come(elsFrame(9, els.Reinstate{S: remoteID, OX: 1, RX: rx}.Append(nil)))
		if f := k.one(t); els.CommandOf(f.Payload) != els.LSAcc {
			t.Fatalf("RRQ is answered with %x", f.Payload)
		}
		k.come(command(1))
		if u.open() != 1 {
			t.Fatal("a new command does not run after RRQ")
		}
		if got := u.said(); len(got) != 1 {
			t.Errorf("the upper layer heard %q", got)
		}
	})
}

// A command that comes after its ABTS does not run, until R_A_TOV has passed.
func TestAbortComesFirst(t *testing.T) {
	u := &upper{}
	onFake(t, u, nil, func(t *testing.T, k *fake, p *Port) {
		k.come(abts(7, fc.NoID))
		if f := k.one(t); f.RCtl != fc.RCtlBAAcc {
			t.Fatalf("it is answered with %v", &f.Header)
		}
		k.come(command(7))
		if out := k.sent(); len(out) != 0 {
			t.Fatalf("it is answered: %v", out)
		}
		sleep(4 * time.Second)
		k.come(command(7))
		if out := k.sent(); len(out) != 0 {
			t.Fatalf("it is answered before R_A_TOV has passed: %v", out)
		}
		sleep(3 * time.Second)
		k.come(command(7))
		k.one(t)
		// They are bounded.
		for i := range uint16(1000) {
			k.come(abts(i+100, fc.NoID))
		}
		if n := len(p.tables.theirs.slots) / 2; p.tables.resting() != n {
			t.Errorf("%d identifiers are at rest, want %d", p.tables.resting(), n)
		}
		k.sent()
		k.come(command(8))
		k.one(t)
	})
}

func TestREC(t *testing.T) {
	u := &upper{finish: true, again: true}
	onFake(t, u, nil, func(t *testing.T, k *fake, _ *Port) {
		k.come(command(3))
		rx := k.one(t).RX
		for _, c := range []struct {
			q    els.ReadExchange
			fine bool
		}{
			{els.ReadExchange{S: remoteID, OX: 3, RX: rx}, true}, {els.ReadExchange{S: remoteID, OX: 3, RX: fc.NoID}, false},
			{els.ReadExchange{S: remoteID, OX: 4, RX: rx}, false}, {els.ReadExchange{S: remoteID, OX: 3, RX: rx + 1}, false},
			{els.ReadExchange{S: localID, OX: 3, RX: rx}, false}, {els.ReadExchange{S: 77, OX: 3, RX: rx}, false},
		} {
			k.come(elsFrame(20, c.q.Append(nil)))
			f := k.one(t)
			if !c.fine {
				if r, err := els.ParseReject(f.Payload); err != nil || r.Explanation != els.ExplanationExchange {
					t.Errorf("REC %+v is answered with %v, %v", c.q, r, err)
				}
				continue
			}
			a, err := els.ParseConcise(f.Payload)
			want := els.Concise{OX: 3, RX: rx, Originator: remoteID, Responder: localID, Value: 7, Status: els.StatusResponder | els.StatusComplete}
			if err != nil || a != want {
				t.Errorf("REC is answered with %+v, %v", a, err)
			}
		}
		// The port's own requests are nobody's business.
		stranger := command(1)
		stranger.S = 77
		k.come(stranger)
		own := k.one(t)
		k.come(elsFrame(22, els.ReadExchange{S: localID, OX: own.OX, RX: fc.NoID}.Append(nil)))
		if r, err := els.ParseReject(k.one(t).Payload); own.RCtl != fc.RCtlELSRequest || err != nil || r.Explanation != els.ExplanationExchange {
			t.Errorf("REC of the port's own %v is answered with %v, %v", &own.Header, r, err)
		}
		accept := elsFrame(own.OX, els.AppendAccept(nil))
		accept.S, accept.RCtl, accept.FCtl = 77, fc.RCtlELSReply, fc.FCtlReply
		k.come(accept)
		// Without RX_ID it is found as long as its confirmation is owed: else the one that is asked about is a new one, which was lost.
		u.unconfirmed = true
		k.come(elsFrame(20, els.ReadExchange{S: remoteID, OX: 3, RX: fc.NoID}.Append(nil)))
		if a, err := els.ParseConcise(k.one(t).Payload); err != nil || a.RX != rx {
			t.Errorf("REC is answered with %+v, %v", a, err)
		}
		u.unconfirmed = false
		// SRR: the answer leaves first.
		f := elsFrame(21, els.Retransmit{OX: 3, RX: rx, RCtl: fc.RCtlStatus}.Append(nil))
		f.RCtl, f.Type = fc.RCtlFC4Request, fc.TypeFCP
		k.come(f)
		out := k.sent()
		if len(out) != 2 || out[0].RCtl != fc.RCtlFC4Reply || out[0].OX != 21 || out[0].Type != fc.TypeFCP || els.CommandOf(out[0].Payload) != els.LSAcc ||
			out[1].RCtl != fc.RCtlStatus || out[1].OX != 3 || out[1].RX != rx || out[1].SeqID != 2 {
			t.Fatalf("SRR is answered with %v", out)
		}
		u.again = false
		k.come(f)
		if r, err := els.ParseReject(k.one(t).Payload); err != nil || r.Reason != els.ReasonUnable {
			t.Errorf("SRR of what is not there is answered with %v, %v", r, err)
		}
		// What was sent twice rests.
		sleep(4*time.Second + 100*time.Millisecond)
		if u.open() != 0 {
			t.Fatal("it is kept after R_A_TOV")
		}
		b := &u.port.tables
		if b.phase(&b.theirs, rx) != resting {
			t.Error("the RX_ID of what was sent twice does not rest")
		}
		k.come(command(3)) // the originator's identifier does not
		k.one(t)
		sleep(4*time.Second + 100*time.Millisecond)
		if b.phase(&b.theirs, rx) != free {
			t.Error("the RX_ID rests for longer than R_A_TOV")
		}
	})
}
