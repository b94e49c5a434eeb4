package passthrough

import (
	"github.com/lunette-io/lunette/device"
	"github.com/lunette-io/lunette/device/reserve"
	"github.com/lunette-io/lunette/initiator/sg"
	"github.com/lunette-io/lunette/scsi"
)

// primaryRules are the commands of SPC-5, and what every device type has of others. Rules of a device type take their places.
//
// Access is SPC-5 table 66; a command that the table does not have is fenced as the one that is most like it.
func primaryRules() []rule {
	return []rule{
		{op: scsi.OpTestUnitReady, name: "TEST UNIT READY", access: reserve.Probing},
		{op: scsi.OpInquiry, name: "INQUIRY", whose: edited, attention: true, targets: true, data: in(3, 2), run: (*policy).inquiry},
		{op: scsi.OpReportLUNs, name: "REPORT LUNS", whose: ours, attention: true, targets: true, data: in(6, 4), run: (*policy).reportLUNs},
		{op: scsi.OpRequestSense, name: "REQUEST SENSE", whose: ours, attention: true, targets: true, data: in(4, 1), run: (*policy).requestSense},

		{op: scsi.OpReserve6, name: "RESERVE(6)", whose: ours, data: out(3, 2), run: checked((*device.Reserving).Reserve), after: (*policy).passedReserve},
		{op: scsi.OpReserve10, name: "RESERVE(10)", whose: ours, data: out(7, 2), run: checked((*device.Reserving).Reserve), after: (*policy).passedReserve},
		{op: scsi.OpRelease6, name: "RELEASE(6)", whose: ours, run: checked((*device.Reserving).Release), after: (*policy).passedRelease},
		{op: scsi.OpRelease10, name: "RELEASE(10)", whose: ours, data: out(7, 2), run: checked((*device.Reserving).Release), after: (*policy).passedRelease},
		{op: scsi.OpPersistentReserveIn, action: anyAction, name: "PERSISTENT RESERVE IN", whose: ours, data: in(7, 2), run: checked((*device.Reserving).PersistentIn)},
		{op: scsi.OpPersistentReserveOut, action: anyAction, name: "PERSISTENT RESERVE OUT", whose: ours, access: reserve.Probing, data: out(5, 4),
			run: checked((*device.Reserving).PersistentOut)},

		{op: scsi.OpPreventAllowRemoval, name: "PREVENT ALLOW MEDIUM REMOVAL", whose: ours, targets: true, access: reserve.Writing, accessOf: preventAccess,
			run: (*policy).preventAllow},

		{op: scsi.OpModeSense6, name: "MODE SENSE(6)", whose: edited, targets: true, access: reserve.Parameters, data: in(4, 1), run: (*policy).modeSense},
		{op: scsi.OpModeSense10, name: "MODE SENSE(10)", whose: edited, targets: true, access: reserve.Parameters, data: in(7, 2), run: (*policy).modeSense},
		{op: scsi.OpModeSelect6, name: "MODE SELECT(6)", access: reserve.Writing, data: out(4, 1), after: changed(scsi.ASCModeParametersChanged)},
		{op: scsi.OpModeSelect10, name: "MODE SELECT(10)", access: reserve.Writing, data: out(7, 2), after: changed(scsi.ASCModeParametersChanged)},
		{op: scsi.OpLogSense, name: "LOG SENSE", access: reserve.Probing, data: in(7, 2)},
		{op: scsi.OpLogSelect, name: "LOG SELECT", access: reserve.Writing, data: out(7, 2), after: (*policy).logSelected},
		{op: scsi.OpReceiveDiagnostic, name: "RECEIVE DIAGNOSTIC RESULTS", access: reserve.Parameters, data: in(3, 2)},
		{op: scsi.OpSendDiagnostic, name: "SEND DIAGNOSTIC", access: reserve.Writing, needsOf: diagnosticNeeds, changesOf: needed(diagnosticNeeds), data: out(3, 2)},
		{op: scsi.OpReadBuffer, name: "READ BUFFER(10)", access: reserve.Parameters, needsOf: readBufferNeeds, data: in(6, 3)},
		{op: opReadBuffer16, name: "READ BUFFER(16)", access: reserve.Parameters, needsOf: readBufferNeeds, data: in(10, 4)},
		{op: scsi.OpWriteBuffer, name: "WRITE BUFFER", access: reserve.Writing, needsOf: writeBufferNeeds, changesOf: needed(writeBufferNeeds), data: out(6, 3),
			after: (*policy).bufferWritten},
		{op: scsi.OpReadAttribute, action: anyAction, name: "READ ATTRIBUTE", access: reserve.Probing, data: in(10, 4)},
		{op: scsi.OpWriteAttribute, name: "WRITE ATTRIBUTE", access: reserve.Writing, changes: true, data: out(10, 4)},
		{op: scsi.OpSecurityProtocolIn, name: "SECURITY PROTOCOL IN", access: reserve.Probing, data: transfer{of: securityIn}},
		{op: scsi.OpSecurityProtocolOut, name: "SECURITY PROTOCOL OUT", access: reserve.Writing, needs: keys, changesOf: securityChanges, data: transfer{of: securityOut},
			after: (*policy).keysSet},
		{op: opServiceActionIn12, action: actionReadMediaSerialNumber, name: "READ MEDIA SERIAL NUMBER", access: reserve.Probing, data: in(6, 4)},

		{op: scsi.OpMaintenanceIn, action: scsi.ActionReportIdentifyingInformation, name: "REPORT IDENTIFYING INFORMATION", access: reserve.Probing, data: in(6, 4)},
		{op: scsi.OpMaintenanceIn, action: scsi.ActionReportTargetPortGroups, name: "REPORT TARGET PORT GROUPS", whose: refused},
		{op: scsi.OpMaintenanceIn, action: scsi.ActionReportAliases, name: "REPORT ALIASES", whose: refused},
		{op: scsi.OpMaintenanceIn, action: scsi.ActionReportSupportedOperationCodes, name: "REPORT SUPPORTED OPERATION CODES", whose: edited, targets: true,
			access: reserve.Parameters, data: in(6, 4), run: (*policy).reportOpcodes},
		{op: scsi.OpMaintenanceIn, action: scsi.ActionReportSupportedTaskManagement, name: "REPORT SUPPORTED TASK MANAGEMENT FUNCTIONS", whose: ours, targets: true,
			access: reserve.Parameters, data: in(6, 4), run: (*policy).reportTaskManagement},
		{op: scsi.OpMaintenanceIn, action: scsi.ActionReportPriority, name: "REPORT PRIORITY", whose: refused},
		{op: scsi.OpMaintenanceIn, action: scsi.ActionReportTimestamp, name: "REPORT TIMESTAMP", access: reserve.Probing, data: in(6, 4)},
		{op: scsi.OpMaintenanceIn, action: actionManagementProtocol, name: "MANAGEMENT PROTOCOL IN", access: reserve.Parameters, data: in(6, 4)},
		{op: scsi.OpMaintenanceIn, action: anyAction, name: "MAINTENANCE IN, other", needs: vendor, access: reserve.Parameters, data: in(6, 4)},
		{op: scsi.OpMaintenanceOut, action: scsi.ActionSetIdentifyingInformation, name: "SET IDENTIFYING INFORMATION", access: reserve.Writing, data: out(6, 4),
			after: changed(ascDeviceIdentifierChanged)},
		{op: scsi.OpMaintenanceOut, action: scsi.ActionSetTargetPortGroups, name: "SET TARGET PORT GROUPS", whose: refused},
		{op: scsi.OpMaintenanceOut, action: scsi.ActionChangeAliases, name: "CHANGE ALIASES", whose: refused},
		{op: scsi.OpMaintenanceOut, action: scsi.ActionSetPriority, name: "SET PRIORITY", whose: refused},
		{op: scsi.OpMaintenanceOut, action: scsi.ActionSetTimestamp, name: "SET TIMESTAMP", access: reserve.Writing, data: out(6, 4), after: changed(scsi.ASCTimestampChanged)},
		{op: scsi.OpMaintenanceOut, action: actionManagementProtocol, name: "MANAGEMENT PROTOCOL OUT", access: reserve.Writing, needs: vendor, changes: true, data: out(6, 4)},
		{op: scsi.OpMaintenanceOut, action: anyAction, name: "MAINTENANCE OUT, other", needs: vendor, access: reserve.Writing, changes: true, data: out(6, 4)},

		{op: scsi.OpThirdPartyCopyOut, action: scsi.ActionCopyAbort, name: "COPY OPERATION ABORT", access: reserve.Writing, needs: thirdParty},
		{op: scsi.OpThirdPartyCopyOut, action: anyAction, name: "EXTENDED COPY, POPULATE TOKEN, WRITE USING TOKEN", access: reserve.Writing, needs: thirdParty,
			changes: true, alone: true, data: out(10, 4)},
		{op: scsi.OpThirdPartyCopyIn, action: anyAction, name: "RECEIVE COPY RESULTS, RECEIVE ROD TOKEN INFORMATION", access: reserve.Probing, needs: thirdParty, data: in(10, 4)},
		{op: opCopy, name: "COPY", access: reserve.Writing, needs: thirdParty, changes: true, alone: true, data: out(2, 3)},
		{op: opCompare, name: "COMPARE", access: reserve.Writing, needs: thirdParty, changes: true, alone: true, data: out(3, 3)},
		{op: opCopyAndVerify, name: "COPY AND VERIFY", access: reserve.Writing, needs: thirdParty, changes: true, alone: true, data: out(3, 3)},
		{op: opAccessControlIn, action: anyAction, name: "ACCESS CONTROL IN", whose: refused},
		{op: opAccessControlOut, action: anyAction, name: "ACCESS CONTROL OUT", whose: refused},

		{op: scsi.OpATAPassThrough16, name: "ATA PASS-THROUGH(16)", access: reserve.Writing, needs: vendor, changes: true, alone: true, data: unknown()},
		{op: opATAPassThrough12, name: "ATA PASS-THROUGH(12)", access: reserve.Writing, needs: vendor, changes: true, alone: true, data: unknown()},
		{op: opExtendedCDB, name: "EXTENDED CDB", whose: refused},
		{op: scsi.OpVariableLength, action: anyAction, name: "variable length CDBs up to 32 bytes, other", access: reserve.Writing, needs: vendor, changes: true, alone: true,
			data: unknown()},
	}
}

// Operation codes and service actions that nothing else of lunette knows.
const (
	opCopy              scsi.Opcode = 0x18
	opCompare           scsi.Opcode = 0x39
	opCopyAndVerify     scsi.Opcode = 0x3a
	opExtendedCDB       scsi.Opcode = 0x7e
	opAccessControlIn   scsi.Opcode = 0x86
	opAccessControlOut  scsi.Opcode = 0x87
	opReadBuffer16      scsi.Opcode = 0x9b
	opATAPassThrough12  scsi.Opcode = 0xa1
	opServiceActionIn12 scsi.Opcode = 0xab

	actionReadMediaSerialNumber scsi.ServiceAction = 0x01
	actionManagementProtocol    scsi.ServiceAction = 0x10
)

// ascDeviceIdentifierChanged is what SET IDENTIFYING INFORMATION tells others (SPC-5 6.43).
const ascDeviceIdentifierChanged scsi.ASC = 0x3f05

// preventAccess lets everyone allow removal (SPC-5 table 66).
func preventAccess(c []byte) reserve.Class {
	if c[4]&3 == 0 {
		return reserve.Probing
	}
	return reserve.Writing
}

// offline are the bits DEVOFFL and UNITOFFL of SEND DIAGNOSTIC.
const offline = 0x03

// diagnosticNeeds: a self-test passes that touches neither the medium (UNITOFFL) nor other logical units (DEVOFFL); diagnostic pages may do anything, downloading
// microcode (SES-3 6.1.20) among it.
func diagnosticNeeds(c []byte) permission {
	if c[1]&offline != 0 || c[3] != 0 || c[4] != 0 {
		return firmware
	}
	return nobodys
}

// readBufferNeeds: data, its descriptor, echoes and the error history pass (SPC-5 6.21); other modes are of vendors.
func readBufferNeeds(c []byte) permission {
	switch c[1] & 0x1f {
	case 0x00, 0x02, 0x03, 0x0a, 0x0b, 0x1c:
		return nobodys
	}
	return vendor
}

// writeBufferNeeds: data and echoes pass (SPC-5 6.49); 01h and what is reserved is of vendors, the rest is microcode, or concerns
// the expander that the device is behind.
func writeBufferNeeds(c []byte) permission {
	switch mode := c[1] & 0x1f; mode {
	case 0x00, 0x02, 0x0a:
		return nobodys
	case 0x04, 0x05, 0x06, 0x07, 0x0d, 0x0e, 0x0f:
		return firmware
	}
	return vendor
}

// needed reports CDBs that pass only if something is listed.
func needed(needs func(c []byte) permission) func(c []byte) bool {
	return func(c []byte) bool { return needs(c) != nobodys }
}

// securityChanges reports security protocols that may do away with a medium. A tape's keys (20h) do not, and who reads needs them.
func securityChanges(c []byte) bool { return c[1] != 0x20 }

// securityIn and securityOut count in bytes, or with INC_512 in 512 of them (SPC-5 6.40).
func securityIn(c []byte, _ *facts) (sg.Direction, int64, bool) {
	return sg.In, securityLength(c), true
}

func securityOut(c []byte, _ *facts) (sg.Direction, int64, bool) {
	return sg.Out, securityLength(c), true
}

func securityLength(c []byte) int64 {
	n := int64(bigEndian(c[6:10]))
	if c[4]&0x80 != 0 {
		n *= 512
	}
	return n
}
