package target_test

import (
	"errors"
	"testing"

	"github.com/lunette-io/lunette/buffer"
	"github.com/lunette-io/lunette/target"
	"github.com/lunette-io/lunette/transport/loopback"
)

// gated is a transport whose data-in and responses go out when the test says so.
type gated struct {
	pieces    []*target.Task
	responses []*target.Task
	ended     []uint64
	overdue   func(*target.Task)
}

func (g *gated) SendDataIn(t *target.Task, _ int64, l *buffer.Lease) {
	l.Release()
	g.pieces = append(g.pieces, t)
}
func (g *gated) ReceiveDataOut(t *target.Task, _ int64, _ *buffer.Lease, _ int64) {
	t.DataOutReceived(nil)
}
func (g *gated) SendResponse(t *target.Task, _ *target.Response) bool {
	g.responses = append(g.responses, t)
	return false
}
func (g *gated) TerminateTransfers(*target.Task) {}
func (g *gated) Ended(t *target.Task)            { g.ended = append(g.ended, t.Tag) }
func (g *gated) Overdue(t *target.Task, _ error) { g.overdue(t) }
func (g *gated) task(tag uint64, c ...byte) *target.Task {
	return &target.Task{Tag: tag, CDB: append(c, make([]byte, 6)...)[:6], WantIn: 100, HaveOut: 100}
}

func newGated(t *testing.T, b *bench) (*gated, *target.Channel) {
	t.Helper()
	n, err := b.port.Login(target.Initiator{Name: "gated"})
	if err != nil {
		t.Fatal(err)
	}
	g := new(gated)
	t.Cleanup(func() { n.Lost(func() {}) })
	return g, n.Channel(g, target.ChannelLimits{Solicited: 1 << 20, Arena: buffer.NewArena(1 << 20)})
}

// An aborted task ends when its data-in has been sent: until then the initiator's memory is
// written to, and task management has to wait, whichever channel it came by.
func TestAbortWithDataUnderWay(t *testing.T) {
	b := newBench(t)
	g, ch := newGated(t, b)
	b.h.onStart = func(x *target.Task) bool {
		x.SendDataIn(0, buffer.Of(make([]byte, 10)), nil)
		return false
	}
	ch.Execute(g.task(1))
	done := false
	ch.Nexus().Manage(target.AbortTask, 0, 1, func(target.FunctionResult) { done = true })
	b.h.end(t, 1)
	if done || len(g.ended) != 0 {
		t.Fatal("ended while data is under way")
	}
	g.pieces[0].DataInSent()
	if !done || len(g.ended) != 1 || len(g.responses) != 0 {
		t.Errorf("answered: %v, %d ended, %d responses", done, len(g.ended), len(g.responses))
	}
}

// A response that its initiator does not take holds up no other command of the same extent.
func TestAtomicWhoseResponseWaits(t *testing.T) {
	b := newBench(t)
	g, ch := newGated(t, b)
	b.h.onStart = func(x *target.Task) bool {
		x.ReceiveDataOut(0, 10, func(x *target.Task, l *buffer.Lease, err error) {
			if err == nil {
				l.Release()
			}
			x.Respond(target.Response{})
		})
		return true
	}
	ch.Execute(g.task(1, byte(target.Atomic), 0, 8))
	s := b.login(t, "other", loopback.Options{})
	r, err := s.Run(loopback.Command{CDB: []byte{byte(target.Atomic), 4, 8, 0, 0, 0}, Out: make([]byte, 10)})
	if err != nil || r.Err() != nil {
		t.Error(errors.Join(err, r.Err()))
	}
	if len(g.responses) != 1 || len(g.ended) != 0 {
		t.Fatalf("%d responses, %d ended", len(g.responses), len(g.ended))
	}
	g.responses[0].Responded()
}
