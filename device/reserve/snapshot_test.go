package reserve

import (
	"encoding/binary"
	"errors"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/lunette-io/lunette/scsi"
)

// full is a state with a registration of each kind of initiator, and a reservation.
func full(t testing.TB) *State {
	t.Helper()
	var s State
	for i, id := range []scsi.TransportID{
		scsi.ISCSIPort("iqn.host", [6]byte{1, 2, 3, 4, 5, 6}), scsi.SRPPort([16]byte{15: 9}),
		{Protocol: scsi.ProtocolNone, Port: [16]byte{7}},
	} {
		if _, err := s.Register(Nexus{Initiator: id, Target: "iqn.target", Port: uint16(i)}, 0, uint64(i+1)); err != nil {
			t.Fatal(err)
		}
	}
	alice := Nexus{Initiator: scsi.ISCSIPort("iqn.host", [6]byte{6}), User: "alice", Target: "iqn.target", Port: 1}
	bob := alice
	bob.User = "bob"
	other := Nexus{Initiator: scsi.ISCSIPort("iqn.other", [6]byte{6}), User: "bob", Target: "iqn.target", Port: 1}
	if _, err := s.Register(alice, 0, 7, bob, other); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Reserve(s.Registrations()[1].Nexus, 2, 0, scsi.ExclusiveAccess); err != nil {
		t.Fatal(err)
	}
	return &s
}

// The order of arrival and the reservation of SPC-2 are kept too.
func TestSnapshotKeepsAll(t *testing.T) {
	s := full(t)
	p, err := ParseSnapshot(s.Snapshot().Append(nil))
	if err != nil || !p.Equal(s.Snapshot()) {
		t.Fatalf("%+v, %v, want %+v", p, err, s.Snapshot())
	}
	var unit State
	unit.ReserveUnit(nexusOf(3))
	if p, err = ParseSnapshot(unit.Snapshot().Append(nil)); err != nil || !p.Reserved || p.Owner != nexusOf(3) {
		t.Errorf("RESERVE: %+v %v", p, err)
	}
	if p, err = ParseSnapshot(Snapshot{}.Append(nil)); err != nil || !p.Equal(Snapshot{}) {
		t.Errorf("nothing: %+v %v", p, err)
	}
}

// A clone has a life of its own.
func TestClone(t *testing.T) {
	s := full(t)
	before := s.Snapshot()
	c := s.Clone()
	if _, err := c.Apply(Change{Op: Clear, From: s.Registrations()[0].Nexus, Key: 1}); err != nil {
		t.Fatal(err)
	}
	if !s.Snapshot().Equal(before) || c.Version() != s.Version()+1 {
		t.Errorf("%+v after a change of its clone, want %+v", s.Snapshot(), before)
	}
}

// What no State makes is refused, as data and as bytes.
func TestSnapshotRefused(t *testing.T) {
	for name, spoil := range map[string]func(p *Snapshot){
		"key 0":                     func(p *Snapshot) { p.Registrations[0].Key = 0 },
		"twice":                     func(p *Snapshot) { p.Registrations[0].Nexus = p.Registrations[1].Nexus },
		"no such type":              func(p *Snapshot) { p.Type = 4 },
		"holder of nothing":         func(p *Snapshot) { p.Type = 0 },
		"holder not registered":     func(p *Snapshot) { p.Holder.Port++ },
		"holder where all hold":     func(p *Snapshot) { p.Type = scsi.ExclusiveAccessAllRegistrants },
		"all hold, nobody is there": func(p *Snapshot) { *p = Snapshot{Type: scsi.WriteExclusiveAllRegistrants} },
		"owner of nothing":          func(p *Snapshot) { p.Owner = p.Holder },
		"both reservations":         func(p *Snapshot) { p.Reserved, p.Owner = true, p.Holder },
		"RESERVE by nobody":         func(p *Snapshot) { *p = Snapshot{Reserved: true} },
		"too many": func(p *Snapshot) {
			for i := range uint16(MaxRegistrations) {
				p.Registrations = append(p.Registrations, Registration{Nexus: Nexus{Target: "t", Port: 100 + i}, Key: 1})
			}
		},
	} {
		p := full(t).Snapshot()
		spoil(&p)
		if _, err := Restore(p); !errors.Is(err, ErrSnapshot) {
			t.Errorf("%s: %v", name, err)
		}
	}
	good := full(t).Snapshot().Append(nil)
	for n := range good {
		if _, err := ParseSnapshot(good[:n]); !errors.Is(err, ErrSnapshot) {
			t.Errorf("%d of %d bytes: %v", n, len(good), err)
		}
	}
	for name, spoil := range map[string]func(b []byte) []byte{
		"longer":            func(b []byte) []byte { return append(b, 0) },
		"magic":             func(b []byte) []byte { b[0]++; return b },
		"a later format":    func(b []byte) []byte { b[5]++; return b },
		"flags":             func(b []byte) []byte { b[6] = 0x80; return b },
		"reserved":          func(b []byte) []byte { b[21] = 1; return b },
		"holder without id": func(b []byte) []byte { clear(b[24:54]); return b },
		"protocol":          func(b []byte) []byte { b[26] = 0x10; return b },
		"upper case": func(b []byte) []byte {
			i := strings.Index(string(b), "iqn.host")
			b[i] = 'I'
			return b
		},
		"a user without a name": func(b []byte) []byte {
			i := strings.Index(string(b), "alice")
			binary.BigEndian.PutUint16(b[i-2:], 0)
			return b
		},
		"a holder on another's account": func(b []byte) []byte { b[27] |= nexusHasOwner; return b },
		"an account of their own": func([]byte) []byte {
			n := port("iqn.one", 0)
			return Snapshot{Registrations: []Registration{{Nexus: n, Key: 1, By: n.Owner()}}}.Append(nil)
		},
		"long name": func(b []byte) []byte { binary.BigEndian.PutUint16(b[24+26:], 300); return b },
		"count":     func(b []byte) []byte { binary.BigEndian.PutUint16(b[22:], MaxRegistrations+1); return b },
	} {
		if _, err := ParseSnapshot(spoil(slices.Clone(good))); !errors.Is(err, ErrSnapshot) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// What a loss of power leaves, by APTPL of the last registration (SPC-5 5.14.5).
func TestPowerOn(t *testing.T) {
	for _, persist := range []bool{false, true} {
		var s State
		a, b := nexusOf(0), nexusOf(1)
		s.Apply(Change{Op: Register, From: b, ActionKey: 2, Persist: !persist})
		s.Apply(Change{Op: RegisterAndIgnore, From: a, ActionKey: 1, Persist: persist})
		s.Reserve(a, 1, 0, scsi.WriteExclusive)
		if s.Persists() != persist {
			t.Errorf("persists: %v", s.Persists())
		}
		e, err := s.Apply(Change{Op: PowerOn})
		if err != nil || !e.Changed {
			t.Fatalf("%+v %v", e, err)
		}
		if s.Holds(a) != persist || len(s.Registrations()) > 0 != persist || s.Generation() != 0 {
			t.Errorf("APTPL=%v: %+v", persist, s.Snapshot())
		}
		if e, _ = s.Apply(Change{Op: PowerOn}); e.Changed {
			t.Error("a second loss of power changes something")
		}
	}
	var s State
	s.ReserveUnit(nexusOf(0))
	if s.Apply(Change{Op: PowerOn}); s.UnitReserved() {
		t.Error("RESERVE survives a loss of power")
	}
}

// Who missed steps is told of what he has lost, and of nothing that he has got.
func TestDifference(t *testing.T) {
	a, b, c := nexusOf(0), nexusOf(1), nexusOf(2)
	start := func() *State {
		var s State
		s.RegisterAndIgnore(a, 1)
		s.RegisterAndIgnore(b, 2)
		s.Reserve(a, 1, 0, scsi.WriteExclusiveRegistrantsOnly)
		return &s
	}
	for name, x := range map[string]struct {
		later func(s *State)
		want  map[Nexus]scsi.ASC
	}{
		"nothing":           {func(*State) {}, nil},
		"a new registrant":  {func(s *State) { s.RegisterAndIgnore(c, 3) }, nil},
		"released":          {func(s *State) { s.Release(a, 1, 0, scsi.WriteExclusiveRegistrantsOnly) }, map[Nexus]scsi.ASC{a: scsi.ASCReservationsReleased, b: scsi.ASCReservationsReleased}},
		"cleared":           {func(s *State) { s.Apply(Change{Op: Clear, From: a, Key: 1}) }, map[Nexus]scsi.ASC{a: scsi.ASCReservationsPreempted, b: scsi.ASCReservationsPreempted}},
		"preempted":         {func(s *State) { s.Preempt(a, 1, 2, 0, 0, false) }, map[Nexus]scsi.ASC{b: scsi.ASCRegistrationsPreempted}},
		"holder preempted":  {func(s *State) { s.Preempt(b, 2, 1, 0, scsi.WriteExclusiveRegistrantsOnly, false) }, map[Nexus]scsi.ASC{a: scsi.ASCRegistrationsPreempted}},
		"key changed":       {func(s *State) { s.RegisterAndIgnore(b, 9) }, nil},
		"RESERVE and reset": {func(s *State) { s.Reset() }, nil},
	} {
		s, next := start(), start()
		x.later(next)
		got := map[Nexus]scsi.ASC{}
		e := s.Difference(next)
		for _, u := range e.Attentions {
			got[u.To] = u.ASC
		}
		if len(got) != len(x.want) || len(e.Attentions) != len(got) {
			t.Errorf("%s: %v, want %v", name, got, x.want)
		}
		for n, asc := range x.want {
			if got[n] != asc {
				t.Errorf("%s: %v is told %v, want %v", name, n.Initiator, got[n], asc)
			}
		}
		if len(e.Aborted) != 0 || e.Changed != (next.Version() != s.Version()) {
			t.Errorf("%s: %+v", name, e)
		}
	}
}

// Any bytes: an error, or a snapshot whose encoding they are and that can be restored.
func FuzzParseSnapshot(f *testing.F) {
	f.Add([]byte{})
	f.Add(Snapshot{}.Append(nil))
	f.Add(full(f).Snapshot().Append(nil))
	var s State
	s.ReserveUnit(nexusOf(3))
	f.Add(s.Snapshot().Append(nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := ParseSnapshot(b)
		if err != nil {
			if !errors.Is(err, ErrSnapshot) {
				t.Fatalf("%v is not ErrSnapshot", err)
			}
			return
		}
		if again := p.Append(nil); string(again) != string(b) {
			t.Fatalf("%x is read as %+v, whose encoding is %x", b, p, again)
		}
		if _, err := Restore(p); err != nil {
			t.Fatal(err)
		}
	})
}

// Random snapshots come back as they were.
func TestSnapshotRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var s State
		for range rapid.IntRange(0, 30).Draw(t, "changes") {
			s.Apply(Change{
				Op: Op(rapid.IntRange(1, int(PowerOn)).Draw(t, "op")), From: nexusOf(rapid.IntRange(0, 3).Draw(t, "from")),
				Key: rapid.Uint64Range(0, 2).Draw(t, "key"), ActionKey: rapid.Uint64Range(0, 2).Draw(t, "action key"),
				Type: rapid.SampledFrom(types).Draw(t, "type"), To: nexusOf(rapid.IntRange(0, 3).Draw(t, "to")),
				Unregister: rapid.Bool().Draw(t, "unregister"), Persist: rapid.Bool().Draw(t, "persist"),
			})
			s = again(t, &s)
		}
	})
}
