package target_test

import (
	"bytes"
	"errors"
	"testing"

	"github.com/lunette-io/lunette/buffer"
	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/target"
	"github.com/lunette-io/lunette/transport/loopback"
)

// A resetter is a device server whose commands end when it is reset.
type resetter struct {
	*holding
	resetting func(done func())
}

func (r *resetter) Resetting(done func()) { r.resetting(done) }

// newResetter returns a bench of one.
func newResetter(t *testing.T) (*bench, *resetter) {
	r := &resetter{holding: newHolding()}
	u := target.NewUnit("unit", r)
	tgt, err := target.NewTarget("target", target.Mapping{Unit: u})
	if err != nil {
		t.Fatal(err)
	}
	port, err := tgt.AddPort(target.PortConfig{Name: "port"})
	if err != nil {
		t.Fatal(err)
	}
	return &bench{h: r.holding, unit: u, tgt: tgt, port: port}, r
}

// A reset begins with the device server, when the tasks are aborted and before their ends are waited for, and it has ended when both have.
func TestResetter(t *testing.T) {
	for _, f := range []target.Function{target.ResetLogicalUnit, target.ResetTarget} {
		b, r := newResetter(t)
		s, other := b.login(t, "a", loopback.Options{}), b.login(t, "b", loopback.Options{})
		p, q := s.Start(loopback.Command{CDB: anyCDB, Tag: 7}), other.Start(loopback.Command{CDB: anyCDB, Tag: 8})
		begun := make(chan func(), 1)
		r.resetting = func(done func()) {
			for _, x := range b.unit.ITLs() {
				if x.Unit() != b.unit {
					t.Error("a nexus of another unit")
				}
			}
			begun <- done
		}
		answered := manage(s, f, 0, 0)
		done := soon(t, begun)
		never(t, answered, "the answer came before the tasks have ended")
		b.h.end(t, 7)
		b.h.end(t, 8)
		for _, x := range []loopback.Pending{p, q} {
			if _, err := x.Wait(t.Context()); !errors.Is(err, loopback.ErrDropped) {
				t.Errorf("%v: a task was answered: %v", f, err)
			}
		}
		never(t, answered, "the answer came before the device server was done")
		if n := len(b.h.all()); n != 0 {
			t.Errorf("%v: %d events before the end of the reset", f, n)
		}
		done()
		if got := soon(t, answered); got != target.FunctionComplete {
			t.Errorf("%v: %v", f, got)
		}
		if n := len(b.h.all()); n != 1 {
			t.Errorf("%v: %d events", f, n)
		}
	}
}

// The device server may be done at once; and only resets of the unit are its business.
func TestResetterAtOnce(t *testing.T) {
	b, r := newResetter(t)
	s := b.login(t, "a", loopback.Options{})
	resets := 0
	r.resetting = func(done func()) { resets++; done() }
	for _, f := range []target.Function{target.ResetNexus, target.AbortTaskSet, target.ClearTaskSet} {
		if soon(t, manage(s, f, 0, 0)); resets != 0 {
			t.Errorf("%v is a reset of the unit", f)
		}
	}
	p := s.Start(loopback.Command{CDB: anyCDB, Tag: 7})
	r.resetting = func(done func()) {
		resets++
		b.h.end(t, 7) // the task is aborted: its end answers nothing
		done()
	}
	if got := soon(t, manage(s, target.ResetLogicalUnit, 0, 0)); got != target.FunctionComplete || resets != 1 {
		t.Errorf("%v, %d resets", got, resets)
	}
	if _, err := p.Wait(t.Context()); !errors.Is(err, loopback.ErrDropped) {
		t.Errorf("the task was answered: %v", err)
	}
	r.resetting = func(done func()) { resets++; done() }
	ended := make(chan struct{})
	b.unit.Reset(func() { close(ended) })
	if soon(t, ended); resets != 2 {
		t.Errorf("%d resets", resets)
	}
}

// late is a transport whose responses wait, as they are lent.
type late struct {
	gated
	lent []*target.Response
}

func (l *late) SendResponse(t *target.Task, r *target.Response) bool {
	l.lent = append(l.lent, r)
	return l.gated.SendResponse(t, r)
}

// Raw sense stays what it is while its response waits, however often the device server uses its own memory again.
func TestRawSense(t *testing.T) {
	b := newBench(t)
	n, err := b.port.Login(target.Initiator{Name: "late"})
	if err != nil {
		t.Fatal(err)
	}
	l := new(late)
	ch := n.Channel(l, target.ChannelLimits{Solicited: 1 << 20, Arena: buffer.NewArena(1 << 20)})
	raw := bytes.Repeat([]byte{0x70}, 252)
	raw[1] = 0
	b.h.onStart = func(x *target.Task) bool {
		raw[1]++
		x.Respond(target.Response{Status: scsi.CheckCondition, SenseData: x.RawSense(raw)})
		return true
	}
	for tag := range uint64(4) {
		ch.Execute(l.task(tag))
	}
	clear(raw[1:])
	for i, r := range l.lent {
		if got := r.AppendSense(nil); len(got) != len(raw) || got[1] != byte(i+1) || got[0] != 0x70 {
			t.Errorf("response %d has sense %x", i, got)
		}
	}
	if len(l.lent) != 4 {
		t.Errorf("%d responses", len(l.lent))
	}
	for _, x := range l.responses {
		x.Responded()
	}
	n.Lost(func() {})
	x := l.task(9) // used again it takes no memory
	if allocs := testing.AllocsPerRun(10, func() { x.RawSense(raw) }); allocs != 0 {
		t.Errorf("%v allocations", allocs)
	}
}

// What a device server has elsewhere for a task is paid by the initiator and the unit.
func TestPurseOfTask(t *testing.T) {
	b := newBench(t)
	arena := buffer.NewArena(64 << 20)
	s := b.login(t, "a", loopback.Options{Arena: arena})
	var purse *buffer.Purse
	b.h.onStart = func(x *target.Task) bool {
		purse = x.Purse()
		if err := purse.Charge(2 << 20); err != nil {
			t.Error(err)
		}
		x.Respond(target.Response{})
		return false
	}
	if _, _, err := s.Do(t.Context(), 0, anyCDB, nil, 0); err != nil {
		t.Fatal(err)
	}
	names := make(map[string]int64)
	for _, o := range arena.Accounts() {
		names[o.Name] = o.Used
	}
	if names["a"] != 2<<20 || names["unit"] != 2<<20 || arena.Outstanding() != 2<<20 {
		t.Errorf("%v", names)
	}
	purse.Uncharge(2 << 20)
	if arena.Outstanding() != 0 {
		t.Error("it is not given back")
	}
}
