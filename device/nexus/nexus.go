// Package nexus is what a logical unit knows of its I_T_L nexuses: their unit attention conditions, which commands they may not use now, and the reservations that this follows from.
//
// A device server needs no command table for it: a [Table] keeps the nexuses, [Reservations]
// keep a reserve.State for them, and a command asks its own [Nexus], without a lock. One lock
// is taken inside of another in this order only: that of Reservations, that of a Table, that of
// the conditions of one Nexus. None is held while a keeper, a task or another package is called,
// but for the rules in device/reserve and [target.ITL.Unit].
package nexus

import (
	"sync/atomic"

	"github.com/lunette-io/lunette/device/reserve"
	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/target"
)

// A Nexus is an I_T_L nexus that is logged in: the State of its [target.ITL].
type Nexus struct {
	key        reserve.Nexus
	itl        *target.ITL
	attentions attentions
	denied     atomic.Uint32 // a reserve.Mask

	Own Own
}

// Of is the nexus of x, which a Table has attached.
func Of(x *target.ITL) *Nexus { return x.State().(*Nexus) }

// KeyOf is the name under which reservations know n.
func KeyOf(n *target.Nexus) reserve.Nexus {
	return reserve.Nexus{
		Initiator: n.Initiator.Port, User: n.Initiator.User, Target: n.Port.Target.Name, Port: n.Port.Relative,
	}
}

// Key is the name under which reservations know n.
func (n *Nexus) Key() reserve.Nexus { return n.key }

// Pending reports that a unit attention condition is pending. It takes no lock.
func (n *Nexus) Pending() bool { return n.attentions.pending.Load() }

// Take removes the most important unit attention condition, to report it (SAM-5 5.14); false
// says that none is pending any more.
func (n *Nexus) Take() (scsi.ASC, bool) { return n.attentions.take() }

// establish establishes a unit attention condition, and tells who watches the nexus of it.
func (n *Nexus) establish(a scsi.ASC) {
	n.attentions.establish(a)
	n.itl.Attention(a)
}

// Denied are the classes of commands that reservations deny n now. It takes no lock.
func (n *Nexus) Denied() reserve.Mask { return reserve.Mask(n.denied.Load()) }

// ReportsLUNs ends REPORTED LUNS DATA HAS CHANGED for all units that n reaches, as REPORT LUNS
// does (SPC-5 6.33; LUICLR).
func ReportsLUNs(n *target.Nexus) {
	for _, x := range n.ITLs() {
		if n, ok := x.State().(*Nexus); ok {
			n.attentions.clear(scsi.ASCReportedLUNsDataChanged)
		}
	}
}
