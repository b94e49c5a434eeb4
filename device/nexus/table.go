package nexus

import (
	"slices"
	"sync"

	"github.com/lunette-io/lunette/device/reserve"
	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/target"
)

// A Table is the I_T_L nexuses of one logical unit: those that are logged in, and for a while
// those that were. The zero Table has none. Its methods may be called by many goroutines.
type Table struct {
	mu      sync.Mutex
	present map[reserve.Nexus][]*Nexus // several if the initiator reaches the unit by several LUNs
	absent  absent
}

// Attach makes x known, with the classes of commands that are denied it, and sets its State. A
// nexus that is new is told of a power on, one that comes back of the loss of the nexus and
// of what happened since. It reports a nexus that comes back before its former login has been
// detached: that is lost now, and is told nothing any more.
func (tb *Table) Attach(x *target.ITL, denied reserve.Mask) (lost bool) {
	n := &Nexus{key: KeyOf(x.Nexus), itl: x}
	n.denied.Store(uint32(denied))
	tb.mu.Lock()
	defer tb.mu.Unlock()
	if former := tb.present[n.key]; len(former) > 0 && former[0].itl.Nexus != x.Nexus {
		lost = true
		delete(tb.present, n.key)
		n.attentions.establish(scsi.ASCNexusLossOccurred)
		for _, o := range former {
			n.inherit(o.attentions.all())
		}
	} else if conditions, back := tb.absent.take(n.key); back {
		n.attentions.establish(scsi.ASCNexusLossOccurred)
		n.inherit(conditions)
	} else {
		n.attentions.establish(scsi.ASCPowerOnResetOrBusDeviceReset)
	}
	if tb.present == nil {
		tb.present = make(map[reserve.Nexus][]*Nexus)
	}
	tb.present[n.key] = append(tb.present[n.key], n)
	x.SetState(n)
	return lost
}

// inherit establishes what a former login of the nexus has not been told.
func (n *Nexus) inherit(conditions []scsi.ASC) {
	for _, a := range conditions {
		n.attentions.establish(a)
	}
}

// Detach ends x. It reports whether its nexus is absent now: not if the unit has another LUN
// there, or if the nexus was back before.
func (tb *Table) Detach(x *target.ITL) (absent bool) {
	n := Of(x)
	tb.mu.Lock()
	defer tb.mu.Unlock()
	i := slices.Index(tb.present[n.key], n)
	if i < 0 {
		return false
	}
	rest := slices.Delete(tb.present[n.key], i, i+1)
	if len(rest) > 0 {
		tb.present[n.key] = rest
		return false
	}
	delete(tb.present, n.key)
	tb.absent.put(n.key, n.attentions.all())
	return true
}

// all yields the nexuses that are logged in. tb.mu is held.
func (tb *Table) all(yield func(*Nexus) bool) {
	for _, same := range tb.present {
		for _, n := range same {
			if !yield(n) {
				return
			}
		}
	}
}

// Deny sets the classes of commands that each nexus may not use from now on. It calls mask
// for each with the lock of the table held.
func (tb *Table) Deny(mask func(reserve.Nexus) reserve.Mask) {
	tb.mu.Lock()
	defer tb.mu.Unlock()
	for n := range tb.all {
		n.denied.Store(uint32(mask(n.key)))
	}
}

// Establish establishes a unit attention condition for one nexus, logged in or not.
func (tb *Table) Establish(to reserve.Nexus, a scsi.ASC) {
	tb.mu.Lock()
	defer tb.mu.Unlock()
	for _, n := range tb.present[to] {
		n.establish(a)
	}
	if len(tb.present[to]) == 0 {
		tb.absent.establish(to, a)
	}
}

// Announce establishes a unit attention condition for every nexus but that of x, which caused
// it; x may be nil.
func (tb *Table) Announce(a scsi.ASC, x *target.ITL) {
	tb.mu.Lock()
	defer tb.mu.Unlock()
	for n := range tb.all {
		if n.itl != x {
			n.establish(a)
		}
	}
	for n := range tb.absent.conditions {
		tb.absent.establish(n, a)
	}
}

// Event establishes the unit attention conditions of an event of package target.
func (tb *Table) Event(e target.Event, x *target.ITL) {
	switch e {
	case target.LogicalUnitReset, target.TargetReset:
		tb.Announce(scsi.ASCPowerOnResetOrBusDeviceReset, nil)
	case target.NexusReset:
		Of(x).establish(scsi.ASCNexusLossOccurred)
	case target.CommandsCleared:
		Of(x).establish(scsi.ASCCommandsClearedByAnotherInitiator)
	case target.InventoryChanged:
		Of(x).establish(scsi.ASCReportedLUNsDataChanged)
	case target.Replaced:
		tb.Announce(scsi.ASCInquiryDataChanged, nil)
	case target.ProtectionChanged:
		Of(x).establish(scsi.ASCModeParametersChanged)
	}
}

// users are who has proved to be at the nexuses with a target that are logged in, which are named
// without a user.
func (tb *Table) users(target string) map[reserve.Nexus]string {
	tb.mu.Lock()
	defer tb.mu.Unlock()
	all := make(map[reserve.Nexus]string)
	for k := range tb.present {
		if user := k.User; k.Target == target {
			k.User = ""
			all[k] = user
		}
	}
	return all
}

// unitOf is the unit that one of the nexuses reaches; nil if none of them is logged in.
func (tb *Table) unitOf(nexuses []reserve.Nexus) *target.Unit {
	tb.mu.Lock()
	defer tb.mu.Unlock()
	for _, k := range nexuses {
		for _, n := range tb.present[k] {
			return n.itl.Unit()
		}
	}
	return nil
}
