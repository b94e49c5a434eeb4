package reserve

import (
	"errors"
	"maps"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/lunette-io/lunette/scsi"
)

func nexusOf(i int) Nexus {
	return Nexus{Initiator: scsi.ISCSIPort("iqn.host", [6]byte{5: byte(i)}), Target: "t", Port: uint16(1 + i%2)}
}

// model is the standard's text as directly as it goes: who has which key, and who
// holds what.
type model struct {
	keys    map[int]uint64
	kind    scsi.ReservationType
	holders []int // one, or all with the types for all registrants
	gen     uint32
}

func (m *model) holds(i int) bool {
	if m.kind.AllRegistrants() {
		_, ok := m.keys[i]
		return m.kind != 0 && ok
	}
	return m.kind != 0 && slices.Contains(m.holders, i)
}

func (m *model) others(i int) []int {
	var all []int
	for j := range m.keys {
		if j != i {
			all = append(all, j)
		}
	}
	return all
}

type told map[int]scsi.ASC

func (m *model) endReservation() { m.kind, m.holders = 0, nil }

// op is one PERSISTENT RESERVE OUT in short.
type op struct {
	action  scsi.ServiceAction
	from    int
	key, sa uint64
	kind    scsi.ReservationType
	to      int
	unreg   bool
}

// run returns whether o conflicts, whether it is refused otherwise, and who is told.
func (m *model) run(o op) (conflict, refused bool, ua told) {
	ua = told{}
	mine, registered := m.keys[o.from]
	unregister := func(i int) {
		held := m.holds(i)
		delete(m.keys, i)
		if held && (!m.kind.AllRegistrants() || len(m.keys) == 0) {
			if m.kind.RegistrantsOnly() {
				for _, j := range m.others(o.from) {
					ua[j] = scsi.ASCReservationsReleased
				}
			}
			m.endReservation()
		}
	}
	switch o.action {
	case scsi.ActionRegister:
		if registered && o.key != mine || !registered && o.key != 0 {
			return true, false, ua
		}
		if !registered && o.sa == 0 {
			return false, false, ua
		}
	case scsi.ActionRegisterAndIgnoreExistingKey:
		if !registered && o.sa == 0 {
			return false, false, ua
		}
	default:
		if !registered || o.key != mine {
			return true, false, ua
		}
	}
	switch o.action {
	case scsi.ActionRegister, scsi.ActionRegisterAndIgnoreExistingKey:
		m.gen++
		if o.sa == 0 {
			unregister(o.from)
		} else {
			m.keys[o.from] = o.sa
		}
	case scsi.ActionReserve:
		switch {
		case m.kind == 0:
			m.kind, m.holders = o.kind, []int{o.from}
		case !m.holds(o.from) || m.kind != o.kind:
			return true, false, ua
		}
	case scsi.ActionRelease:
		switch {
		case !m.holds(o.from):
		case m.kind != o.kind:
			return false, true, ua
		default:
			if m.kind != scsi.WriteExclusive && m.kind != scsi.ExclusiveAccess {
				for _, j := range m.others(o.from) {
					ua[j] = scsi.ASCReservationsReleased
				}
			}
			m.endReservation()
		}
	case scsi.ActionClear:
		for _, j := range m.others(o.from) {
			ua[j] = scsi.ASCReservationsPreempted
		}
		clear(m.keys)
		m.endReservation()
		m.gen++
	case scsi.ActionPreempt:
		if o.sa == 0 && !m.kind.AllRegistrants() {
			return false, true, ua
		}
		takes := o.sa == 0
		if m.kind != 0 && !m.kind.AllRegistrants() && m.keys[m.holders[0]] == o.sa {
			takes = true
		}
		var victims []int
		for i, k := range m.keys {
			if o.sa == 0 || k == o.sa {
				victims = append(victims, i)
			}
		}
		if len(victims) == 0 {
			return true, false, ua
		}
		m.gen++
		if takes {
			changed := m.kind != o.kind
			for _, v := range victims {
				if v != o.from {
					delete(m.keys, v)
				}
			}
			if changed {
				for _, j := range m.others(o.from) {
					ua[j] = scsi.ASCReservationsReleased
				}
			}
			m.kind, m.holders = o.kind, []int{o.from}
		} else {
			for _, v := range victims {
				unregister(v)
			}
		}
		for _, v := range victims {
			if v != o.from {
				ua[v] = scsi.ASCRegistrationsPreempted
			}
		}
	case scsi.ActionRegisterAndMove:
		switch {
		case m.kind == 0:
			return false, true, ua
		case m.kind.AllRegistrants() || !m.holds(o.from):
			return true, false, ua
		case o.sa == 0 || o.to == o.from:
			return false, true, ua
		}
		m.gen++
		m.keys[o.to] = o.sa
		if o.unreg {
			delete(m.keys, o.from)
		}
		m.holders = []int{o.to}
	}
	return false, false, ua
}

func (o op) change() Change {
	c := Change{From: nexusOf(o.from), Key: o.key, ActionKey: o.sa, Type: o.kind}
	switch o.action {
	case scsi.ActionRegister:
		c.Op = Register
	case scsi.ActionRegisterAndIgnoreExistingKey:
		c.Op = RegisterAndIgnore
	case scsi.ActionReserve:
		c.Op = Reserve
	case scsi.ActionRelease:
		c.Op = Release
	case scsi.ActionClear:
		c.Op = Clear
	case scsi.ActionPreempt:
		c.Op = Preempt
	default:
		c.Op, c.To, c.Unregister = RegisterAndMove, nexusOf(o.to), o.unreg
	}
	return c
}

var types = []scsi.ReservationType{
	scsi.WriteExclusive, scsi.ExclusiveAccess, scsi.WriteExclusiveRegistrantsOnly,
	scsi.ExclusiveAccessRegistrantsOnly, scsi.WriteExclusiveAllRegistrants, scsi.ExclusiveAccessAllRegistrants,
}

func TestAgainstModel(t *testing.T) {
	const nexuses = 4
	rapid.Check(t, func(t *rapid.T) {
		var s State
		m := model{keys: map[int]uint64{}}
		nexus := rapid.IntRange(0, nexuses-1)
		key := rapid.Uint64Range(0, 3)
		for range rapid.IntRange(1, 40).Draw(t, "steps") {
			o := op{
				action: scsi.ServiceAction(rapid.SampledFrom([]int{0, 0, 0, 1, 1, 2, 3, 4, 4, 6, 6, 7}).Draw(t, "action")),
				from:   nexus.Draw(t, "from"), key: key.Draw(t, "key"), sa: key.Draw(t, "sa"),
				kind: rapid.SampledFrom(types).Draw(t, "type"), to: nexus.Draw(t, "to"),
				unreg: rapid.Bool().Draw(t, "unreg"),
			}
			if k, ok := m.keys[o.from]; ok && rapid.IntRange(0, 4).Draw(t, "right key") > 0 {
				o.key = k
			}
			conflict, refused, want := m.run(o)
			before := s.Snapshot()
			e, err := s.Apply(o.change())
			if changed := err == nil && e.Changed; changed == before.Equal(s.Snapshot()) || s.Version()-before.Version > 1 {
				t.Fatalf("%+v: %v, changed: %v, from %+v to %+v", o, err, e.Changed, before, s.Snapshot())
			}
			if got := errors.Is(err, ErrConflict); got != conflict {
				t.Fatalf("%+v: conflict %v, want %v", o, got, conflict)
			}
			if got := err != nil && !conflict; got != refused {
				t.Fatalf("%+v: %v, refused should be %v", o, err, refused)
			}
			if err == nil {
				got := told{}
				for _, a := range e.Attentions {
					for i := range nexuses {
						if nexusOf(i) == a.To {
							got[i] = a.ASC
						}
					}
				}
				if !maps.Equal(got, want) {
					t.Fatalf("%+v: told %v, want %v", o, got, want)
				}
				if _, self := got[o.from]; self {
					t.Fatalf("%+v: the sender is told", o)
				}
			}
			compare(t, &s, &m, nexuses)
			if rapid.IntRange(0, 4).Draw(t, "restore") == 0 {
				s = again(t, &s)
			}
		}
	})
}

// again is the state after it was kept and restored.
func again(t *rapid.T, s *State) State {
	p, err := ParseSnapshot(s.Snapshot().Append(nil))
	if err != nil {
		t.Fatal(err)
	}
	restored, err := Restore(p)
	if err != nil {
		t.Fatal(err)
	}
	if !restored.Snapshot().Equal(s.Snapshot()) {
		t.Fatalf("%+v was restored as %+v", s.Snapshot(), restored.Snapshot())
	}
	return restored
}

func compare(t *rapid.T, s *State, m *model, nexuses int) {
	if s.Generation() != m.gen {
		t.Fatalf("generation %d, want %d", s.Generation(), m.gen)
	}
	if s.Type() != m.kind {
		t.Fatalf("type %v, want %v", s.Type(), m.kind)
	}
	got := map[int]uint64{}
	for _, r := range s.Registrations() {
		for i := range nexuses {
			if nexusOf(i) == r.Nexus {
				got[i] = r.Key
			}
		}
	}
	if !maps.Equal(got, m.keys) {
		t.Fatalf("registrations %v, want %v", got, m.keys)
	}
	holders := 0
	for i := range nexuses {
		if s.Holds(nexusOf(i)) != m.holds(i) {
			t.Fatalf("%d holds: %v", i, s.Holds(nexusOf(i)))
		}
		if m.holds(i) {
			holders++
		}
		if d := s.Denied(nexusOf(i)); m.holds(i) && d != 0 {
			t.Fatalf("the holder may not do %b", d)
		}
	}
	if m.kind != 0 && (holders == 0 || holders > 1 && !m.kind.AllRegistrants()) {
		t.Fatalf("%d holders of %v", holders, m.kind)
	}
}
