package passthrough

import (
	"github.com/lunette-io/lunette/device/reserve"
	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/scsi/cdb"
)

// changerRules are the commands of SMC-3. The robot has one arm: what moves it goes one at a time.
func changerRules() []rule {
	move := func(op scsi.Opcode, name string, changes bool) rule {
		return rule{op: op, name: name, access: reserve.Writing, changes: changes, alone: true}
	}
	opens := move(scsi.OpImportExportElement, "OPEN/CLOSE IMPORT/EXPORT ELEMENT", true)
	opens.ejects = opensElement
	return []rule{
		move(scsi.OpInitializeElementStatus, "INITIALIZE ELEMENT STATUS", false),
		move(scsi.OpInitializeElementStatusWithRange, "INITIALIZE ELEMENT STATUS WITH RANGE", false),
		move(scsi.OpInitializeElementStatusVendor, "INITIALIZE ELEMENT STATUS WITH RANGE, as makers have it", false),
		move(scsi.OpPositionToElement, "POSITION TO ELEMENT", false),
		move(scsi.OpMoveMedium, "MOVE MEDIUM", true),
		move(scsi.OpExchangeMedium, "EXCHANGE MEDIUM", true),
		move(opMoveMediumAttached, "MOVE MEDIUM ATTACHED", true),
		opens,
		{op: scsi.OpReadElementStatus, name: "READ ELEMENT STATUS", access: reserve.Reading, accessOf: statusAccess, alone: true, data: in(7, 3)},
		{op: opReadElementStatusAttached, name: "READ ELEMENT STATUS ATTACHED", access: reserve.Reading, alone: true, data: in(7, 3)},
		{op: scsi.OpRequestVolumeElementAddress, name: "REQUEST VOLUME ELEMENT ADDRESS", access: reserve.Reading, alone: true, data: in(7, 3)},
		{op: scsi.OpSendVolumeTag, name: "SEND VOLUME TAG", access: reserve.Writing, changes: true, alone: true, data: out(8, 2)},
		{op: opReportVolumeTypes, name: "REPORT VOLUME TYPES SUPPORTED", access: reserve.Probing, data: in(7, 2)},
		{op: scsi.OpServiceActionIn16, action: scsi.ActionReadCapacity16, name: "REPORT ELEMENT INFORMATION", access: reserve.Reading, data: in(10, 4)},
	}
}

// Operation codes of SMC-3 that nothing else of lunette knows.
const (
	opReportVolumeTypes         scsi.Opcode = 0x44
	opMoveMediumAttached        scsi.Opcode = 0xa7
	opReadElementStatusAttached scsi.Opcode = 0xb4
)

// statusAccess lets everyone ask for what is known already (CURDATA).
func statusAccess(c []byte) reserve.Class {
	if r, err := cdb.ParseReadElementStatus(c); err == nil && r.Current {
		return reserve.Probing
	}
	return reserve.Reading
}

// opensElement: OPEN/CLOSE IMPORT/EXPORT ELEMENT opens it.
func opensElement(c []byte) bool { return c[4]&0x1f == 0 }
