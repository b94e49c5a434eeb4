package nport

import (
	"testing"
	"time"

	"github.com/lunette-io/lunette/network/fc"
)

// responder is the least that an upper layer does for a command: it answers.
type responder struct {
	free   []*answered
	finish bool
}

type answered struct {
	x    Exchange
	s    fc.Sequence
	head [24]byte
}

func (u *responder) Login(*Remote, uint32) (uint32, uint8) { return 0x12, 1 }
func (u *responder) LoggedOut(*Remote, error)              {}
func (u *responder) Command(r *Remote, f *fc.Frame) {
	n := len(u.free)
	var o *answered
	if n == 0 {
		o = new(answered)
		o.x.Owner, o.s.Owner = o, o
	} else {
		o = u.free[n-1]
		u.free = u.free[:n-1]
	}
	if !r.Accept(f, &o.x) {
		panic("not accepted")
	}
}
func (u *responder) Frame(x *Exchange, _ *fc.Frame) {
	o := x.Owner.(*answered)
	o.s.Header = fc.Header{RCtl: fc.RCtlStatus, FCtl: fc.FCtlLastSequence | fc.FCtlEndSequence}
	o.s.Head = o.head[:]
	if !x.Post(&o.s) {
		panic("not posted")
	}
	if u.finish {
		x.Finish()
	}
}
func (u *responder) Abort(_ *Exchange, done func())             { done() }
func (u *responder) Status(*Exchange) Status                    { return Status{} }
func (u *responder) Retransmit(*Exchange, fc.RCtl, uint32) bool { return false }
func (u *responder) Forgotten(x *Exchange)                      { u.close(x) }
func (u *responder) close(x *Exchange) {
	x.Close()
	u.free = append(u.free, x.Owner.(*answered))
}
func (u *responder) Sent(x *Exchange, _ *fc.Sequence, _ error) {
	if !u.finish {
		u.close(x)
	}
}

// benchmark runs commands with a frame of data each: Command, Accept, Frame, Post, Sent and Close. depth of them are open at a time.
func benchmark(b *testing.B, depth int, finish bool) {
	k, p := openForBench(b, &responder{finish: finish})
	defer closePort(b, p)
	defer k.hold(false)
	first := make([]fc.Frame, depth)
	second := make([]fc.Frame, depth)
	for i := range first {
		first[i], second[i] = command(uint16(i)), data(uint16(i), 0)
	}
	round := func() {
		for i := range first {
			k.handler.Received(&first[i])
			second[i].RX = p.lastRX(first[i].OX)
		}
		for i := range second {
			k.handler.Received(&second[i])
		}
		k.mu.Lock()
		k.give(nil)
	}
	k.hold(true)
	for range 3000/depth + 10 {
		round()
	}
	b.ReportAllocs()
	b.ResetTimer()
	for n := 0; n < b.N; n += depth {
		round()
	}
	b.StopTimer()
	if d := p.Stats().Dropped; d != 0 {
		b.Fatalf("%d frames were thrown away", d)
	}
}

// lastRX is the RX_ID of the exchange with an OX_ID.
func (p *Port) lastRX(ox uint16) uint16 {
	p.tables.mu.Lock()
	defer p.tables.mu.Unlock()
	return uint16(p.tables.theirs.find(keyOf(remoteID, ox)))
}

func openForBench(t testing.TB, u Upper) (*fake, *Port) {
	t.Helper()
	k := &fake{}
	p, err := Open(fakeNetwork{k}, Config{Node: localName | 1<<60, Port: localName, Features: fc.FeatureTarget, Upper: u})
	if err != nil {
		t.Fatal(err)
	}
	k.handler.Up(fc.Attachment{ID: localID, MaxPayload: fc.MaxPayload, ErrorDetect: 2 * time.Second, ResourceAllocation: 4 * time.Second})
	k.logIn(t)
	k.quiet = true
	return k, p
}

func BenchmarkCommand(b *testing.B)     { benchmark(b, 32, false) }
func BenchmarkCommandKept(b *testing.B) { benchmark(b, 32, true) }
func BenchmarkCommandDeep(b *testing.B) { benchmark(b, 1024, false) }

// Nothing on a command's way allocates.
func TestAllocations(t *testing.T) {
	if raceEnabled {
		t.Skip("with the race detector everything allocates")
	}
	for _, finish := range []bool{false, true} {
		k, p := openForBench(t, &responder{finish: finish})
		first, second := command(1), data(1, 0)
		one := func() {
			k.handler.Received(&first)
			second.RX = p.lastRX(1)
			k.handler.Received(&second)
			k.mu.Lock()
			k.give(nil)
		}
		k.hold(true)
		for range 100 {
			one()
		}
		if n := testing.AllocsPerRun(1000, one); n != 0 {
			t.Errorf("a command allocates %v times", n)
		}
		k.hold(false)
		closePort(t, p)
	}
}
