package nexus

import (
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/lunette-io/lunette/device/reserve"
	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/target"
)

var port = &target.Port{Target: &target.Target{Name: "iqn.target"}, Protocol: scsi.ProtocolISCSI, Relative: 1}

// itl is an I_T_L nexus of initiator i.
func itl(i int) *target.ITL {
	return &target.ITL{Nexus: &target.Nexus{
		Port: port, Initiator: target.Initiator{Port: scsi.ISCSIPort("iqn.host", [6]byte{4: byte(i >> 8), 5: byte(i)})},
	}}
}

// pending takes all unit attentions of x.
func pending(x *target.ITL) (all []scsi.ASC) {
	for Of(x).Pending() {
		a, _ := Of(x).Take()
		all = append(all, a)
	}
	return all
}

func expect(t *testing.T, x *target.ITL, want ...scsi.ASC) {
	t.Helper()
	if got := pending(x); !slices.Equal(got, want) {
		t.Errorf("unit attentions %v, want %v", got, want)
	}
}

// A nexus that is new, one that comes back, and one that has two LUNs.
func TestAttachAndDetach(t *testing.T) {
	var tb Table
	x, other := itl(1), itl(2)
	tb.Attach(x, 0)
	tb.Attach(other, 1<<reserve.Writing)
	expect(t, x, scsi.ASCPowerOnResetOrBusDeviceReset)
	expect(t, other, scsi.ASCPowerOnResetOrBusDeviceReset)
	if Of(x).Denied() != 0 || !Of(other).Denied().Has(reserve.Writing) || Of(other).Denied().Has(reserve.Reading) {
		t.Errorf("denied %b and %b", Of(x).Denied(), Of(other).Denied())
	}
	second := &target.ITL{Nexus: x.Nexus, LUN: 1}
	if tb.Attach(second, 0) {
		t.Error("a second LUN ends the first")
	}
	expect(t, second, scsi.ASCPowerOnResetOrBusDeviceReset)
	if tb.Detach(x) {
		t.Error("the nexus is absent with a LUN that it has")
	}
	tb.Establish(KeyOf(x.Nexus), scsi.ASCModeParametersChanged)
	expect(t, second, scsi.ASCModeParametersChanged)
	if !tb.Detach(second) {
		t.Error("the nexus is not absent")
	}
	tb.Establish(KeyOf(x.Nexus), scsi.ASCReservationsReleased)
	tb.Announce(scsi.ASCCapacityDataChanged, other)
	expect(t, other)
	tb.Attach(x, 0)
	expect(t, x, scsi.ASCNexusLossOccurred, scsi.ASCReservationsReleased, scsi.ASCCapacityDataChanged)
	tb.Establish(KeyOf(itl(77).Nexus), scsi.ASCReservationsReleased) // of nobody that is known
}

// An initiator that logs in anew while tasks of its former login hang has lost that nexus,
// which is told nothing from then on, and whose end is nobody's loss.
func TestReinstatement(t *testing.T) {
	var tb Table
	r, err := NewReservations(&tb, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	hung, other := itl(1), itl(2)
	r.Attach(hung)
	r.Attach(other)
	pending(hung)
	pending(other)
	r.Change(nil, reserve.Change{Op: reserve.ReserveUnit, From: KeyOf(hung.Nexus)}, func(error) {})
	tb.Announce(scsi.ASCCapacityDataChanged, nil)
	x := itl(1)
	r.Attach(x)
	if Of(other).Denied() != 0 {
		t.Error("the reservation of the nexus that was lost is there")
	}
	tb.Announce(scsi.ASCModeParametersChanged, nil)
	expect(t, x, scsi.ASCNexusLossOccurred, scsi.ASCCapacityDataChanged, scsi.ASCModeParametersChanged)
	expect(t, hung, scsi.ASCCapacityDataChanged)
	r.Change(nil, reserve.Change{Op: reserve.ReserveUnit, From: KeyOf(x.Nexus)}, func(error) {})
	r.Detach(hung)
	if Of(other).Denied() == 0 {
		t.Error("the end of the former login took the reservation of the later one")
	}
	tb.Establish(KeyOf(x.Nexus), scsi.ASCReservationsReleased)
	expect(t, x, scsi.ASCReservationsReleased)
	r.Detach(x)
	if Of(other).Denied() != 0 {
		t.Error("the reservation is there without its nexus")
	}
	r.Attach(hung)
	expect(t, hung, scsi.ASCNexusLossOccurred)
}

// What a table remembers is bounded; who is forgotten is new when he comes back.
func TestAbsentIsBounded(t *testing.T) {
	var tb Table
	for i := range 3 * maxAbsent {
		x := itl(i)
		tb.Attach(x, 0)
		pending(x)
		tb.Detach(x)
		if n, m := len(tb.absent.conditions), len(tb.absent.order); n > maxAbsent || n != m {
			t.Fatalf("%d and %d absent nexuses", n, m)
		}
	}
	first, last := itl(0), itl(3*maxAbsent-1)
	tb.Attach(first, 0)
	expect(t, first, scsi.ASCPowerOnResetOrBusDeviceReset)
	tb.Attach(last, 0)
	expect(t, last, scsi.ASCNexusLossOccurred)
}

// Events of package target.
func TestEvents(t *testing.T) {
	var tb Table
	x, other := itl(1), itl(2)
	for _, y := range []*target.ITL{x, other} {
		tb.Attach(y, 0)
		pending(y)
	}
	for e, c := range map[target.Event]struct{ own, others []scsi.ASC }{
		target.LogicalUnitReset: {[]scsi.ASC{scsi.ASCPowerOnResetOrBusDeviceReset}, []scsi.ASC{scsi.ASCPowerOnResetOrBusDeviceReset}},
		target.TargetReset:      {[]scsi.ASC{scsi.ASCPowerOnResetOrBusDeviceReset}, []scsi.ASC{scsi.ASCPowerOnResetOrBusDeviceReset}},
		target.NexusReset:       {[]scsi.ASC{scsi.ASCNexusLossOccurred}, nil},
		target.CommandsCleared:  {[]scsi.ASC{scsi.ASCCommandsClearedByAnotherInitiator}, nil},
		target.InventoryChanged: {[]scsi.ASC{scsi.ASCReportedLUNsDataChanged}, nil},
	} {
		tb.Event(e, x)
		expect(t, x, c.own...)
		expect(t, other, c.others...)
	}
}

// The path of a command takes no memory.
func TestNothingIsAllocated(t *testing.T) {
	var tb Table
	x := itl(1)
	tb.Attach(x, 0)
	if n := testing.AllocsPerRun(100, func() {
		n := Of(x)
		if n.Pending() {
			n.Take()
		}
		if n.Denied().Has(reserve.Reading) {
			t.Error("denied")
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// Reservations of nexuses that come and go, without a keeper.
func TestReservationsInMemory(t *testing.T) {
	var tb Table
	r, err := NewReservations(&tb, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	x, other := itl(1), itl(2)
	r.Attach(x)
	r.Attach(other)
	reserved := func(want bool) {
		t.Helper()
		if got := Of(other).Denied() != 0; got != want {
			t.Errorf("the other nexus is denied: %v, want %v", got, want)
		}
	}
	take := func(x *target.ITL) {
		t.Helper()
		r.Change(nil, reserve.Change{Op: reserve.ReserveUnit, From: KeyOf(x.Nexus)}, func(err error) {
			if err != nil {
				t.Error(err)
			}
		})
	}
	take(x)
	reserved(true)
	r.Event(target.CommandsCleared, x)
	r.Event(target.NexusReset, other)
	reserved(true)
	r.Event(target.NexusReset, x)
	reserved(false)
	take(x)
	r.Event(target.LogicalUnitReset, nil)
	reserved(false)
	take(x)
	r.Detach(x)
	reserved(false)
	take(other)
	r.Attach(x)
	if Of(x).Denied() == 0 {
		t.Error("a nexus that comes back is denied nothing")
	}
	r.Change(nil, reserve.Change{Op: reserve.ReserveUnit, From: KeyOf(x.Nexus)}, func(err error) {
		if !errors.Is(err, reserve.ErrConflict) {
			t.Error(err)
		}
	})
	if r.MayPersist() {
		t.Error("APTPL without a keeper")
	}
}

// kept is a keeper that has something, or fails.
type kept struct {
	reserve.Keeper
	p   reserve.Snapshot
	err error
}

func (k kept) Load(context.Context) (reserve.Snapshot, error) { return k.p, k.err }

// What cannot be loaded, or is no state, makes no reservations.
func TestLoadFails(t *testing.T) {
	broken := errors.New("broken")
	if _, err := NewReservations(&Table{}, kept{err: broken}); !errors.Is(err, broken) {
		t.Error(err)
	}
	if _, err := NewReservations(&Table{}, kept{p: reserve.Snapshot{Type: 2}}); !errors.Is(err, reserve.ErrSnapshot) {
		t.Error(err)
	}
}

// Who has proved to be at a port is part of what a nexus is: another user has nothing of what the one
// before has been told or has registered, and who names a port means the user who is there.
func TestUsers(t *testing.T) {
	var tb Table
	r, err := NewReservations(&tb, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	as := func(user string) *target.ITL {
		x := itl(1)
		x.Nexus.Initiator.User = user
		return x
	}
	alice, bob := as("alice"), as("bob")
	r.Attach(alice)
	pending(alice)
	r.Change(nil, reserve.Change{Op: reserve.Register, From: KeyOf(alice.Nexus), ActionKey: 7}, func(error) {})
	r.Change(nil, reserve.Change{Op: reserve.Reserve, From: KeyOf(alice.Nexus), Key: 7, Type: scsi.ExclusiveAccess}, func(err error) {
		if err != nil {
			t.Error(err)
		}
	})
	if users := tb.users("iqn.target"); len(users) != 1 || users[KeyOf(itl(1).Nexus)] != "alice" || len(tb.users("iqn.other")) != 0 {
		t.Errorf("at the port is %v", users)
	}
	r.Detach(alice)
	tb.Establish(KeyOf(alice.Nexus), scsi.ASCReservationsReleased)
	r.Attach(bob)
	expect(t, bob, scsi.ASCPowerOnResetOrBusDeviceReset)
	if !Of(bob).Denied().Has(reserve.Writing) {
		t.Error("bob has the reservation of alice")
	}
	r.Detach(bob)
	r.Attach(alice)
	if Of(alice).Denied() != 0 {
		t.Error("alice does not have her reservation any more")
	}
	expect(t, alice, scsi.ASCNexusLossOccurred, scsi.ASCReservationsReleased)
}
