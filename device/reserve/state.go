// Package reserve decides who may use a logical unit: persistent reservations (SPC-5 5.14) and the RESERVE and RELEASE of SPC-2, as data and rules without I/O.
//
// A [State] is all that a unit knows, a [Change] is what somebody wants of it, [Effects] are
// what else a change means, a [Snapshot] is the state as plain data, and a [Keeper] is what
// keeps it somewhere else than in this process. Nothing here waits, locks or knows a task.
package reserve

import (
	"cmp"
	"errors"
	"maps"
	"slices"

	"github.com/lunette-io/lunette/scsi"
)

// ErrConflict is answered with RESERVATION CONFLICT status and no sense. Every other
// error of [State.Apply] is a [scsi.Sense].
var ErrConflict = errors.New("reservation conflict")

// A Nexus names an I_T nexus for as long as a registration may live, logged in or
// not. It is a comparable value. The user is part of it: who logs in by a port that another user
// had does not have that one's registration.
type Nexus struct {
	Initiator scsi.TransportID
	User      string // who has proved to be there; "" where nobody proves it
	Target    string
	Port      uint16 // RELATIVE TARGET PORT IDENTIFIER
}

// A Registration is the key of a registered nexus.
type Registration struct {
	Nexus
	Key uint64
	// By is on whose account it is, if another has asked for it; else the zero value.
	By Owner

	order uint64 // of arrival, within one State
}

// A State is all registrations and reservations of one logical unit. The zero State
// has none. It is not safe for concurrent use; [State.Apply] alone changes it.
type State struct {
	version    uint64 // counts the changes
	generation uint32
	arrivals   uint64
	regs       map[Nexus]Registration
	accounts   accounts

	kind   scsi.ReservationType // 0: no persistent reservation
	holder Nexus                // of the types that have one holder

	persist bool // APTPL of the last registration: kept through a loss of power

	reserved bool // by RESERVE of SPC-2
	owner    Nexus
}

// An Attention is a unit attention condition that a change establishes.
type Attention struct {
	To  Nexus
	ASC scsi.ASC
}

// Effects are what else a change means.
type Effects struct {
	// Changed reports that the state is another one, with another version.
	Changed    bool
	Attentions []Attention
	// Aborted are the nexuses whose tasks PREEMPT AND ABORT ends, the sender's own
	// perhaps among them.
	Aborted []Nexus
}

func (e *Effects) tell(to Nexus, asc scsi.ASC) {
	e.Attentions = append(e.Attentions, Attention{to, asc})
}

// Clone returns a State that shares nothing with s.
func (s *State) Clone() State {
	c := *s
	c.regs, c.accounts.of = maps.Clone(s.regs), maps.Clone(s.accounts.of)
	return c
}

// Version counts the changes of the state since it was new, on all hosts that share it.
func (s *State) Version() uint64 { return s.version }

// Generation is PRGENERATION.
func (s *State) Generation() uint32 { return s.generation }

// Persists reports that the state is to be kept through a loss of power: PTPL_A.
func (s *State) Persists() bool { return s.persist }

// Registrations are in order of arrival.
func (s *State) Registrations() []Registration {
	all := make([]Registration, 0, len(s.regs))
	for _, r := range s.regs {
		all = append(all, r)
	}
	slices.SortFunc(all, func(a, b Registration) int { return cmp.Compare(a.order, b.order) })
	return all
}

// Type is the type of the persistent reservation, 0 when there is none.
func (s *State) Type() scsi.ReservationType { return s.kind }

// Holds reports whether n holds the persistent reservation: every registrant does
// with the types for all registrants.
func (s *State) Holds(n Nexus) bool {
	switch {
	case s.kind == 0:
		return false
	case s.kind.AllRegistrants():
		return s.registered(n)
	}
	return s.holder == n
}

func (s *State) registered(n Nexus) bool {
	_, ok := s.regs[n]
	return ok
}

// check refuses a nexus that is not registered with key.
func (s *State) check(n Nexus, key uint64) error {
	if r, ok := s.regs[n]; !ok || r.Key != key {
		return ErrConflict
	}
	return nil
}

// add registers n with key, or gives it another key; a new registration is on the account of by.
func (s *State) add(n Nexus, key uint64, by Owner) {
	if s.regs == nil {
		s.regs = make(map[Nexus]Registration)
	}
	r, ok := s.regs[n]
	if !ok {
		s.arrivals++
		r = Registration{Nexus: n, order: s.arrivals}
		if by != n.Owner() {
			r.By = by
		}
		s.accounts.add(by, 1)
	}
	r.Key = key
	s.regs[n] = r
}

// drop takes the registration of n out, if there is one.
func (s *State) drop(n Nexus) {
	if r, ok := s.regs[n]; ok {
		s.accounts.add(r.owner(), -1)
		delete(s.regs, n)
	}
}

// dropAll takes all registrations out.
func (s *State) dropAll() {
	clear(s.regs)
	s.accounts = accounts{}
}

// count notes a change that PRGENERATION counts.
func (s *State) count(e *Effects) {
	s.generation++
	e.Changed = true
}

// hold gives n a persistent reservation; the types for all registrants have no one holder.
func (s *State) hold(t scsi.ReservationType, n Nexus) {
	s.endReservation()
	if s.kind = t; !t.AllRegistrants() {
		s.holder = n
	}
}

// endReservation ends the persistent reservation.
func (s *State) endReservation() { s.kind, s.holder = 0, Nexus{} }

// remove drops the registration of n, and the reservation if n held it alone
// (SPC-5 5.14.11.3). by is the nexus that asked.
func (s *State) remove(n, by Nexus, e *Effects) {
	held := s.Holds(n)
	s.drop(n)
	if !held || (s.kind.AllRegistrants() && len(s.regs) > 0) {
		return
	}
	tell := s.kind.RegistrantsOnly()
	s.endReservation()
	if tell {
		s.tellOthers(by, scsi.ASCReservationsReleased, e)
	}
}

// tellOthers establishes a unit attention for all registrants but by.
func (s *State) tellOthers(by Nexus, asc scsi.ASC, e *Effects) {
	for _, r := range s.Registrations() {
		if r.Nexus != by {
			e.tell(r.Nexus, asc)
		}
	}
}
