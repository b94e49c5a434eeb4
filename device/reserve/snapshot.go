package reserve

import (
	"errors"
	"fmt"
	"slices"

	"github.com/lunette-io/lunette/scsi"
)

// A Snapshot is a State as plain data, to be kept or sent. It shares nothing with a State.
type Snapshot struct {
	Version    uint64
	Generation uint32
	// Registrations are in order of arrival.
	Registrations []Registration

	Type   scsi.ReservationType // 0: no persistent reservation
	Holder Nexus                // of the types that have one holder

	Persist bool // APTPL

	Reserved bool // by RESERVE of SPC-2
	Owner    Nexus
}

// ErrSnapshot is wrapped by every error of [Restore] and [ParseSnapshot].
var ErrSnapshot = errors.New("invalid snapshot of reservations")

// Snapshot returns the state as data.
func (s *State) Snapshot() Snapshot {
	all := s.Registrations()
	for i := range all {
		all[i].order = 0
	}
	if len(all) == 0 {
		all = nil
	}
	return Snapshot{
		Version: s.version, Generation: s.generation, Registrations: all,
		Type: s.kind, Holder: s.holder, Persist: s.persist, Reserved: s.reserved, Owner: s.owner,
	}
}

// Restore makes a State of a snapshot. It refuses one that no State could have made.
func Restore(p Snapshot) (State, error) {
	s := State{
		version: p.Version, generation: p.Generation,
		kind: p.Type, holder: p.Holder, persist: p.Persist, reserved: p.Reserved, owner: p.Owner,
	}
	if len(p.Registrations) > MaxRegistrations {
		return State{}, fmt.Errorf("%w: %d registrations", ErrSnapshot, len(p.Registrations))
	}
	for _, r := range p.Registrations {
		switch {
		case r.Key == 0:
			return State{}, fmt.Errorf("%w: %v is registered with key 0", ErrSnapshot, r.Initiator)
		case s.registered(r.Nexus):
			return State{}, fmt.Errorf("%w: %v is registered twice", ErrSnapshot, r.Initiator)
		}
		s.add(r.Nexus, r.Key, r.owner())
	}
	switch {
	case s.kind == 0 && s.holder != Nexus{}:
		return State{}, fmt.Errorf("%w: a holder of no reservation", ErrSnapshot)
	case s.kind != 0 && !s.kind.Valid():
		return State{}, fmt.Errorf("%w: %v", ErrSnapshot, s.kind)
	case s.kind.AllRegistrants() && (len(s.regs) == 0 || s.holder != Nexus{}):
		return State{}, fmt.Errorf("%w: %v without registrants, or with one holder", ErrSnapshot, s.kind)
	case s.kind != 0 && !s.kind.AllRegistrants() && !s.registered(s.holder):
		return State{}, fmt.Errorf("%w: the holder %v is not registered", ErrSnapshot, s.holder.Initiator)
	case !s.reserved && s.owner != Nexus{}:
		return State{}, fmt.Errorf("%w: an owner of no reservation", ErrSnapshot)
	case s.reserved && (len(s.regs) > 0 || s.owner == Nexus{}):
		return State{}, fmt.Errorf("%w: a reservation of SPC-2 beside registrations, or without an owner", ErrSnapshot)
	}
	return s, nil
}

// Difference returns the effects of coming from s to next when the steps between are not
// known: a nexus that has lost its registration is told, and so are registrants if the
// reservation has ended or has another type. No tasks are aborted.
func (s *State) Difference(next *State) Effects {
	e := Effects{Changed: s.version != next.version}
	released := s.kind != next.kind && (s.kind.RegistrantsOnly() || s.kind.AllRegistrants())
	for _, r := range s.Registrations() {
		switch {
		case !next.registered(r.Nexus) && next.kind == 0 && len(next.regs) == 0:
			e.tell(r.Nexus, scsi.ASCReservationsPreempted) // as CLEAR does
		case !next.registered(r.Nexus):
			e.tell(r.Nexus, scsi.ASCRegistrationsPreempted)
		case released:
			e.tell(r.Nexus, scsi.ASCReservationsReleased)
		}
	}
	return e
}

// Equal reports snapshots of the same state.
func (p Snapshot) Equal(o Snapshot) bool {
	return p.Version == o.Version && p.Generation == o.Generation && p.Type == o.Type && p.Holder == o.Holder &&
		p.Persist == o.Persist && p.Reserved == o.Reserved && p.Owner == o.Owner &&
		slices.EqualFunc(p.Registrations, o.Registrations, func(a, b Registration) bool { return a.Nexus == b.Nexus && a.Key == b.Key && a.By == b.By })
}
