package target

import "github.com/lunette-io/lunette/scsi"

// A Watcher is told, as it happens, what an initiator is told with its next command: for transports that can tell it unasked. Its methods are called with locks of this package and of device servers, take
// none but their own, and call nobody.
type Watcher interface {
	// InventoryChanged: from now on the initiator sees units at the LUNs gained that it has not seen there, and does not see any more what it has seen at those lost. A LUN in both has another unit.
	InventoryChanged(gained, lost []scsi.LUN)
	// Attention: a unit attention condition of x is established. It stays pending: this is not its report.
	Attention(x *ITL, condition scsi.ASC)
}

// Watch has w told of all that happens from now on. It is called once.
func (n *Nexus) Watch(w Watcher) { n.watcher.Store(&w) }

// Attention is called by device servers when they establish a unit attention condition of x.
func (x *ITL) Attention(condition scsi.ASC) {
	if w := x.Nexus.watcher.Load(); w != nil {
		(*w).Attention(x, condition)
	}
}

// inventoryChanged tells the watcher of n. The target's mu is held.
func (n *Nexus) inventoryChanged(gained, lost []*ITL) {
	w := n.watcher.Load()
	if w == nil {
		return
	}
	luns := func(all []*ITL) (luns []scsi.LUN) {
		for _, x := range all {
			luns = append(luns, x.LUN)
		}
		return luns
	}
	(*w).InventoryChanged(luns(gained), luns(lost))
}
