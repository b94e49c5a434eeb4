package reserve

// ReserveUnit is RESERVE of SPC-2 (7.16, 7.17). While there are registrations it does
// nothing for a registered nexus and conflicts for the others (CRH, SPC-5 5.14.3).
func (s *State) ReserveUnit(n Nexus) error {
	if len(s.regs) > 0 {
		return s.compatible(n)
	}
	if s.reserved && s.owner != n {
		return ErrConflict
	}
	s.reserved, s.owner = true, n
	return nil
}

// ReleaseUnit is RELEASE of SPC-2; from a nexus that reserved nothing it is no error.
func (s *State) ReleaseUnit(n Nexus) error {
	if len(s.regs) > 0 {
		return s.compatible(n)
	}
	s.Lost(n)
	return nil
}

func (s *State) compatible(n Nexus) error {
	if s.regs[n] == nil {
		return ErrConflict
	}
	return nil
}

// UnitReserved reports a reservation of SPC-2: PERSISTENT RESERVE OUT then conflicts,
// whoever sends it.
func (s *State) UnitReserved() bool { return s.reserved }

// Reset is a reset of the logical unit: it ends the reservation of SPC-2, and no other.
func (s *State) Reset() { s.reserved, s.owner = false, Nexus{} }

// Lost is the end of the nexus n: it ends its reservation of SPC-2, if there is one.
func (s *State) Lost(n Nexus) (ended bool) {
	if ended = s.reserved && s.owner == n; ended {
		s.Reset()
	}
	return ended
}
