package disk

import (
	"github.com/lunette-io/lunette/device"
	"github.com/lunette-io/lunette/device/reserve"
	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/scsi/cdb"
	"github.com/lunette-io/lunette/scsi/page"
	"github.com/lunette-io/lunette/target"
)

// Seconds that hosts are told to wait: for what moves data, and for what may touch all
// of the medium.
var (
	moving = page.Timeouts{Nominal: 1, Recommended: 30}
	whole  = page.Timeouts{Nominal: 10, Recommended: 120}
)

// tolerated: FUA_NV of SBC-3, obsolete since; initiators set it with FUA.
var tolerated = map[int]byte{1: 0x02}

// commands are the commands of SBC-4.
func (d *Disk) commands() []device.Command {
	var rows []device.Command
	extent := cdb.Range
	add := func(access reserve.Class, order target.Class, wait page.Timeouts, run func(*target.Task), ops ...scsi.Opcode) {
		for _, op := range ops {
			rows = append(rows, device.Command{Op: op, Access: access, Order: order, Extent: extent, Medium: true, Timeouts: wait, Run: run})
		}
	}
	add(reserve.Reading, target.Reads, moving, d.read, scsi.OpRead6, scsi.OpRead10, scsi.OpRead12, scsi.OpRead16)
	add(reserve.Writing, target.Writes, moving, d.write, scsi.OpWrite6, scsi.OpWrite10, scsi.OpWrite12, scsi.OpWrite16)
	for i := range rows {
		if len(cdb.UsageOf(rows[i].Op, 0)) > 6 {
			rows[i].Tolerated = tolerated
		}
	}
	add(reserve.Reading, target.Reads, whole, d.verify, scsi.OpVerify10, scsi.OpVerify12, scsi.OpVerify16)
	add(reserve.Writing, target.Writes, moving, d.verify, scsi.OpWriteAndVerify10, scsi.OpWriteAndVerify12, scsi.OpWriteAndVerify16)
	extent = cdb.RangeToEnd
	add(reserve.Writing, target.Reads, whole, d.synchronize, scsi.OpSynchronizeCache10, scsi.OpSynchronizeCache16)
	add(reserve.Reading, target.Reads, moving, d.prefetch, scsi.OpPreFetch10, scsi.OpPreFetch16)
	add(reserve.Writing, target.Writes, whole, d.same, scsi.OpWriteSame10, scsi.OpWriteSame16)
	extent = cdb.Range
	add(reserve.Writing, target.Atomic, moving, d.orWrite, scsi.OpORWrite16)
	extent = cdb.CompareAndWriteRange
	add(reserve.Writing, target.Atomic, moving, d.compareAndWrite, scsi.OpCompareAndWrite)
	extent = nil                                      // of UNMAP the list says it
	if d.medium.trimmer != nil || d.readOnly.Load() { // a read only disk says so, rather than that it does not know the command
		add(reserve.Writing, target.Writes, whole, d.unmap, scsi.OpUnmap)
	}
	return append(rows,
		device.Command{Op: scsi.OpTestUnitReady, Access: reserve.Probing, Medium: true, Run: d.testUnitReady},
		device.Command{Op: scsi.OpReadCapacity10, Access: reserve.Probing, Run: d.readCapacity,
			// Reserved since PMI is obsolete (SBC-4 5.20); an initiator is known that has rubbish there.
			Tolerated: map[int]byte{8: 0xfe}},
		device.Command{Op: scsi.OpServiceActionIn16, Action: scsi.ActionReadCapacity16, Access: reserve.Probing, Run: d.readCapacity},
		device.Command{Op: scsi.OpServiceActionIn16, Action: scsi.ActionGetLBAStatus, Access: reserve.Reading, Order: target.Reads,
			Medium: true, Timeouts: moving, Run: d.getLBAStatus},
		device.Command{Op: scsi.OpStartStopUnit, Access: reserve.Writing, AccessOf: startAccess, Order: target.Reads, Timeouts: whole, Run: d.startStop},
		device.Command{Op: scsi.OpPreventAllowRemoval, Access: reserve.Writing, AccessOf: preventAccess, Order: target.Reads, Run: d.prevent})
}

// startAccess lets everyone start a unit (SPC-5 table 66).
func startAccess(c []byte) reserve.Class {
	if s, err := cdb.ParseStartStop(c); err == nil && s.Start && s.Condition == 0 {
		return reserve.Probing
	}
	return reserve.Writing
}

// preventAccess lets everyone allow removal.
func preventAccess(c []byte) reserve.Class {
	if p, err := cdb.ParsePrevent(c); err == nil && p.Mode == 0 {
		return reserve.Probing
	}
	return reserve.Writing
}
