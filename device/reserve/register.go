package reserve

import "github.com/lunette-io/lunette/scsi"

// register is REGISTER, or REGISTER AND IGNORE EXISTING KEY (SPC-5 5.14.7); a key of 0 ends
// the registration. Others are registered with the sender, all or none, but for those that
// have a key; only a nexus that is not registered may name any.
func (s *State) register(c Change, e *Effects) error {
	r, registered := s.regs[c.From]
	if c.Op == Register {
		if !registered && c.Key != 0 || registered && r.Key != c.Key {
			return ErrConflict
		}
		if registered && len(c.Others) > 0 {
			return scsi.InvalidFieldInParameterList(20, 3)
		}
	}
	if !registered && c.ActionKey == 0 {
		return nil // nothing to register or to end, so nothing changes
	}
	if c.ActionKey == 0 {
		s.remove(c.From, c.From, e)
	} else if err := s.addAll(c.From, c.ActionKey, c.Others); err != nil {
		return err
	}
	s.persist = c.Persist
	s.count(e)
	return nil
}

func (s *State) addAll(n Nexus, key uint64, others []Nexus) error {
	fresh := map[Nexus]struct{}{n: {}}
	for _, o := range others {
		fresh[o] = struct{}{}
	}
	grow := 0
	for o := range fresh {
		if !s.registered(o) {
			grow++
		}
	}
	if len(s.regs)+grow > MaxRegistrations || !s.accounts.allows(n.Owner(), grow) {
		return scsi.IllegalRequest(scsi.ASCInsufficientRegistrationResources)
	}
	s.add(n, key, n.Owner())
	for _, o := range others {
		if !s.registered(o) {
			s.add(o, key, n.Owner())
		}
	}
	return nil
}

// move is REGISTER AND MOVE (SPC-5 5.14.8): another nexus is registered and holds the
// reservation from now on.
func (s *State) move(c Change, e *Effects) error {
	if err := s.check(c.From, c.Key); err != nil {
		return err
	}
	switch {
	case s.kind == 0:
		return scsi.InvalidFieldInCDB(1, 4)
	case s.kind.AllRegistrants() || s.holder != c.From:
		return ErrConflict
	case c.ActionKey == 0:
		return scsi.InvalidFieldInParameterList(8, -1)
	case c.To == c.From:
		return scsi.InvalidFieldInParameterList(24, -1)
	case !s.registered(c.To) && !c.Unregister && (len(s.regs) >= MaxRegistrations || !s.accounts.allows(c.From.Owner(), 1)):
		return scsi.IllegalRequest(scsi.ASCInsufficientRegistrationResources)
	}
	s.holder = c.To
	if c.Unregister {
		s.drop(c.From)
	}
	s.add(c.To, c.ActionKey, c.From.Owner())
	s.persist = c.Persist
	s.count(e)
	return nil
}
