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

// Reserve is RESERVE (SPC-5 5.14.9).
func (s *State) Reserve(n Nexus, key uint64, scope uint8, t scsi.ReservationType) (Effects, error) {
	if err := s.check(n, key); err != nil {
		return Effects{}, err
	}
	if err := wanted(scope, t); err != nil {
		return Effects{}, err
	}
	switch {
	case s.kind == 0:
		s.kind, s.holder = t, n
	case !s.Holds(n) || s.kind != t:
		return Effects{}, ErrConflict
	}
	return Effects{}, nil
}

// Release is RELEASE (SPC-5 5.14.11.2).
func (s *State) Release(n Nexus, key uint64, scope uint8, t scsi.ReservationType) (Effects, error) {
	var e Effects
	if err := s.check(n, key); err != nil {
		return e, err
	}
	if !s.Holds(n) {
		return e, nil
	}
	if scope != scsi.ScopeLU || t != s.kind {
		return e, scsi.IllegalRequest(scsi.ASCInvalidReleaseOfReservation)
	}
	tell := s.kind.RegistrantsOnly() || s.kind.AllRegistrants()
	s.kind, s.holder = 0, Nexus{}
	if tell {
		s.tellOthers(n, scsi.ASCReservationsReleased, &e)
	}
	return e, nil
}

// Clear is CLEAR (SPC-5 5.14.11.6).
func (s *State) Clear(n Nexus, key uint64) (Effects, error) {
	var e Effects
	if err := s.check(n, key); err != nil {
		return e, err
	}
	s.tellOthers(n, scsi.ASCReservationsPreempted, &e)
	clear(s.regs)
	s.kind, s.holder = 0, Nexus{}
	s.generation++
	return e, nil
}

// Preempt is PREEMPT, or PREEMPT AND ABORT (SPC-5 5.14.11.4, 5.14.11.5): victim is the
// SERVICE ACTION RESERVATION KEY.
func (s *State) Preempt(n Nexus, key, victim uint64, scope uint8, t scsi.ReservationType, abort bool) (Effects, error) {
	var e Effects
	if err := s.check(n, key); err != nil {
		return e, err
	}
	all := s.kind.AllRegistrants() && victim == 0
	if victim == 0 && !all {
		return e, scsi.InvalidFieldInParameterList(8, -1)
	}
	takes := all
	if s.kind != 0 && !s.kind.AllRegistrants() {
		takes = s.regs[s.holder].Key == victim
	}
	if takes {
		if err := wanted(scope, t); err != nil {
			return e, err
		}
	}
	var hit []Nexus
	for _, r := range s.Registrations() {
		if all || r.Key == victim {
			hit = append(hit, r.Nexus)
		}
	}
	if len(hit) == 0 {
		return e, ErrConflict
	}
	if abort {
		e.Aborted = hit
	}
	if !takes {
		s.expel(n, hit, &e)
	} else {
		s.takeOver(n, hit, t, &e)
	}
	s.generation++
	return e, nil
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
	s.kind, s.holder = t, by
	for _, v := range hit {
		if v != by {
			delete(s.regs, v)
			e.tell(v, scsi.ASCRegistrationsPreempted)
		}
	}
	if changed {
		s.tellOthers(by, scsi.ASCReservationsReleased, e)
	}
}
