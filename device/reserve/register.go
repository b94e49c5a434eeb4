package reserve

import "github.com/lunette-io/lunette/scsi"

// Register is REGISTER (SPC-5 5.14.7): key is what n has registered, 0 for nothing; a
// newKey of 0 ends the registration. others (SPEC_I_PT) are registered with n, all or
// none, but for those that have a key; only a nexus that is not registered may name any.
func (s *State) Register(n Nexus, key, newKey uint64, others ...Nexus) (Effects, error) {
	var e Effects
	r := s.regs[n]
	if r == nil && key != 0 || r != nil && r.Key != key {
		return e, ErrConflict
	}
	if r != nil && len(others) > 0 {
		return e, scsi.InvalidFieldInParameterList(20, 3)
	}
	if r == nil && newKey == 0 {
		return e, nil // nothing to register or to end, so nothing changes
	}
	err := s.set(n, newKey, others, &e)
	return e, err
}

// RegisterAndIgnore is REGISTER AND IGNORE EXISTING KEY.
func (s *State) RegisterAndIgnore(n Nexus, newKey uint64) (Effects, error) {
	var e Effects
	if s.regs[n] == nil && newKey == 0 {
		return e, nil
	}
	err := s.set(n, newKey, nil, &e)
	return e, err
}

func (s *State) set(n Nexus, key uint64, others []Nexus, e *Effects) error {
	if key == 0 {
		s.remove(n, n, e)
		s.generation++
		return nil
	}
	fresh := map[Nexus]struct{}{n: {}}
	for _, o := range others {
		fresh[o] = struct{}{}
	}
	grow := 0
	for o := range fresh {
		if s.regs[o] == nil {
			grow++
		}
	}
	if len(s.regs)+grow > MaxRegistrations {
		return scsi.IllegalRequest(scsi.ASCInsufficientRegistrationResources)
	}
	s.add(n, key)
	for _, o := range others {
		if s.regs[o] == nil {
			s.add(o, key)
		}
	}
	s.generation++
	return nil
}

// RegisterAndMove is REGISTER AND MOVE (SPC-5 5.14.8): to is registered with newKey
// and holds the reservation from now on; with unregister the registration of n ends.
func (s *State) RegisterAndMove(n Nexus, key, newKey uint64, to Nexus, unregister bool) (Effects, error) {
	var e Effects
	if err := s.check(n, key); err != nil {
		return e, err
	}
	switch {
	case s.kind == 0:
		return e, scsi.InvalidFieldInCDB(1, 4)
	case s.kind.AllRegistrants() || s.holder != n:
		return e, ErrConflict
	case newKey == 0:
		return e, scsi.InvalidFieldInParameterList(8, -1)
	case to == n:
		return e, scsi.InvalidFieldInParameterList(24, -1)
	case s.regs[to] == nil && len(s.regs) >= MaxRegistrations && !unregister:
		return e, scsi.IllegalRequest(scsi.ASCInsufficientRegistrationResources)
	}
	s.holder = to
	if unregister {
		delete(s.regs, n)
	}
	s.add(to, newKey)
	s.generation++
	return e, nil
}
