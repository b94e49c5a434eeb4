package cdb

import (
	"math/bits"

	"github.com/lunette-io/lunette/scsi"
)

// A Usage is the CDB USAGE DATA of a command (SPC-5 6.35.3): as long as the CDB,
// with a one for every bit that the command gives a meaning; the operation code
// and the service action stand for themselves.
type Usage string

// UsageOf returns the usage data of the command op with service action a, which
// is ignored for operation codes without; "" for a command unknown here.
// Commands look theirs up once, when their tables are built.
func UsageOf(op scsi.Opcode, a scsi.ServiceAction) Usage {
	for i := range usages {
		if c := &usages[i]; c.op == op && (c.action == a || !op.HasServiceActions()) {
			return c.usage
		}
	}
	return ""
}

// CheckUsage returns nil if c has no bit set that u gives no meaning, and an
// INVALID FIELD IN CDB pointing at the first such bit otherwise. Bytes of c past
// the end of u are not looked at; a c shorter than u lacks the missing byte.
func CheckUsage(c []byte, u Usage) error {
	if err := need(c, len(u)); err != nil {
		return err
	}
	for i := 1; i < len(u); i++ {
		if extra := c[i] &^ u[i]; extra != 0 {
			return scsi.InvalidFieldInCDB(i, bits.Len8(extra)-1)
		}
	}
	return nil
}

// Hexadecimal usage data, in the order of operation codes. CONTROL is 00: there
// is no ACA, so NACA and the obsolete bits have no meaning. A GROUP NUMBER (3F)
// is a hint, taken and not acted on.
var usages = [...]struct {
	op     scsi.Opcode
	action scsi.ServiceAction
	usage  Usage
}{
	{scsi.OpTestUnitReady, 0, "\x00\x00\x00\x00\x00\x00"},
	{scsi.OpRequestSense, 0, "\x03\x01\x00\x00\xff\x00"},
	{scsi.OpRead6, 0, "\x08\x1f\xff\xff\xff\x00"},
	{scsi.OpWrite6, 0, "\x0a\x1f\xff\xff\xff\x00"},
	{scsi.OpInquiry, 0, "\x12\x01\xff\xff\xff\x00"},
	{scsi.OpModeSelect6, 0, "\x15\x13\x00\x00\xff\x00"},
	{scsi.OpReserve6, 0, "\x16\x00\x00\x00\x00\x00"},
	{scsi.OpRelease6, 0, "\x17\x00\x00\x00\x00\x00"},
	{scsi.OpModeSense6, 0, "\x1a\x08\xff\xff\xff\x00"},
	{scsi.OpStartStopUnit, 0, "\x1b\x01\x00\x0f\xf7\x00"},
	{scsi.OpSendDiagnostic, 0, "\x1d\xf7\x00\xff\xff\x00"},
	{scsi.OpPreventAllowRemoval, 0, "\x1e\x00\x00\x00\x03\x00"},
	{scsi.OpReadCapacity10, 0, "\x25\x00\xff\xff\xff\xff\x00\x00\x01\x00"},
	{scsi.OpRead10, 0, "\x28\xf8\xff\xff\xff\xff\x3f\xff\xff\x00"},
	{scsi.OpWrite10, 0, "\x2a\xf8\xff\xff\xff\xff\x3f\xff\xff\x00"},
	{scsi.OpWriteAndVerify10, 0, "\x2e\xf6\xff\xff\xff\xff\x3f\xff\xff\x00"},
	{scsi.OpVerify10, 0, "\x2f\xf6\xff\xff\xff\xff\x3f\xff\xff\x00"},
	{scsi.OpPreFetch10, 0, "\x34\x02\xff\xff\xff\xff\x3f\xff\xff\x00"},
	{scsi.OpSynchronizeCache10, 0, "\x35\x02\xff\xff\xff\xff\x3f\xff\xff\x00"},
	{scsi.OpWriteSame10, 0, "\x41\xf8\xff\xff\xff\xff\x3f\xff\xff\x00"},
	{scsi.OpUnmap, 0, "\x42\x01\x00\x00\x00\x00\x3f\xff\xff\x00"},
	{scsi.OpLogSelect, 0, "\x4c\x03\xff\xff\x00\x00\x00\xff\xff\x00"},
	{scsi.OpLogSense, 0, "\x4d\x01\xff\xff\x00\xff\xff\xff\xff\x00"},
	{scsi.OpModeSelect10, 0, "\x55\x13\x00\x00\x00\x00\x00\xff\xff\x00"},
	{scsi.OpReserve10, 0, "\x56\x00\x00\x00\x00\x00\x00\x00\x00\x00"},
	{scsi.OpRelease10, 0, "\x57\x00\x00\x00\x00\x00\x00\x00\x00\x00"},
	{scsi.OpModeSense10, 0, "\x5a\x18\xff\xff\x00\x00\x00\xff\xff\x00"},
	{scsi.OpPersistentReserveIn, scsi.ActionReadKeys, "\x5e\x00\x00\x00\x00\x00\x00\xff\xff\x00"},
	{scsi.OpPersistentReserveIn, scsi.ActionReadReservation, "\x5e\x01\x00\x00\x00\x00\x00\xff\xff\x00"},
	{scsi.OpPersistentReserveIn, scsi.ActionReportCapabilities, "\x5e\x02\x00\x00\x00\x00\x00\xff\xff\x00"},
	{scsi.OpPersistentReserveIn, scsi.ActionReadFullStatus, "\x5e\x03\x00\x00\x00\x00\x00\xff\xff\x00"},
	// REGISTER, CLEAR and REGISTER AND MOVE ignore scope and type, which initiators set all the same.
	{scsi.OpPersistentReserveOut, scsi.ActionRegister, "\x5f\x00\xff\x00\x00\xff\xff\xff\xff\x00"},
	{scsi.OpPersistentReserveOut, scsi.ActionReserve, "\x5f\x01\xff\x00\x00\xff\xff\xff\xff\x00"},
	{scsi.OpPersistentReserveOut, scsi.ActionRelease, "\x5f\x02\xff\x00\x00\xff\xff\xff\xff\x00"},
	{scsi.OpPersistentReserveOut, scsi.ActionClear, "\x5f\x03\xff\x00\x00\xff\xff\xff\xff\x00"},
	{scsi.OpPersistentReserveOut, scsi.ActionPreempt, "\x5f\x04\xff\x00\x00\xff\xff\xff\xff\x00"},
	{scsi.OpPersistentReserveOut, scsi.ActionPreemptAndAbort, "\x5f\x05\xff\x00\x00\xff\xff\xff\xff\x00"},
	{scsi.OpPersistentReserveOut, scsi.ActionRegisterAndIgnoreExistingKey, "\x5f\x06\xff\x00\x00\xff\xff\xff\xff\x00"},
	{scsi.OpPersistentReserveOut, scsi.ActionRegisterAndMove, "\x5f\x07\xff\x00\x00\xff\xff\xff\xff\x00"},
	{scsi.OpRead16, 0, "\x88\xf8\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x3f\x00"},
	{scsi.OpCompareAndWrite, 0, "\x89\xf8\xff\xff\xff\xff\xff\xff\xff\xff\x00\x00\x00\xff\x3f\x00"},
	{scsi.OpWrite16, 0, "\x8a\xf8\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x3f\x00"},
	{scsi.OpORWrite16, 0, "\x8b\xf8\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x3f\x00"},
	{scsi.OpWriteAndVerify16, 0, "\x8e\xf6\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x3f\x00"},
	{scsi.OpVerify16, 0, "\x8f\xf6\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x3f\x00"},
	{scsi.OpPreFetch16, 0, "\x90\x02\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x3f\x00"},
	{scsi.OpSynchronizeCache16, 0, "\x91\x02\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x3f\x00"},
	{scsi.OpWriteSame16, 0, "\x93\xf9\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x3f\x00"},
	{scsi.OpServiceActionIn16, scsi.ActionReadCapacity16, "\x9e\x10\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01\x00"},
	{scsi.OpServiceActionIn16, scsi.ActionGetLBAStatus, "\x9e\x12\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x00"},
	{scsi.OpReportLUNs, 0, "\xa0\x00\xff\x00\x00\x00\xff\xff\xff\xff\x00\x00"},
	{scsi.OpMaintenanceIn, scsi.ActionReportTargetPortGroups, "\xa3\xea\x00\x00\x00\x00\xff\xff\xff\xff\x00\x00"},
	{scsi.OpMaintenanceIn, scsi.ActionReportSupportedOperationCodes, "\xa3\x0c\x87\xff\xff\xff\xff\xff\xff\xff\x00\x00"},
	{scsi.OpMaintenanceIn, scsi.ActionReportSupportedTaskManagement, "\xa3\x0d\x80\x00\x00\x00\xff\xff\xff\xff\x00\x00"},
	{scsi.OpMaintenanceIn, scsi.ActionReportTimestamp, "\xa3\x0f\x00\x00\x00\x00\xff\xff\xff\xff\x00\x00"},
	{scsi.OpMaintenanceOut, scsi.ActionSetTargetPortGroups, "\xa4\x0a\x00\x00\x00\x00\xff\xff\xff\xff\x00\x00"},
	{scsi.OpMaintenanceOut, scsi.ActionSetTimestamp, "\xa4\x0f\x00\x00\x00\x00\xff\xff\xff\xff\x00\x00"},
	{scsi.OpRead12, 0, "\xa8\xf8\xff\xff\xff\xff\xff\xff\xff\xff\x3f\x00"},
	{scsi.OpWrite12, 0, "\xaa\xf8\xff\xff\xff\xff\xff\xff\xff\xff\x3f\x00"},
	{scsi.OpWriteAndVerify12, 0, "\xae\xf6\xff\xff\xff\xff\xff\xff\xff\xff\x3f\x00"},
	{scsi.OpVerify12, 0, "\xaf\xf6\xff\xff\xff\xff\xff\xff\xff\xff\x3f\x00"},
}
