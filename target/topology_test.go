package target_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/lunette-io/lunette/buffer"
	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/target"
	"github.com/lunette-io/lunette/transport/loopback"
)

func flat(i uint32) scsi.LUN { l, _ := scsi.FlatLUN(i); return l }

// views makes what initiators see.
func views(t testing.TB, all []target.Mapping, some ...target.View) *target.Views {
	t.Helper()
	v, err := target.NewViews("t", all, some...)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// A nexus sees a map change by its next command, and is told by the units that it keeps; one
// with a map of its own sees that.
func TestSetViews(t *testing.T) {
	b := newBench(t)
	h := newHolding()
	second := target.NewUnit("second", h)
	s, other := b.login(t, "a", loopback.Options{}), b.login(t, "b", loopback.Options{})
	lun := flat(1)
	first, both := []target.Mapping{{LUN: 0, Unit: b.unit}}, []target.Mapping{{LUN: 0, Unit: b.unit}, {LUN: lun, Unit: second}}
	own := target.View{Initiators: []string{"b"}, Maps: []target.Mapping{{LUN: lun, Unit: second}}}
	b.tgt.SetViews(views(t, first, own), nil)
	if got := other.Nexus.LUNs(); !slices.Equal(got, []scsi.LUN{lun}) {
		t.Errorf("b sees %v", got)
	}
	if len(b.h.all()) != 0 {
		t.Errorf("a was told of what b sees: %v", b.h.all())
	}
	b.tgt.SetViews(views(t, both, own), nil)
	if got := s.Nexus.LUNs(); !slices.Equal(got, []scsi.LUN{0, lun}) {
		t.Errorf("a sees %v", got)
	}
	if got := b.h.all(); len(got) != 1 || got[0].e != target.InventoryChanged || got[0].x != s.Nexus.ITLs()[0] {
		t.Errorf("events %v", got)
	}
	if got := h.all(); len(got) != 0 {
		t.Errorf("b was told of what a sees: %v", got)
	}
	p := s.Start(loopback.Command{LUN: lun, CDB: anyCDB, Tag: 1})
	gone := make(chan struct{})
	b.tgt.SetViews(views(t, first, own), func() { close(gone) })
	never(t, gone, "the unit forgot a nexus with a task")
	if r, err := s.Run(loopback.Command{LUN: lun, CDB: anyCDB}); err != nil || r.Sense.ASC != scsi.ASCLogicalUnitNotSupported {
		t.Errorf("a unit that was taken away: %+v %v", r, err)
	}
	h.end(t, 1)
	soon(t, gone)
	if _, err := p.Wait(t.Context()); !errors.Is(err, loopback.ErrDropped) {
		t.Errorf("%v", err)
	}
	b.tgt.SetViews(views(t, first), nil)
	if got := other.Nexus.LUNs(); !slices.Equal(got, []scsi.LUN{0}) {
		t.Errorf("b sees %v", got)
	}
	twice := []target.Mapping{{LUN: 0, Unit: b.unit}, {LUN: 0, Unit: second}}
	if _, err := target.NewViews("t", twice); err == nil {
		t.Error("a LUN that is mapped twice")
	}
	if _, err := target.NewViews("t", nil, target.View{Maps: twice}); err == nil {
		t.Error("a LUN that is mapped twice for some")
	}
	if h.attached != 0 || b.h.attached != 2 {
		t.Errorf("%d and %d nexuses are attached", h.attached, b.h.attached)
	}
}

// A mapping that becomes read-only keeps its I_T_L nexus, with its tasks, and the unit is told of it
// alone.
func TestReadOnlyMapping(t *testing.T) {
	b := newBench(t)
	s, other := b.login(t, "a", loopback.Options{}), b.login(t, "b", loopback.Options{})
	x := s.Nexus.ITLs()[0]
	p := s.Start(loopback.Command{CDB: anyCDB, Tag: 1})
	maps := func(readOnly bool) []target.Mapping {
		return []target.Mapping{{LUN: 0, Unit: b.unit, ReadOnly: readOnly}}
	}
	for n, readOnly := range []bool{true, true, false} {
		b.tgt.SetViews(views(t, maps(false), target.View{Initiators: []string{"a"}, Maps: maps(readOnly)}), nil)
		if x.ReadOnly() != readOnly || s.Nexus.ITLs()[0] != x || other.Nexus.ITLs()[0].ReadOnly() {
			t.Errorf("step %d: %v, and the other %v", n, x.ReadOnly(), other.Nexus.ITLs()[0].ReadOnly())
		}
		events := b.h.all()
		if want := []int{1, 1, 2}[n]; len(events) != want || events[want-1].e != target.ProtectionChanged || events[want-1].x != x {
			t.Errorf("step %d: events %v", n, events)
		}
	}
	b.h.end(t, 1)
	if r, err := p.Wait(t.Context()); err != nil || r.Err() != nil {
		t.Errorf("a task that was there: %+v %v", r, err)
	}
	b.tgt.SetViews(views(t, maps(true)), nil)
	if late := b.login(t, "c", loopback.Options{}); !late.Nexus.ITLs()[0].ReadOnly() {
		t.Error("who comes later may write")
	}
}

// The same initiator comes back while a task of its old nexus hangs: it gets in, the other unit
// serves it, and the hung one answers BUSY until the task has ended.
func TestLoginBesideHungUnit(t *testing.T) {
	b := newBench(t)
	h := newHolding()
	b.tgt.SetViews(views(t, []target.Mapping{{LUN: 0, Unit: b.unit}, {LUN: flat(1), Unit: target.NewUnit("second", h)}}), nil)
	old := loopback.Login(b.port, target.Initiator{Name: "a", Port: scsi.ISCSIDevice("a")}, loopback.Options{})
	hung := old.Start(loopback.Command{CDB: anyCDB, Tag: 1})
	gone := make(chan error, 1)
	go func() { gone <- old.Close() }()
	never(t, gone, "the old nexus is gone")
	s := b.login(t, "a", loopback.Options{})
	for _, op := range []byte{0x00, 0x28, 0x2a} {
		if r, err := s.Run(loopback.Command{CDB: []byte{op, 0, 0, 0, 0, 0}}); err != nil || r.Status != scsi.Busy {
			t.Errorf("%02x at the hung unit: %+v %v", op, r, err)
		}
	}
	for i, op := range []byte{0x12, 0xa0, 0x03} {
		p := s.Start(loopback.Command{CDB: []byte{op, 0, 0, 0, 0, 0}, Tag: uint64(10 + i)})
		b.h.end(t, uint64(10+i))
		p.Wait(t.Context())
	}
	p := s.Start(loopback.Command{LUN: flat(1), CDB: anyCDB, Tag: 2})
	h.end(t, 2)
	if r, err := p.Wait(t.Context()); err != nil || r.Err() != nil {
		t.Errorf("the other unit: %+v %v", r, err)
	}
	stranger := b.login(t, "b", loopback.Options{})
	p = stranger.Start(loopback.Command{CDB: anyCDB, Tag: 3})
	b.h.end(t, 3)
	p.Wait(t.Context())
	b.h.end(t, 1)
	if _, err := hung.Wait(t.Context()); !errors.Is(err, loopback.ErrDropped) {
		t.Errorf("%v", err)
	}
	if err := soon(t, gone); err != nil {
		t.Error(err)
	}
	p = s.Start(loopback.Command{CDB: anyCDB, Tag: 4})
	b.h.end(t, 4)
	if r, err := p.Wait(t.Context()); err != nil || r.Err() != nil {
		t.Errorf("the unit is not hung any more: %+v %v", r, err)
	}
}

// Relative port identifiers are unique, and a port that comes back has the one that it had.
func TestPorts(t *testing.T) {
	b := newBench(t)
	add := func(name string) *target.Port {
		t.Helper()
		p, err := b.tgt.AddPort(target.PortConfig{Name: name, Protocol: scsi.ProtocolSRP, Group: 7})
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	second, third := add("second"), add("third")
	if b.port.Relative != 1 || second.Relative != 2 || third.Relative != 3 || third.Group != 7 {
		t.Errorf("%d %d %d", b.port.Relative, second.Relative, third.Relative)
	}
	if _, err := b.tgt.AddPort(target.PortConfig{Name: "second"}); err == nil {
		t.Error("two ports of one name")
	}
	b.tgt.RemovePort(second)
	if _, err := second.Login(target.Initiator{Name: "a"}); err != target.ErrClosed {
		t.Errorf("a login by a port that is gone: %v", err)
	}
	if fourth := add("fourth"); fourth.Relative != 4 {
		t.Errorf("a new port has the identifier of an old one: %d", fourth.Relative)
	}
	if again := add("second"); again.Relative != 2 {
		t.Errorf("a port that comes back has %d", again.Relative)
	}
	b.tgt.Close()
	if _, err := b.port.Login(target.Initiator{Name: "a"}); err != target.ErrClosed {
		t.Errorf("a login to a target that is closed: %v", err)
	}
	if _, err := b.tgt.AddPort(target.PortConfig{Name: "x"}); err != target.ErrClosed {
		t.Errorf("a port of a target that is closed: %v", err)
	}
}

// echo is a unit that ends tasks on goroutines of its own, with data-out or without.
type echo struct {
	holding
	t    testing.TB
	runs sync.WaitGroup
}

func (e *echo) Execute(x *target.Task) {
	end := func(x *target.Task) {
		e.runs.Go(func() {
			if rand.IntN(4) == 0 {
				time.Sleep(time.Duration(rand.IntN(100)) * time.Microsecond)
			}
			x.Respond(target.Response{Moves: x.HaveOut})
		})
	}
	if x.HaveOut == 0 {
		end(x)
		return
	}
	x.ReceiveDataOut(0, x.HaveOut, func(x *target.Task, l *buffer.Lease, err error) {
		if l != nil {
			l.Release()
		}
		end(x)
	})
}

// Maps, ports and pauses change under I/O, and tasks are aborted at every state: each task ends
// exactly once, answered or not, and nothing is left.
func TestChangesUnderIO(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		var units []*target.Unit
		var devices []*echo
		for i := range 3 {
			e := &echo{t: t}
			e.running = map[uint64]*target.Task{}
			devices = append(devices, e)
			units = append(units, target.NewUnit(fmt.Sprint(i), e))
		}
		maps := func(n int) (m []target.Mapping) {
			for i, u := range units {
				if n&(1<<i) != 0 {
					m = append(m, target.Mapping{LUN: flat(uint32(i)), Unit: u})
				}
			}
			return m
		}
		tgt, err := target.NewTarget("t", maps(7)...)
		if err != nil {
			rt.Fatal(err)
		}
		port, err := tgt.AddPort(target.PortConfig{Name: "p"})
		if err != nil {
			rt.Fatal(err)
		}
		arena := buffer.NewArena(64 << 20)
		options := []loopback.Options{{}, {First: -1}, {Later: true, Piece: 100}, {Never: true}, {HoldResponse: true}}
		stop := make(chan struct{})
		var clients, changes sync.WaitGroup
		client := func(i int) {
			for round := 0; ; round++ {
				opt := options[(i+round)%len(options)]
				opt.Arena, opt.Solicited = arena, 4<<10
				s, err := loopback.Try(port, target.Initiator{Name: fmt.Sprint("i", i%2), Port: scsi.ISCSIDevice(fmt.Sprint(i))}, opt)
				if err != nil {
					return
				}
				var all []loopback.Pending
				for tag := range uint64(40) {
					c := loopback.Command{
						LUN: flat(rand.Uint32N(4)), Tag: tag + 1, Attr: target.Attr(rand.IntN(3)),
						CDB: cdbOf(target.Class(rand.IntN(4)), byte(rand.IntN(4)), byte(rand.IntN(3))),
					}
					if rand.IntN(2) == 0 || c.CDB[0] == byte(target.Atomic) {
						c.Out = make([]byte, 2048)
					}
					all = append(all, s.Start(c))
					switch rand.IntN(20) {
					case 0:
						s.Nexus.Manage(target.AbortTask, c.LUN, tag+1, func(target.FunctionResult) {})
					case 1:
						s.Nexus.Manage(target.AbortTaskSet, c.LUN, 0, func(target.FunctionResult) {})
					case 2:
						s.Nexus.Manage(target.ResetLogicalUnit, c.LUN, 0, func(target.FunctionResult) {})
					case 3, 4:
						s.Release()
					}
				}
				if err := s.Close(); err != nil { // whatever is left is aborted
					rt.Error(err)
				}
				for _, p := range all {
					if _, err := p.Wait(t.Context()); err != nil && !errors.Is(err, loopback.ErrDropped) {
						rt.Error(err)
					}
				}
				select {
				case <-stop:
					return
				default:
				}
			}
		}
		for i := range 4 {
			clients.Go(func() { client(i) })
		}
		steps := rapid.SliceOfN(rapid.IntRange(0, 40), 1, 20).Draw(rt, "steps")
		changes.Go(func() {
			all, some := maps(7), []target.View(nil)
			set := func(gone func()) { tgt.SetViews(views(t, all, some...), gone) }
			for _, n := range steps {
				switch {
				case n < 8:
					gone := make(chan struct{})
					all = maps(n)
					set(func() { close(gone) })
					<-gone
				case n < 16:
					some = []target.View{{Initiators: []string{"?1"}, Maps: maps(n & 7)}}
					set(nil)
				case n < 20:
					some = nil
					set(nil)
				case n < 30:
					u := units[n%3]
					if err := u.Pause(t.Context()); err != nil {
						rt.Error(err)
					}
					u.Resume()
				case n < 34:
					units[n%3].ShareTaskSet(n%2 == 0)
				default:
					p, err := tgt.AddPort(target.PortConfig{Name: "q"})
					if err != nil {
						rt.Error(err)
						continue
					}
					if s, err := loopback.Try(p, target.Initiator{Name: "i1"}, loopback.Options{}); err != nil {
						rt.Error(err)
					} else {
						tgt.RemovePort(p)
						s.Close()
					}
				}
			}
		})
		changes.Wait()
		close(stop)
		clients.Wait()
		for i, d := range devices {
			d.runs.Wait()
			d.mu.Lock()
			if d.attached != 0 || len(units[i].ITLs()) != 0 {
				rt.Errorf("%d nexuses are left", d.attached)
			}
			d.mu.Unlock()
			if err := units[i].Close(); err != nil {
				rt.Error(err)
			}
		}
		if err := arena.Close(); err != nil {
			rt.Error(err)
		}
	})
}
