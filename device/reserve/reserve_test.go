package reserve

import (
	"errors"
	"testing"

	"github.com/lunette-io/lunette/scsi"
)

// The access matrix of SPC-5 table 66, by class.
func TestDenied(t *testing.T) {
	const all = 1<<Probing | 1<<Parameters | 1<<Reading | 1<<Writing
	const (
		none         = Mask(0)
		write        = Mask(1 << Writing)
		medium       = Mask(1<<Writing | 1<<Reading)
		allButProbes = Mask(1<<Writing | 1<<Reading | 1<<Parameters)
	)
	for _, c := range []struct {
		kind                     scsi.ReservationType
		registered, unregistered Mask
	}{
		{scsi.WriteExclusive, write, write},
		{scsi.ExclusiveAccess, medium, allButProbes},
		{scsi.WriteExclusiveRegistrantsOnly, none, write},
		{scsi.ExclusiveAccessRegistrantsOnly, none, allButProbes},
		{scsi.WriteExclusiveAllRegistrants, none, write},
		{scsi.ExclusiveAccessAllRegistrants, none, allButProbes},
	} {
		var s State
		holder, registered, other := nexusOf(0), nexusOf(1), nexusOf(2)
		s.RegisterAndIgnore(holder, 1)
		s.RegisterAndIgnore(registered, 2)
		if d := s.Denied(other); d != 0 {
			t.Errorf("registrations alone deny %b", d)
		}
		if _, err := s.Reserve(holder, 1, 0, c.kind); err != nil {
			t.Fatal(err)
		}
		if d := s.Denied(holder); d != 0 {
			t.Errorf("%v: the holder is denied %b", c.kind, d)
		}
		if d := s.Denied(registered); d != c.registered {
			t.Errorf("%v: a registrant is denied %b, want %b", c.kind, d, c.registered)
		}
		if d := s.Denied(other); d != c.unregistered {
			t.Errorf("%v: others are denied %b, want %b", c.kind, d, c.unregistered)
		}
		if d := s.Denied(other); d.Has(Unfenced) {
			t.Errorf("%v: unfenced commands are fenced", c.kind)
		}
	}
	var s State
	s.ReserveUnit(nexusOf(0))
	if d := s.Denied(nexusOf(1)); d != all {
		t.Errorf("RESERVE denies %b", d)
	}
	if d := s.Denied(nexusOf(0)); d != 0 {
		t.Errorf("RESERVE denies its owner %b", d)
	}
}

func TestLegacy(t *testing.T) {
	var s State
	a, b := nexusOf(0), nexusOf(1)
	step := func(what string, err, want error) {
		t.Helper()
		if !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", what, err, want)
		}
	}
	step("reserve", s.ReserveUnit(a), nil)
	step("again", s.ReserveUnit(a), nil)
	step("other", s.ReserveUnit(b), ErrConflict)
	step("release of the other", s.ReleaseUnit(b), nil)
	step("still reserved", s.ReserveUnit(b), ErrConflict)
	step("release", s.ReleaseUnit(a), nil)
	step("free", s.ReserveUnit(b), nil)
	s.Lost(a)
	step("loss of another nexus", s.ReserveUnit(a), ErrConflict)
	s.Lost(b)
	step("loss", s.ReserveUnit(a), nil)
	s.Reset()
	step("reset", s.ReserveUnit(b), nil)
	s.Reset()
	s.RegisterAndIgnore(a, 1)
	step("a registrant", s.ReserveUnit(a), nil)
	if s.UnitReserved() {
		t.Error("RESERVE of a registrant had an effect")
	}
	step("no registrant", s.ReserveUnit(b), ErrConflict)
	step("release of none", s.ReleaseUnit(b), ErrConflict)
}

func TestRegistrationsAreBounded(t *testing.T) {
	var s State
	n := crowd
	for i := range MaxRegistrations {
		if _, err := s.RegisterAndIgnore(n(i), 1); err != nil {
			t.Fatal(err)
		}
	}
	_, err := s.RegisterAndIgnore(n(MaxRegistrations), 1)
	if scsi.SenseOf(err).ASC != scsi.ASCInsufficientRegistrationResources {
		t.Errorf("%v", err)
	}
	if _, err := s.RegisterAndIgnore(n(5), 7); err != nil {
		t.Errorf("a new key for an old nexus: %v", err)
	}
	if _, err := s.RegisterAndIgnore(n(5), 0); err != nil {
		t.Fatal(err)
	}
	// Two at a time: all or none.
	if _, err := s.Register(n(MaxRegistrations), 0, 1, n(MaxRegistrations+1)); err == nil {
		t.Error("one too many with SPEC_I_PT")
	}
	if got := len(s.Registrations()); got != MaxRegistrations-1 {
		t.Errorf("%d registrations", got)
	}
}

func TestSpecifiedPorts(t *testing.T) {
	var s State
	if _, err := s.Register(nexusOf(0), 0, 9, nexusOf(1), nexusOf(2)); err != nil {
		t.Fatal(err)
	}
	if got := s.Registrations(); len(got) != 3 || got[2].Key != 9 || s.Generation() != 1 {
		t.Errorf("%+v, generation %d", got, s.Generation())
	}
	if _, err := s.Register(nexusOf(0), 9, 8, nexusOf(3)); scsi.SenseOf(err).ASC != scsi.ASCInvalidFieldInParameterList {
		t.Errorf("SPEC_I_PT of a registrant: %v", err)
	}
}

// PREEMPT AND ABORT names everyone with the key, the sender too if it shares it.
func TestPreemptAndAbort(t *testing.T) {
	var s State
	s.RegisterAndIgnore(nexusOf(0), 5)
	s.RegisterAndIgnore(nexusOf(1), 5)
	s.RegisterAndIgnore(nexusOf(2), 6)
	s.Reserve(nexusOf(1), 5, 0, scsi.WriteExclusive)
	e, err := s.Preempt(nexusOf(0), 5, 5, 0, scsi.ExclusiveAccess, true)
	if err != nil || len(e.Aborted) != 2 {
		t.Fatalf("%+v %v", e, err)
	}
	if !s.Holds(nexusOf(0)) || s.Type() != scsi.ExclusiveAccess || len(s.Registrations()) != 2 {
		t.Error("the reservation was not taken over")
	}
	if _, err := s.Preempt(nexusOf(0), 5, 5, 1, scsi.ExclusiveAccess, false); scsi.SenseOf(err).ASC != scsi.ASCInvalidFieldInCDB {
		t.Errorf("a wrong scope: %v", err)
	}
	if _, err := s.Reserve(nexusOf(0), 5, 0, 4); scsi.SenseOf(err).ASC != scsi.ASCInvalidFieldInCDB {
		t.Errorf("an obsolete type: %v", err)
	}
}
