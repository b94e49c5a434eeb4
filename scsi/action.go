package scsi

import "fmt"

// A ServiceAction tells commands apart that share an operation code (SPC-5
// 4.2.5.3). Its meaning depends on the operation code.
type ServiceAction uint16

// Service actions of SERVICE ACTION IN(16), 9Eh (SBC-4 5.1).
const (
	ActionReadCapacity16  ServiceAction = 0x10
	ActionGetLBAStatus    ServiceAction = 0x12
	ActionReportReferrals ServiceAction = 0x13
)

// Service actions of READ ATTRIBUTE, 8Ch (SPC-5 6.20).
const (
	ActionAttributeValues     ServiceAction = 0x00
	ActionAttributeList       ServiceAction = 0x01
	ActionVolumeList          ServiceAction = 0x02
	ActionPartitionList       ServiceAction = 0x03
	ActionSupportedAttributes ServiceAction = 0x05
)

// Service actions of MAINTENANCE IN, A3h (SPC-5 6).
const (
	ActionReportIdentifyingInformation  ServiceAction = 0x05
	ActionReportTargetPortGroups        ServiceAction = 0x0a
	ActionReportAliases                 ServiceAction = 0x0b
	ActionReportSupportedOperationCodes ServiceAction = 0x0c
	ActionReportSupportedTaskManagement ServiceAction = 0x0d
	ActionReportPriority                ServiceAction = 0x0e
	ActionReportTimestamp               ServiceAction = 0x0f
)

// Service actions of MAINTENANCE OUT, A4h (SPC-5 6).
const (
	ActionSetIdentifyingInformation ServiceAction = 0x06
	ActionSetTargetPortGroups       ServiceAction = 0x0a
	ActionChangeAliases             ServiceAction = 0x0b
	ActionSetPriority               ServiceAction = 0x0e
	ActionSetTimestamp              ServiceAction = 0x0f
)

// Service actions of PERSISTENT RESERVE IN, 5Eh (SPC-5 6.15).
const (
	ActionReadKeys           ServiceAction = 0x00
	ActionReadReservation    ServiceAction = 0x01
	ActionReportCapabilities ServiceAction = 0x02
	ActionReadFullStatus     ServiceAction = 0x03
)

// Service actions of PERSISTENT RESERVE OUT, 5Fh (SPC-5 6.16).
const (
	ActionRegister                     ServiceAction = 0x00
	ActionReserve                      ServiceAction = 0x01
	ActionRelease                      ServiceAction = 0x02
	ActionClear                        ServiceAction = 0x03
	ActionPreempt                      ServiceAction = 0x04
	ActionPreemptAndAbort              ServiceAction = 0x05
	ActionRegisterAndIgnoreExistingKey ServiceAction = 0x06
	ActionRegisterAndMove              ServiceAction = 0x07
	ActionReplaceLostReservation       ServiceAction = 0x08
)

// Service actions of VARIABLE LENGTH CDB, 7Fh (SBC-4 5.1).
const (
	ActionRead32           ServiceAction = 0x09
	ActionVerify32         ServiceAction = 0x0a
	ActionWrite32          ServiceAction = 0x0b
	ActionWriteAndVerify32 ServiceAction = 0x0c
	ActionWriteSame32      ServiceAction = 0x0d
)

// Service actions of THIRD-PARTY COPY OUT, 83h, and IN, 84h (SPC-5 6.18, 6.19).
const (
	ActionExtendedCopyLID1      ServiceAction = 0x00
	ActionExtendedCopyLID4      ServiceAction = 0x01
	ActionPopulateToken         ServiceAction = 0x10
	ActionWriteUsingToken       ServiceAction = 0x11
	ActionCopyAbort             ServiceAction = 0x1c
	ActionReceiveCopyStatusLID1 ServiceAction = 0x00
	ActionReceiveCopyParameters ServiceAction = 0x03
	ActionReceiveRODTokenInfo   ServiceAction = 0x07
	ActionReportAllRODTokens    ServiceAction = 0x08
)

// HasServiceActions reports that commands with operation code o are told apart
// by a service action.
func (o Opcode) HasServiceActions() bool {
	switch o {
	case OpPersistentReserveIn, OpPersistentReserveOut, OpVariableLength, OpThirdPartyCopyOut, OpThirdPartyCopyIn,
		OpReadAttribute, OpServiceActionIn16, OpServiceActionOut16, OpMaintenanceIn, OpMaintenanceOut, OpSanitize:
		return true
	}
	return false
}

// CommandName returns the name of the command o with service action a, which is
// ignored for operation codes without service actions.
func CommandName(o Opcode, a ServiceAction) string {
	if !o.HasServiceActions() {
		return o.String()
	}
	for i := range actionNames {
		if n := &actionNames[i]; n.opcode == o && n.action == a {
			return n.name
		}
	}
	return fmt.Sprintf("%v service action %02xh", o, uint16(a))
}

var actionNames = [...]struct {
	opcode Opcode
	action ServiceAction
	name   string
}{
	{OpServiceActionIn16, ActionReadCapacity16, "READ CAPACITY(16)"},
	{OpServiceActionIn16, ActionGetLBAStatus, "GET LBA STATUS"},
	{OpServiceActionIn16, ActionReportReferrals, "REPORT REFERRALS"},
	{OpReadAttribute, ActionAttributeValues, "READ ATTRIBUTE ATTRIBUTE VALUES"},
	{OpReadAttribute, ActionAttributeList, "READ ATTRIBUTE ATTRIBUTE LIST"},
	{OpReadAttribute, ActionVolumeList, "READ ATTRIBUTE LOGICAL VOLUME LIST"},
	{OpReadAttribute, ActionPartitionList, "READ ATTRIBUTE PARTITION LIST"},
	{OpReadAttribute, ActionSupportedAttributes, "READ ATTRIBUTE SUPPORTED ATTRIBUTES"},
	{OpMaintenanceIn, ActionReportIdentifyingInformation, "REPORT IDENTIFYING INFORMATION"},
	{OpMaintenanceIn, ActionReportTargetPortGroups, "REPORT TARGET PORT GROUPS"},
	{OpMaintenanceIn, ActionReportAliases, "REPORT ALIASES"},
	{OpMaintenanceIn, ActionReportSupportedOperationCodes, "REPORT SUPPORTED OPERATION CODES"},
	{OpMaintenanceIn, ActionReportSupportedTaskManagement, "REPORT SUPPORTED TASK MANAGEMENT FUNCTIONS"},
	{OpMaintenanceIn, ActionReportPriority, "REPORT PRIORITY"},
	{OpMaintenanceIn, ActionReportTimestamp, "REPORT TIMESTAMP"},
	{OpMaintenanceOut, ActionSetIdentifyingInformation, "SET IDENTIFYING INFORMATION"},
	{OpMaintenanceOut, ActionSetTargetPortGroups, "SET TARGET PORT GROUPS"},
	{OpMaintenanceOut, ActionChangeAliases, "CHANGE ALIASES"},
	{OpMaintenanceOut, ActionSetPriority, "SET PRIORITY"},
	{OpMaintenanceOut, ActionSetTimestamp, "SET TIMESTAMP"},
	{OpPersistentReserveIn, ActionReadKeys, "PERSISTENT RESERVE IN READ KEYS"},
	{OpPersistentReserveIn, ActionReadReservation, "PERSISTENT RESERVE IN READ RESERVATION"},
	{OpPersistentReserveIn, ActionReportCapabilities, "PERSISTENT RESERVE IN REPORT CAPABILITIES"},
	{OpPersistentReserveIn, ActionReadFullStatus, "PERSISTENT RESERVE IN READ FULL STATUS"},
	{OpPersistentReserveOut, ActionRegister, "PERSISTENT RESERVE OUT REGISTER"},
	{OpPersistentReserveOut, ActionReserve, "PERSISTENT RESERVE OUT RESERVE"},
	{OpPersistentReserveOut, ActionRelease, "PERSISTENT RESERVE OUT RELEASE"},
	{OpPersistentReserveOut, ActionClear, "PERSISTENT RESERVE OUT CLEAR"},
	{OpPersistentReserveOut, ActionPreempt, "PERSISTENT RESERVE OUT PREEMPT"},
	{OpPersistentReserveOut, ActionPreemptAndAbort, "PERSISTENT RESERVE OUT PREEMPT AND ABORT"},
	{OpPersistentReserveOut, ActionRegisterAndIgnoreExistingKey, "PERSISTENT RESERVE OUT REGISTER AND IGNORE EXISTING KEY"},
	{OpPersistentReserveOut, ActionRegisterAndMove, "PERSISTENT RESERVE OUT REGISTER AND MOVE"},
	{OpPersistentReserveOut, ActionReplaceLostReservation, "PERSISTENT RESERVE OUT REPLACE LOST RESERVATION"},
	{OpVariableLength, ActionRead32, "READ(32)"},
	{OpVariableLength, ActionVerify32, "VERIFY(32)"},
	{OpVariableLength, ActionWrite32, "WRITE(32)"},
	{OpVariableLength, ActionWriteAndVerify32, "WRITE AND VERIFY(32)"},
	{OpVariableLength, ActionWriteSame32, "WRITE SAME(32)"},
	{OpThirdPartyCopyOut, ActionExtendedCopyLID1, "EXTENDED COPY(LID1)"},
	{OpThirdPartyCopyOut, ActionExtendedCopyLID4, "EXTENDED COPY(LID4)"},
	{OpThirdPartyCopyOut, ActionPopulateToken, "POPULATE TOKEN"},
	{OpThirdPartyCopyOut, ActionWriteUsingToken, "WRITE USING TOKEN"},
	{OpThirdPartyCopyOut, ActionCopyAbort, "COPY OPERATION ABORT"},
	{OpThirdPartyCopyIn, ActionReceiveCopyStatusLID1, "RECEIVE COPY STATUS(LID1)"},
	{OpThirdPartyCopyIn, ActionReceiveCopyParameters, "RECEIVE COPY OPERATING PARAMETERS"},
	{OpThirdPartyCopyIn, ActionReceiveRODTokenInfo, "RECEIVE ROD TOKEN INFORMATION"},
	{OpThirdPartyCopyIn, ActionReportAllRODTokens, "REPORT ALL ROD TOKENS"},
}
