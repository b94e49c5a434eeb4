package reserve

import (
	"testing"

	"github.com/lunette-io/lunette/scsi"
)

// SPEC_I_PT registers who is not registered: it is no way around the key of a nexus
// that is, which would lose its registration to whoever knows its name.
func TestSpecifiedPortsKeepTheirKeys(t *testing.T) {
	var s State
	holder, second, newcomer := nexusOf(0), nexusOf(1), nexusOf(2)
	s.RegisterAndIgnore(holder, 1)
	if _, err := s.Reserve(holder, 1, scsi.ScopeLU, scsi.WriteExclusive); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Register(newcomer, 0, 9, holder, second, second, newcomer); err != nil {
		t.Fatal(err)
	}
	for n, want := range map[Nexus]uint64{holder: 1, second: 9, newcomer: 9} {
		if r := s.regs[n]; r.Key != want {
			t.Errorf("%v is registered as %+v, want key %d", n.Initiator, r, want)
		}
	}
	if len(s.regs) != 3 || s.Generation() != 2 || !s.Holds(holder) {
		t.Errorf("%d registrations, generation %d, the holder holds: %v", len(s.regs), s.Generation(), s.Holds(holder))
	}
	if _, err := s.Release(holder, 1, scsi.ScopeLU, scsi.WriteExclusive); err != nil {
		t.Errorf("the holder's own key: %v", err)
	}
}

// A nexus that moves its reservation may give up its registration for the other's even
// when there is room for no more.
func TestMoveWhenFull(t *testing.T) {
	var s State
	n := crowd
	for i := range MaxRegistrations {
		s.RegisterAndIgnore(n(i), 1)
	}
	if _, err := s.Reserve(n(0), 1, scsi.ScopeLU, scsi.ExclusiveAccess); err != nil {
		t.Fatal(err)
	}
	if _, err := s.RegisterAndMove(n(0), 1, 2, n(MaxRegistrations), false); scsi.SenseOf(err).ASC != scsi.ASCInsufficientRegistrationResources {
		t.Errorf("one too many: %v", err)
	}
	if !s.Holds(n(0)) {
		t.Error("the reservation moved all the same")
	}
	if _, err := s.RegisterAndMove(n(0), 1, 2, n(MaxRegistrations), true); err != nil {
		t.Error(err)
	}
	if !s.Holds(n(MaxRegistrations)) || len(s.regs) != MaxRegistrations || s.registered(n(0)) {
		t.Errorf("%d registrations", len(s.regs))
	}
}
