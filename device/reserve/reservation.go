package reserve

import "github.com/lunette-io/lunette/scsi"

// wanted checks the SCOPE and TYPE of a CDB.
func wanted(scope uint8, t scsi.ReservationType) error {
	switch {
	case scope != scsi.ScopeLU:
		return scsi.InvalidFieldInCDB(2, 7)
	case !t.Valid():
		return scsi.InvalidFieldInCDB(2, 3)
	}
	return nil
}

// reserve is RESERVE (SPC-5 5.14.9).
func (s *State) reserve(c Change, e *Effects) error {
	if err := s.check(c.From, c.Key); err != nil {
		return err
	}
	if err := wanted(c.Scope, c.Type); err != nil {
		return err
	}
	switch {
	case s.kind == 0:
		s.hold(c.Type, c.From)
		e.Changed = true
	case !s.Holds(c.From) || s.kind != c.Type:
		return ErrConflict
	}
	return nil
}

// release is RELEASE (SPC-5 5.14.11.2).
func (s *State) release(c Change, e *Effects) error {
	if err := s.check(c.From, c.Key); err != nil {
		return err
	}
	if !s.Holds(c.From) {
		return nil
	}
	if c.Scope != scsi.ScopeLU || c.Type != s.kind {
		return scsi.IllegalRequest(scsi.ASCInvalidReleaseOfReservation)
	}
	tell := s.kind.RegistrantsOnly() || s.kind.AllRegistrants()
	s.endReservation()
	e.Changed = true
	if tell {
		s.tellOthers(c.From, scsi.ASCReservationsReleased, e)
	}
	return nil
}

// clear is CLEAR (SPC-5 5.14.11.6).
func (s *State) clear(c Change, e *Effects) error {
	if err := s.check(c.From, c.Key); err != nil {
		return err
	}
	s.tellOthers(c.From, scsi.ASCReservationsPreempted, e)
	s.dropAll()
	s.endReservation()
	s.count(e)
	return nil
}

// clearAll is [ClearAll]: everybody who is registered is told.
func (s *State) clearAll(e *Effects) {
	if len(s.regs) > 0 || s.kind != 0 {
		s.tellOthers(Nexus{}, scsi.ASCReservationsPreempted, e)
		s.dropAll()
		s.endReservation()
		s.count(e)
	}
	s.endUnitReservation(func() bool { return true }, e)
}

// preempt is PREEMPT, or PREEMPT AND ABORT (SPC-5 5.14.11.4, 5.14.11.5): the SERVICE ACTION
// RESERVATION KEY is that of the victims.
func (s *State) preempt(c Change, e *Effects) error {
	if err := s.check(c.From, c.Key); err != nil {
		return err
	}
	victim := c.ActionKey
	all := s.kind.AllRegistrants() && victim == 0
	if victim == 0 && !all {
		return scsi.InvalidFieldInParameterList(8, -1)
	}
	takes := all
	if s.kind != 0 && !s.kind.AllRegistrants() {
		takes = s.regs[s.holder].Key == victim
	}
	if takes {
		if err := wanted(c.Scope, c.Type); err != nil {
			return err
		}
	}
	var hit []Nexus
	for _, r := range s.Registrations() {
		if all || r.Key == victim {
			hit = append(hit, r.Nexus)
		}
	}
	if len(hit) == 0 {
		return ErrConflict
	}
	if c.Op == PreemptAndAbort {
		e.Aborted = hit
	}
	if !takes {
		s.expel(c.From, hit, e)
	} else {
		s.takeOver(c.From, hit, c.Type, e)
	}
	s.count(e)
	return nil
}

// expel removes the registrations of hit; a reservation that one of them does not
// hold alone stays. A sender with the key removes itself too.
func (s *State) expel(by Nexus, hit []Nexus, e *Effects) {
	for _, v := range hit {
		s.remove(v, by, e)
		if v != by {
			e.tell(v, scsi.ASCRegistrationsPreempted)
		}
	}
}

// takeOver gives the sender a new reservation, and removes hit but for the sender.
func (s *State) takeOver(by Nexus, hit []Nexus, t scsi.ReservationType, e *Effects) {
	changed := s.kind != t
	s.hold(t, by)
	for _, v := range hit {
		if v != by {
			s.drop(v)
			e.tell(v, scsi.ASCRegistrationsPreempted)
		}
	}
	if changed {
		s.tellOthers(by, scsi.ASCReservationsReleased, e)
	}
}
