package reserve

// reserveUnit is RESERVE of SPC-2 (7.16, 7.17). While there are registrations it does
// nothing for a registered nexus and conflicts for the others (CRH, SPC-5 5.14.3).
func (s *State) reserveUnit(n Nexus, e *Effects) error {
	switch {
	case len(s.regs) > 0:
		return s.compatible(n)
	case s.reserved && s.owner != n:
		return ErrConflict
	case s.reserved:
		return nil
	}
	s.reserved, s.owner = true, n
	e.Changed = true
	return nil
}

// releaseUnit is RELEASE of SPC-2; from a nexus that reserved nothing it is no error.
func (s *State) releaseUnit(n Nexus, e *Effects) error {
	if len(s.regs) > 0 {
		return s.compatible(n)
	}
	s.endUnitReservation(func() bool { return s.owner == n }, e)
	return nil
}

// UnitReserved reports a reservation of SPC-2.
func (s *State) UnitReserved() bool { return s.reserved }

func (s *State) compatible(n Nexus) error {
	if !s.registered(n) {
		return ErrConflict
	}
	return nil
}

// endUnitReservation ends the reservation of SPC-2, if there is one and it is the one that
// is meant. Resets end it, and no other.
func (s *State) endUnitReservation(meant func() bool, e *Effects) {
	if s.reserved && meant() {
		s.reserved, s.owner = false, Nexus{}
		e.Changed = true
	}
}
