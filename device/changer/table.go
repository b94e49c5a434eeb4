package changer

import (
	"github.com/lunette-io/lunette/device"
	"github.com/lunette-io/lunette/device/reserve"
	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/scsi/cdb"
	"github.com/lunette-io/lunette/scsi/page"
	"github.com/lunette-io/lunette/target"
)

// table are the commands of a medium changer. What moves cartridges writes; initiators that may only read do not move any.
// INITIALIZE ELEMENT STATUS changes nothing that anybody sees, and READ ELEMENT STATUS waits for nothing.
func (c *Changer) table() []device.Command {
	// Where SCSI-2 had the LUN, Linux's ch writes it into all of these, and mtx into READ ELEMENT STATUS. SMC-3 has nothing there.
	oldLUN := map[int]byte{1: 0xe0}
	rows := []device.Command{
		{Op: scsi.OpInitializeElementStatus, Usage: cdb.UsageInitializeElementStatus, Access: reserve.Writing, Order: target.Reads, Medium: true, Run: c.initialize},
		{Op: scsi.OpInitializeElementStatusWithRange, Usage: cdb.UsageInitializeElementStatusWithRange, Access: reserve.Writing, Order: target.Reads, Medium: true, Run: c.initialize},
		{Op: scsi.OpInitializeElementStatusVendor, Usage: cdb.UsageInitializeElementStatusVendor, Access: reserve.Writing, Order: target.Reads, Medium: true, Run: c.initialize},
		{Op: scsi.OpImportExportElement, Usage: cdb.UsageImportExportElement, Access: reserve.Writing, Order: target.Writes, Medium: true, Run: c.importExport},
		{Op: scsi.OpPreventAllowRemoval, Access: reserve.Writing, AccessOf: preventAccess, Order: target.Reads, Run: c.prevent},
		{Op: scsi.OpPositionToElement, Usage: cdb.UsagePositionToElement, Tolerated: oldLUN, Access: reserve.Writing, Order: target.Reads, Medium: true, Run: c.position},
		// mtx says in bits that are the vendor's what a mail slot's door shall do before and after the move.
		{Op: scsi.OpMoveMedium, Tolerated: map[int]byte{1: 0xe0, 11: 0xc0}, Access: reserve.Writing, Order: target.Writes, Medium: true, Run: c.move},
		{Op: scsi.OpReadElementStatus, Tolerated: oldLUN, Access: reserve.Reading, AccessOf: statusAccess, Order: target.Reads, Medium: true, Run: c.readStatus},
		{Op: scsi.OpSendVolumeTag, Tolerated: oldLUN, Access: reserve.Writing, Order: target.Writes, Run: c.sendTag},
		{Op: scsi.OpRequestVolumeElementAddress, Usage: cdb.UsageRequestVolumeElementAddress, Access: reserve.Reading, Order: target.Reads, Medium: true, Run: c.requestAddress},
	}
	rows = append(rows, c.clock.Commands(reserve.Parameters)...)
	if !c.model.NoExchange {
		rows = append(rows, device.Command{Op: scsi.OpExchangeMedium, Tolerated: oldLUN, Access: reserve.Writing, Order: target.Writes, Medium: true, Run: c.exchange})
	}
	return rows
}

// preventAccess lets everyone allow removal.
func preventAccess(b []byte) reserve.Class {
	if p, err := cdb.ParsePrevent(b); err == nil && p.Mode == 0 {
		return reserve.Probing
	}
	return reserve.Writing
}

// statusAccess lets everyone ask for what is known already (CURDATA).
func statusAccess(b []byte) reserve.Class {
	if r, err := cdb.ParseReadElementStatus(b); err == nil && r.Current {
		return reserve.Probing
	}
	return reserve.Reading
}

// timeouts say how long commands take, in seconds: a move may wait for a drive that flushes.
func timeouts(op scsi.Opcode, _ scsi.ServiceAction) page.Timeouts {
	switch op {
	case scsi.OpMoveMedium, scsi.OpExchangeMedium:
		return page.Timeouts{Nominal: 60, Recommended: 900}
	case scsi.OpInitializeElementStatus, scsi.OpInitializeElementStatusWithRange, scsi.OpInitializeElementStatusVendor:
		return page.Timeouts{Nominal: 30, Recommended: 1800}
	}
	return page.Timeouts{Nominal: 5, Recommended: 60}
}
