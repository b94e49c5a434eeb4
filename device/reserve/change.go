package reserve

import (
	"fmt"

	"github.com/lunette-io/lunette/scsi"
)

// An Op says what a [Change] does.
type Op uint8

// The service actions of PERSISTENT RESERVE OUT (SPC-5 6.16.2), the commands of SPC-2, and
// what ends reservations without a command.
const (
	Register          Op = iota + 1
	RegisterAndIgnore    // REGISTER AND IGNORE EXISTING KEY
	Reserve
	Release
	Clear
	Preempt
	PreemptAndAbort
	RegisterAndMove

	ReserveUnit // RESERVE of SPC-2
	ReleaseUnit // RELEASE of SPC-2

	NexusLost // the nexus From has ended, or was reset
	UnitReset // a reset of the logical unit
	PowerOn   // the logical unit has been without power

	ClearAll // CLEAR by management, whoever is registered; the reservation of SPC-2 ends as well
)

// String returns the name that the standard has for o.
func (o Op) String() string {
	names := [...]string{
		Register: "REGISTER", RegisterAndIgnore: "REGISTER AND IGNORE EXISTING KEY", Reserve: "RESERVE", Release: "RELEASE",
		Clear: "CLEAR", Preempt: "PREEMPT", PreemptAndAbort: "PREEMPT AND ABORT", RegisterAndMove: "REGISTER AND MOVE",
		ReserveUnit: "RESERVE of SPC-2", ReleaseUnit: "RELEASE of SPC-2",
		NexusLost: "I_T nexus loss", UnitReset: "logical unit reset", PowerOn: "power on",
		ClearAll: "CLEAR by management",
	}
	if int(o) < len(names) && names[o] != "" {
		return names[o]
	}
	return fmt.Sprintf("operation %d", uint8(o))
}

// A Change is what somebody wants of a State. The fields that Op has no use for are zero.
type Change struct {
	Op   Op
	From Nexus

	Key       uint64 // RESERVATION KEY: what From has registered, 0 for nothing
	ActionKey uint64 // SERVICE ACTION RESERVATION KEY
	Scope     uint8
	Type      scsi.ReservationType

	// Others are registered as From is (SPEC_I_PT of REGISTER).
	Others []Nexus
	// To is registered and gets the reservation (REGISTER AND MOVE); with Unregister the
	// registration of From ends.
	To         Nexus
	Unregister bool
	// Persist is APTPL, of the three that register.
	Persist bool
}

// Apply makes the change c. After an error the state is as before, and there are no effects;
// the error is [ErrConflict] or a [scsi.Sense].
func (s *State) Apply(c Change) (Effects, error) {
	var e Effects
	if err := s.apply(c, &e); err != nil {
		return Effects{}, err
	}
	if e.Changed {
		s.version++
	}
	return e, nil
}

func (s *State) apply(c Change, e *Effects) error {
	if c.Op <= RegisterAndMove && s.reserved {
		return ErrConflict // whoever sends it (SPC-2 5.5.1)
	}
	switch c.Op {
	case Register, RegisterAndIgnore:
		return s.register(c, e)
	case Reserve:
		return s.reserve(c, e)
	case Release:
		return s.release(c, e)
	case Clear:
		return s.clear(c, e)
	case Preempt, PreemptAndAbort:
		return s.preempt(c, e)
	case RegisterAndMove:
		return s.move(c, e)
	case ReserveUnit:
		return s.reserveUnit(c.From, e)
	case ReleaseUnit:
		return s.releaseUnit(c.From, e)
	case NexusLost:
		s.endUnitReservation(func() bool { return s.owner == c.From }, e)
	case ClearAll:
		s.clearAll(e)
	case UnitReset:
		s.endUnitReservation(func() bool { return true }, e)
	case PowerOn:
		s.powerOn(e)
	default:
		return scsi.InvalidFieldInCDB(1, 4)
	}
	return nil
}

// powerOn ends what does not persist through a loss of power (SPC-5 5.14.5). PRGENERATION
// starts from 0 in any case (SPC-5 6.15.2).
func (s *State) powerOn(e *Effects) {
	s.endUnitReservation(func() bool { return true }, e)
	if !s.persist {
		e.Changed = e.Changed || len(s.regs) > 0
		s.dropAll()
		s.endReservation()
	}
	e.Changed = e.Changed || s.generation != 0
	s.generation = 0
}
