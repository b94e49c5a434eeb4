package target_test

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/lunette-io/lunette/buffer"
	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/target"
	"github.com/lunette-io/lunette/transport/loopback"
)

// medium is a unit of blocks. Commands with data-out ask for it and then change their extent
// until the test ends them; meanwhile nobody else may who overlaps an atomic one.
type medium struct {
	*holding
	t       testing.TB
	inside  map[uint64]*target.Task // between their data and their response
	arrived chan uint64
	landing bool
	into    []byte
}

func newMedium(t testing.TB) (*bench, *medium) {
	b := newBench(t)
	m := &medium{holding: b.h, t: t, inside: map[uint64]*target.Task{}, arrived: make(chan uint64, 1000), into: make([]byte, 1<<20)}
	b.h.onStart = m.start
	return b, m
}

func (m *medium) start(x *target.Task) bool {
	if x.HaveOut == 0 {
		return false
	}
	if m.landing {
		x.LandDataOut(0, buffer.Of(m.into[:x.HaveOut]), func(x *target.Task, err error) {
			if err != nil {
				x.Respond(target.Response{})
				return
			}
			m.enter(x)
		})
		return true
	}
	x.ReceiveDataOut(0, x.HaveOut, func(x *target.Task, l *buffer.Lease, err error) {
		if err != nil {
			x.Respond(target.Response{})
			return
		}
		l.Release()
		m.enter(x)
	})
	return true
}

func (m *medium) enter(x *target.Task) {
	m.mu.Lock()
	o := m.Order(x.CDB)
	for tag, y := range m.inside {
		p := m.Order(y.CDB)
		if (o.Class == target.Atomic || p.Class == target.Atomic) && o.First < p.First+p.Blocks && p.First < o.First+o.Blocks {
			m.t.Errorf("task %d %+v came in beside task %d %+v", x.Tag, o, tag, p)
		}
	}
	m.inside[x.Tag] = x
	m.mu.Unlock()
	m.arrived <- x.Tag
}

// leave ends a task that is inside; it reports whether it is.
func (m *medium) leave(tag uint64) bool {
	m.mu.Lock()
	x := m.inside[tag]
	delete(m.inside, tag)
	m.mu.Unlock()
	if x != nil {
		x.Respond(target.Response{})
	}
	return x != nil
}

func (m *medium) isInside(tag uint64) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.inside[tag] != nil
}

func cdbOf(c target.Class, first, blocks byte) []byte { return []byte{byte(c), first, blocks, 0, 0, 0} }

// Atomic commands exclude all writes that overlap them, whatever their nexus (medium.enter
// looks); and nobody waits for nothing.
func TestAtomicOrder(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		b, m := newMedium(t)
		sessions := []*loopback.Session{b.login(t, "a", loopback.Options{}), b.login(t, "b", loopback.Options{First: -1})}
		type running struct {
			order   target.Order
			tag     uint64
			inside  bool
			pending loopback.Pending
		}
		var live []*running // in the order of arrival
		// check finds a task that is not inside for no reason: only one that is inside, or an
		// atomic one that waits as well, may make it wait; and somebody is always inside.
		check := func() {
			anyInside := false
			for _, r := range live {
				r.inside = m.isInside(r.tag)
				anyInside = anyInside || r.inside
			}
			if len(live) > 0 && !anyInside {
				rt.Fatal("all wait")
			}
			for _, r := range live {
				reason := r.inside
				for _, o := range live {
					atomic := o.order.Class == target.Atomic
					if o != r && r.order.First < o.order.First+o.order.Blocks && o.order.First < r.order.First+r.order.Blocks {
						reason = reason || (o.inside && (atomic || r.order.Class == target.Atomic)) || (!o.inside && atomic)
					}
				}
				if !reason {
					rt.Fatalf("task %d %+v waits for nothing", r.tag, r.order)
				}
			}
		}
		defer func() {
			for len(live) > 0 {
				for _, r := range slices.Clone(live) {
					if m.leave(r.tag) {
						r.pending.Wait(t.Context())
						live = slices.DeleteFunc(live, func(o *running) bool { return o == r })
					}
				}
			}
		}()
		tag := uint64(0)
		for range rapid.IntRange(1, 40).Draw(rt, "steps") {
			var inside []*running
			for _, r := range live {
				if r.inside {
					inside = append(inside, r)
				}
			}
			if len(inside) > 0 && rapid.Bool().Draw(rt, "end one") {
				r := rapid.SampledFrom(inside).Draw(rt, "which")
				live = slices.DeleteFunc(live, func(o *running) bool { return o == r })
				m.leave(r.tag)
				if _, err := r.pending.Wait(t.Context()); err != nil {
					rt.Fatal(err)
				}
			} else {
				tag++
				r := &running{tag: tag, order: target.Order{
					Class: rapid.SampledFrom([]target.Class{target.Writes, target.Atomic}).Draw(rt, "class"),
					First: uint64(rapid.IntRange(0, 6).Draw(rt, "first")), Blocks: uint64(rapid.IntRange(1, 3).Draw(rt, "blocks")),
				}}
				s := sessions[rapid.IntRange(0, 1).Draw(rt, "session")]
				live = append(live, r)
				r.pending = s.Start(loopback.Command{CDB: cdbOf(r.order.Class, byte(r.order.First), byte(r.order.Blocks)), Out: make([]byte, 512), Tag: tag})
			}
			check()
		}
	})
}

// A write that waits for its initiator holds up no atomic command of another, unless its data
// lands in the medium itself.
func TestStalledWrite(t *testing.T) {
	b, m := newMedium(t)
	evil, good := b.login(t, "evil", loopback.Options{Never: true}), b.login(t, "good", loopback.Options{})
	stalled := evil.Start(loopback.Command{CDB: cdbOf(target.Writes, 0, 8), Out: make([]byte, 512), Tag: 1})
	p := good.Start(loopback.Command{CDB: cdbOf(target.Atomic, 4, 1), Out: make([]byte, 512), Tag: 2})
	if !m.leave(2) {
		t.Fatal("the atomic command waits for a write whose data is not there")
	}
	p.Wait(t.Context())
	evil.Manage(target.AbortTask, 0, 1)
	stalled.Wait(t.Context())
}

// The initiator of a write that lands in the medium has a while to send the data when an
// atomic command waits for it: then its connection ends.
func TestOverdue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, m := newMedium(t)
		m.landing = true
		evil, good := b.login(t, "evil", loopback.Options{Never: true}), b.login(t, "good", loopback.Options{First: -1})
		stalled := evil.Start(loopback.Command{CDB: cdbOf(target.Writes, 0, 8), Out: make([]byte, 512), Tag: 1})
		m.landing = false
		beside := good.Start(loopback.Command{CDB: cdbOf(target.Atomic, 8, 1), Out: make([]byte, 512), Tag: 2})
		if !m.leave(2) {
			t.Error("an atomic command beside the write waits")
		}
		beside.Wait(t.Context())
		p := good.Start(loopback.Command{CDB: cdbOf(target.Atomic, 4, 1), Out: make([]byte, 512), Tag: 3})
		behind := good.Start(loopback.Command{CDB: cdbOf(target.Writes, 4, 1), Out: make([]byte, 512), Tag: 4})
		time.Sleep(target.Patience - time.Millisecond)
		synctest.Wait()
		if m.isInside(3) || m.isInside(4) || evil.Overdues() != 0 {
			t.Error("it did not wait")
		}
		time.Sleep(2 * time.Millisecond)
		synctest.Wait()
		if evil.Overdues() != 1 || !m.leave(3) {
			t.Errorf("overdue %d times", evil.Overdues())
		}
		if _, err := stalled.Wait(t.Context()); err != loopback.ErrDropped {
			t.Error(err)
		}
		p.Wait(t.Context())
		if !m.leave(4) {
			t.Error("the write behind waits")
		}
		behind.Wait(t.Context())
	})
}

// An ORDERED command of one initiator, behind a write of its own that stalls, is nobody else's
// business; in one task set it is, but for what waits for its initiator.
func TestOrderedBehindStalledWrite(t *testing.T) {
	for _, shared := range []bool{false, true} {
		b, m := newMedium(t)
		b.unit.ShareTaskSet(shared)
		evil, good := b.login(t, "evil", loopback.Options{Never: true}), b.login(t, "good", loopback.Options{})
		stalled := evil.Start(loopback.Command{CDB: cdbOf(target.Writes, 0, 8), Out: make([]byte, 512), Tag: 1})
		ordered := evil.Start(loopback.Command{CDB: anyCDB, Tag: 2, Attr: target.Ordered})
		p := good.Start(loopback.Command{CDB: anyCDB, Tag: 3})
		if m.is(3) == shared {
			t.Errorf("shared %v: another initiator's command runs: %v", shared, m.is(3))
		}
		evil.Manage(target.AbortTask, 0, 1)
		stalled.Wait(t.Context())
		m.end(t, 2)
		ordered.Wait(t.Context())
		m.end(t, 3)
		p.Wait(t.Context())

		stalled = evil.Start(loopback.Command{CDB: cdbOf(target.Writes, 0, 8), Out: make([]byte, 512), Tag: 4})
		ordered = good.Start(loopback.Command{CDB: anyCDB, Tag: 5, Attr: target.Ordered})
		if !m.is(5) {
			t.Errorf("shared %v: an ORDERED command waits for what another initiator owes data for", shared)
		}
		m.end(t, 5)
		ordered.Wait(t.Context())
		evil.Manage(target.AbortTask, 0, 4)
		stalled.Wait(t.Context())
	}
}

// In one task set for all, an initiator whose ORDERED command waits for its own stalled write holds up
// the others for a while, and then its connection ends.
func TestSharedSetHasPatience(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, m := newMedium(t)
		b.unit.ShareTaskSet(true)
		evil, good := b.login(t, "evil", loopback.Options{Never: true}), b.login(t, "good", loopback.Options{})
		stalled := evil.Start(loopback.Command{CDB: cdbOf(target.Writes, 0, 8), Out: make([]byte, 512), Tag: 1})
		ordered := evil.Start(loopback.Command{CDB: anyCDB, Tag: 2, Attr: target.Ordered})
		time.Sleep(target.Patience + time.Millisecond)
		synctest.Wait()
		if evil.Overdues() != 0 {
			t.Error("overdue while nobody else waits")
		}
		p := good.Start(loopback.Command{CDB: anyCDB, Tag: 3})
		time.Sleep(target.Patience - time.Millisecond)
		synctest.Wait()
		if m.is(3) || evil.Overdues() != 0 {
			t.Error("no patience")
		}
		time.Sleep(target.Patience)
		synctest.Wait()
		if evil.Overdues() != 1 {
			t.Errorf("overdue %d times", evil.Overdues())
		}
		if m.is(2) { // it was its turn just before it was aborted
			m.end(t, 2)
		}
		m.end(t, 3)
		p.Wait(t.Context())
		stalled.Wait(t.Context())
		ordered.Wait(t.Context())
	})
}

// A task management function is answered soon, whatever the initiator whose command it ends does: if
// something of that is on its way and does not end, its connection does.
func TestAbortHasPatience(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		g, ch := newGated(t, b)
		b.h.onStart = func(x *target.Task) bool {
			x.SendDataIn(0, buffer.Of(make([]byte, 10)), nil)
			return false
		}
		g.overdue = func(x *target.Task) { go x.DataInSent() }
		ch.Execute(g.task(1))
		admin := b.login(t, "admin", loopback.Options{})
		done := manage(admin, target.ResetLogicalUnit, 0, 0)
		b.h.end(t, 1)
		time.Sleep(target.Patience - time.Millisecond)
		synctest.Wait()
		select {
		case <-done:
			t.Error("answered while data is on its way")
		default:
		}
		time.Sleep(2 * time.Millisecond)
		synctest.Wait()
		if r := soon(t, done); r != target.FunctionComplete {
			t.Error(r)
		}
	})
}

// A pause waits for what runs, holds what comes and what has its data, and not for initiators.
func TestPause(t *testing.T) {
	b, m := newMedium(t)
	s, slow := b.login(t, "a", loopback.Options{}), b.login(t, "b", loopback.Options{Never: true})
	running := s.Start(loopback.Command{CDB: anyCDB, Tag: 1})
	stalled := slow.Start(loopback.Command{CDB: cdbOf(target.Writes, 0, 1), Out: make([]byte, 512), Tag: 2})
	paused := make(chan error, 1)
	go func() { paused <- b.unit.Pause(t.Context()) }()
	never(t, paused, "the pause did not wait for what runs")
	if err := b.unit.Pause(t.Context()); err != target.ErrPaused {
		t.Errorf("a second pause: %v", err)
	}
	m.end(t, 1)
	if err := soon(t, paused); err != nil {
		t.Fatal(err)
	}
	running.Wait(t.Context())
	var waiting []loopback.Pending
	for i, a := range []target.Attr{target.Simple, target.HeadOfQueue, target.Ordered} {
		waiting = append(waiting, s.Start(loopback.Command{CDB: anyCDB, Tag: uint64(3 + i), Attr: a}))
		if m.is(uint64(3 + i)) {
			t.Errorf("attribute %v starts in a pause", a)
		}
	}
	if r := soon(t, manage(s, target.AbortTask, 0, 5)); r != target.FunctionComplete {
		t.Errorf("abort in a pause: %v", r)
	}
	waiting[2].Wait(t.Context())
	b.unit.Resume()
	b.unit.Resume()
	m.end(t, 4)
	waiting[1].Wait(t.Context())
	m.end(t, 3)
	waiting[0].Wait(t.Context())
	slow.Manage(target.AbortTask, 0, 2)
	stalled.Wait(t.Context())
}

// A wrong attribute is refused: there never is an ACA condition.
func TestACA(t *testing.T) {
	b := newBench(t)
	s := b.login(t, "a", loopback.Options{})
	if r, err := s.Run(loopback.Command{CDB: anyCDB, Attr: target.ACA}); err != nil || r.Sense.ASC != scsi.ASCInvalidMessage {
		t.Errorf("%+v %v", r, err)
	}
}
