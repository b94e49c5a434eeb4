package fcp

import (
	"testing"

	"github.com/lunette-io/lunette/network/fc"
	"github.com/lunette-io/lunette/network/fc/nport"
	"github.com/lunette-io/lunette/target"
	"github.com/lunette-io/lunette/transport/fcp/iu"
)

// A loop is a channel whose sequences have been sent as soon as they are flushed, without anything that allocates.
type loop struct {
	*rig
	c       *channel
	posted  [16]*fc.Sequence
	n       int
	k       *task
	command fc.Frame
	data    []*fc.Frame
	busy    bool
}

func newLoop(tb tb, cmd iu.Command) *loop {
	l := &loop{rig: newRig(tb)}
	nx, err := l.port.Login(target.Initiator{Name: "a"})
	if err != nil {
		tb.Fatal(err)
	}
	l.c = newChannel(channelConfig{remote: l, port: l, nexus: nx, asks: l.asks, arena: l.arena, solicited: 16 << 20, params: agreed, over: func() {}})
	l.command = fc.Frame{Header: fc.Header{RCtl: fc.RCtlCommand, Type: fc.TypeFCP, FCtl: fc.FCtlRequest}, First: true, Last: true, Payload: cmd.Append(nil)}
	l.data = dataFrames(0, int(cmd.Len), 2048)
	return l
}

func (l *loop) Accept(_ *fc.Frame, x *nport.Exchange) bool {
	l.k = x.Owner.(*task)
	l.k.wire = l
	return true
}

func (l *loop) Logout(bool, error)       {}
func (l *loop) Cancel(*fc.Sequence)      {}
func (l *loop) Finish()                  {}
func (l *loop) Close()                   {}
func (l *loop) Post(s *fc.Sequence) bool { l.posted[l.n] = s; l.n++; return true }
func (l *loop) Flush() {
	if l.busy {
		return
	}
	l.busy = true
	for i := 0; i < l.n; i++ {
		l.posted[i].Owner.(*sequence).returned(nil)
	}
	l.n, l.busy = 0, false
}

// one runs one command.
func (l *loop) one() {
	l.c.command(&l.command)
	k := l.k
	if k.HaveOut > 0 {
		for _, f := range l.data {
			k.frame(f)
		}
		l.Flush()
	}
	k.forgotten()
}

func (l *loop) end() {
	l.c.lose()
	l.Flush()
	l.asks.close()
}

var loops = []struct {
	name string
	cmd  iu.Command
}{
	{"none", iu.Command{}}, {"read4k", readOf(8, 0)}, {"pieces", readOf(8, pieces)}, {"read64k", readOf(128, 0)}, {"read1M", readOf(2048, 0)},
	{"write4k", writeOf(8, 0)}, {"write64k", writeOf(128, 0)}, {"write1M", writeOf(2048, 0)},
}

// TestNothingIsAllocated: a command allocates nothing in steady state.
func TestNothingIsAllocated(t *testing.T) {
	if raceEnabled {
		t.Skip("leases are not recycled under the race detector")
	}
	quick = true
	defer func() { quick = false }()
	for _, x := range loops {
		l := newLoop(t, x.cmd)
		for range 10 {
			l.one()
		}
		if n := testing.AllocsPerRun(1000, l.one); n != 0 {
			t.Errorf("%s: %v allocations", x.name, n)
		}
		l.end()
	}
}

// BenchmarkCommand is what a command costs in this package and in the target layer, its data-out copied once.
func BenchmarkCommand(b *testing.B) {
	quick = true
	defer func() { quick = false }()
	for _, x := range loops {
		b.Run(x.name, func(b *testing.B) {
			l := newLoop(b, x.cmd)
			b.ReportAllocs()
			b.SetBytes(int64(x.cmd.Len))
			for b.Loop() {
				l.one()
			}
			l.end()
		})
	}
}
