package device_test

import (
	"testing"

	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/target"
	"github.com/lunette-io/lunette/transport/loopback"
)

// Reservations are shown and cleared by management, whoever has them: all who were registered are told, and what
// is kept elsewhere is kept so.
func TestClearReservations(t *testing.T) {
	for name, start := range map[string]func(t *testing.T) *bench{
		"in this process": func(t *testing.T) *bench { return newBench(t, 0) },
		"kept":            func(t *testing.T) *bench { return newHost(t, (&cluster{}).member()) },
	} {
		t.Run(name, func(t *testing.T) {
			b := start(t)
			s, other := b.login(1, loopback.Options{}), b.login(2, loopback.Options{})
			unit := b.unit.LogicalUnit().(target.Reservable)
			clear := func() {
				t.Helper()
				cleared := make(chan error, 1)
				unit.ClearReservations(func(err error) { cleared <- err })
				if err := <-cleared; err != nil {
					t.Error(err)
				}
			}
			clear() // there is nothing
			b.out(s, scsi.ActionRegister, 0, 0, 1)
			b.out(other, scsi.ActionRegister, 0, 0, 2)
			b.out(s, scsi.ActionReserve, scsi.ExclusiveAccess, 1, 0)
			have := unit.Reservations()
			if len(have.Registrations) != 2 || have.Type != "Exclusive Access" || have.Generation != 2 ||
				have.Registrations[0].Key != 1 || !have.Registrations[0].Holder || have.Registrations[1].Holder || have.Registrations[1].Initiator == "" {
				t.Errorf("%+v", have)
			}
			clear()
			if have := unit.Reservations(); len(have.Registrations) != 0 || have.Type != "" || have.Generation != 3 {
				t.Errorf("%+v", have)
			}
			b.told(s, scsi.ASCReservationsPreempted)
			b.told(other, scsi.ASCReservationsPreempted)
			b.good(s, reserve6, nil, 0)
			b.conflicts(other, ready, true)
			clear()
			b.conflicts(other, ready, false)
		})
	}
}
