package virtio

import (
	"encoding/binary"
	"slices"

	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/target"
	"github.com/lunette-io/lunette/transport/virtio/iu"
)

// A back-end that a front-end finds after another has gone is handed what that has not answered, and nobody knows whether it was done. Most commands may simply be run again: what they do is the same if it
// was done before. All others are answered with UNIT ATTENTION, I_T NEXUS LOSS OCCURRED (29h/07h), and not run: it says what has happened (the nexus by which the command came is lost, and the command with it,
// done or not), and whoever has sent it has to look. A power on (29h/00h) says that the unit has forgotten what it was told, which need not be so, and units say that themselves.

// runAgain are the commands that may be run twice, by type: the first row are those of all types. What is not here may not.
var runAgain = []struct {
	types []scsi.PeripheralType // nil: all
	ops   []scsi.Opcode
}{
	{nil, []scsi.Opcode{
		scsi.OpTestUnitReady, scsi.OpRequestSense, scsi.OpInquiry, scsi.OpReportLUNs, scsi.OpModeSense6, scsi.OpModeSense10, scsi.OpLogSense,
		scsi.OpPersistentReserveIn, scsi.OpReceiveDiagnostic, scsi.OpReadBuffer,
	}},
	{[]scsi.PeripheralType{scsi.TypeDisk, scsi.TypeZoned, scsi.TypeTape, scsi.TypeChanger}, []scsi.Opcode{scsi.OpMaintenanceIn, scsi.OpSecurityProtocolIn}}, // MMC has others at these numbers
	{[]scsi.PeripheralType{scsi.TypeDisk}, []scsi.Opcode{
		scsi.OpRead6, scsi.OpRead10, scsi.OpRead12, scsi.OpRead16,
		scsi.OpWrite6, scsi.OpWrite10, scsi.OpWrite12, scsi.OpWrite16, scsi.OpWriteAtomic16,
		scsi.OpVerify10, scsi.OpVerify12, scsi.OpVerify16,
		scsi.OpWriteAndVerify10, scsi.OpWriteAndVerify12, scsi.OpWriteAndVerify16,
		scsi.OpWriteSame10, scsi.OpWriteSame16, scsi.OpUnmap, scsi.OpORWrite16,
		scsi.OpSynchronizeCache10, scsi.OpSynchronizeCache16, scsi.OpPreFetch10, scsi.OpPreFetch16, scsi.OpSeek10,
		scsi.OpReadCapacity10, scsi.OpServiceActionIn16, scsi.OpReadDefectData10, scsi.OpReadDefectData12,
	}},
	{[]scsi.PeripheralType{scsi.TypeOptical}, []scsi.Opcode{ // what is written to a disc may be there for good
		scsi.OpRead10, scsi.OpRead12, scsi.OpReadCD, scsi.OpReadCDMSF, scsi.OpVerify10, scsi.OpSynchronizeCache10, scsi.OpSeek10,
		scsi.OpReadCapacity10, scsi.OpReadFormatCapacities, scsi.OpReadTOC, scsi.OpReadSubChannel, scsi.OpReadDiscInformation, scsi.OpReadTrackInformation,
		scsi.OpReadDiscStructure, scsi.OpReadBufferCapacity, scsi.OpGetConfiguration, scsi.OpGetPerformance, scsi.OpMechanismStatus,
	}},
	{[]scsi.PeripheralType{scsi.TypeTape}, []scsi.Opcode{ // all that moves the tape counts from where it is
		scsi.OpReadPosition, scsi.OpReadBlockLimits, scsi.OpReportDensitySupport, scsi.OpReadAttribute,
	}},
	{[]scsi.PeripheralType{scsi.TypeChanger}, []scsi.Opcode{scsi.OpReadElementStatus, scsi.OpReadAttribute}},
}

// runAgain32 are the service actions of disks' commands with a CDB of 32 bytes that may be run twice.
var runAgain32 = []scsi.ServiceAction{
	0x09, // READ (32)
	0x0a, // VERIFY (32)
	0x0b, // WRITE (32)
	0x0c, // WRITE AND VERIFY (32)
	0x0d, // WRITE SAME (32)
	0x0f, // WRITE ATOMIC (32)
}

// mayRunAgain reports that a command may be run twice at a unit of a type. At a LUN without a unit all may.
func mayRunAgain(t scsi.PeripheralType, cdb *[iu.CDBLen]byte) bool {
	op := scsi.Opcode(cdb[0])
	switch {
	case t == scsi.TypeUnknown:
		return true
	case op == scsi.OpVariableLength:
		return t == scsi.TypeDisk && slices.Contains(runAgain32, scsi.ServiceAction(binary.BigEndian.Uint16(cdb[8:])))
	}
	for _, row := range runAgain {
		if (row.types == nil || slices.Contains(row.types, t)) && slices.Contains(row.ops, op) {
			return true
		}
	}
	return false
}

// typeAt is the type of the unit at a LUN; TypeUnknown: there is none.
func typeAt(n *target.Nexus, lun scsi.LUN) scsi.PeripheralType {
	for _, x := range n.ITLs() {
		if x.LUN.Canonical() == lun {
			return typeOf(x.Unit())
		}
	}
	return scsi.TypeUnknown
}

// noType is that of units which do not say what they are: nothing of theirs but what is harmless to all is run twice.
const noType = scsi.TypeArray

// typeOf is the type of a unit.
func typeOf(u *target.Unit) scsi.PeripheralType {
	if x, ok := u.LogicalUnit().(interface{ Identity() scsi.Identity }); ok {
		return x.Identity().Type
	}
	return noType
}
