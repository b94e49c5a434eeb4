package passthrough

import "github.com/lunette-io/lunette/target"

var _ target.Reservable = (*Unit)(nil)

// Reservations implements [target.Reservable]. Those that a device has of its own ([Config.Exclusive]) are not among them.
func (u *Unit) Reservations() target.Reservations { return u.policy.reservations.Shown() }

// ClearReservations implements [target.Reservable].
func (u *Unit) ClearReservations(done func(error)) { u.policy.reservations.Clear(done) }
