package nexus

import (
	"github.com/lunette-io/lunette/device/reserve"
	"github.com/lunette-io/lunette/target"
)

// Shown are the reservations for people.
func (r *Reservations) Shown() (shown target.Reservations) {
	r.View(func(s *reserve.State) {
		shown.Generation, shown.Persist = s.Generation(), s.Persists()
		if s.Type() != 0 {
			shown.Type = s.Type().String()
		}
		for _, x := range s.Registrations() {
			shown.Registrations = append(shown.Registrations, target.Registration{
				Initiator: x.Initiator.String(), Target: x.Target, User: x.User, Port: x.Port, Key: x.Key, Holder: s.Holds(x.Nexus),
			})
		}
	})
	return shown
}

// Clear ends all registrations and reservations, whoever has them. done is called as [Reservations.Change]
// says.
func (r *Reservations) Clear(done func(error)) {
	c := reserve.Change{Op: reserve.ClearAll}
	if r.keeper != nil {
		r.enqueue(request{change: c, asked: true, done: done})
		return
	}
	r.mu.Lock()
	e, err := r.state.Apply(c)
	if err == nil {
		r.establish(e)
	}
	r.mu.Unlock()
	done(err)
}
