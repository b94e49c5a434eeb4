package reserve

import "github.com/lunette-io/lunette/scsi"

// The changes in short, as the tests write them.

func (s *State) Register(n Nexus, key, newKey uint64, others ...Nexus) (Effects, error) {
	return s.Apply(Change{Op: Register, From: n, Key: key, ActionKey: newKey, Others: others})
}

func (s *State) RegisterAndIgnore(n Nexus, newKey uint64) (Effects, error) {
	return s.Apply(Change{Op: RegisterAndIgnore, From: n, ActionKey: newKey})
}

func (s *State) RegisterAndMove(n Nexus, key, newKey uint64, to Nexus, unregister bool) (Effects, error) {
	return s.Apply(Change{Op: RegisterAndMove, From: n, Key: key, ActionKey: newKey, To: to, Unregister: unregister})
}

func (s *State) Reserve(n Nexus, key uint64, scope uint8, t scsi.ReservationType) (Effects, error) {
	return s.Apply(Change{Op: Reserve, From: n, Key: key, Scope: scope, Type: t})
}

func (s *State) Release(n Nexus, key uint64, scope uint8, t scsi.ReservationType) (Effects, error) {
	return s.Apply(Change{Op: Release, From: n, Key: key, Scope: scope, Type: t})
}

func (s *State) Preempt(n Nexus, key, victim uint64, scope uint8, t scsi.ReservationType, abort bool) (Effects, error) {
	c := Change{Op: Preempt, From: n, Key: key, ActionKey: victim, Scope: scope, Type: t}
	if abort {
		c.Op = PreemptAndAbort
	}
	return s.Apply(c)
}

func (s *State) unit(o Op, n Nexus) error {
	_, err := s.Apply(Change{Op: o, From: n})
	return err
}

func (s *State) ReserveUnit(n Nexus) error { return s.unit(ReserveUnit, n) }
func (s *State) ReleaseUnit(n Nexus) error { return s.unit(ReleaseUnit, n) }
func (s *State) Lost(n Nexus)              { s.unit(NexusLost, n) }
func (s *State) Reset()                    { s.unit(UnitReset, Nexus{}) }
