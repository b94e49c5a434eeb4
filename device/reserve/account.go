package reserve

import "github.com/lunette-io/lunette/scsi"

// MaxRegistrations bounds what initiators can make a unit remember.
const MaxRegistrations = 1024

// What one initiator may have of them. Registrations outlive sessions, and an initiator has a port for
// each session that it makes up: without a share one could take all, and nobody else would get any
// until the table was cleared.
const (
	// leastRegistrations are there for everyone, as long as there are any at all.
	leastRegistrations = 4
	// sharedRegistrations may be had beyond the least. What one initiator has of them is never more
	// than what is left for the others.
	sharedRegistrations = MaxRegistrations / 2
)

// An Owner is whose account registrations are on: all ports of one initiator, and who has proved to be
// there. A registration is on the account of the nexus itself, or of the one that has asked for
// it (SPEC_I_PT, REGISTER AND MOVE). It is a comparable value.
type Owner struct {
	Initiator scsi.TransportID // without an ISID
	User      string
}

// Owner is the owner of what n registers.
func (n Nexus) Owner() Owner {
	id := n.Initiator
	id.HasISID, id.ISID = false, [6]byte{}
	return Owner{id, n.User}
}

// owner is on whose account r is.
func (r Registration) owner() Owner {
	if r.By != (Owner{}) {
		return r.By
	}
	return r.Nexus.Owner()
}

// accounts are what owners have.
type accounts struct {
	of     map[Owner]int
	shared int // of all owners, beyond their least
}

// beyond is what n registrations are beyond the least.
func beyond(n int) int { return max(0, n-leastRegistrations) }

// add changes what o has.
func (a *accounts) add(o Owner, n int) {
	if a.of == nil {
		a.of = make(map[Owner]int)
	}
	before := a.of[o]
	a.shared += beyond(before+n) - beyond(before)
	if a.of[o] = before + n; before+n == 0 {
		delete(a.of, o)
	}
}

// allows reports whether o may have more registrations.
func (a *accounts) allows(o Owner, more int) bool {
	before := a.of[o]
	own, shared := beyond(before+more), a.shared+beyond(before+more)-beyond(before)
	return own == 0 || own == beyond(before) || own <= sharedRegistrations-shared
}
