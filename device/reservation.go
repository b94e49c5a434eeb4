package device

import (
	"github.com/lunette-io/lunette/device/nexus"
	"github.com/lunette-io/lunette/device/reserve"
	"github.com/lunette-io/lunette/target"
)

// HoldsReservation reports that the nexus of x holds a reservation of the unit.
func (s *Server) HoldsReservation(x *target.ITL) (holds bool) {
	s.reservations.View(func(state *reserve.State) { holds = state.Holds(nexus.Of(x).Key()) })
	return holds
}
