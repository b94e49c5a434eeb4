package scsi

import "fmt"

// An Opcode is the first byte of a CDB (SPC-5 4.2.5.2).
type Opcode uint8

// Operation codes of the primary, block and neighbouring command sets (SPC-5
// annex F.3). Where device types share a number, the block or primary name is used.
const (
	OpTestUnitReady        Opcode = 0x00
	OpRequestSense         Opcode = 0x03
	OpFormatUnit           Opcode = 0x04
	OpReassignBlocks       Opcode = 0x07
	OpRead6                Opcode = 0x08
	OpWrite6               Opcode = 0x0a
	OpInquiry              Opcode = 0x12
	OpModeSelect6          Opcode = 0x15
	OpReserve6             Opcode = 0x16
	OpRelease6             Opcode = 0x17
	OpModeSense6           Opcode = 0x1a
	OpStartStopUnit        Opcode = 0x1b
	OpReceiveDiagnostic    Opcode = 0x1c
	OpSendDiagnostic       Opcode = 0x1d
	OpPreventAllowRemoval  Opcode = 0x1e
	OpReadCapacity10       Opcode = 0x25
	OpRead10               Opcode = 0x28
	OpWrite10              Opcode = 0x2a
	OpWriteAndVerify10     Opcode = 0x2e
	OpVerify10             Opcode = 0x2f
	OpPreFetch10           Opcode = 0x34
	OpSynchronizeCache10   Opcode = 0x35
	OpReadDefectData10     Opcode = 0x37
	OpWriteBuffer          Opcode = 0x3b
	OpReadBuffer           Opcode = 0x3c
	OpWriteSame10          Opcode = 0x41
	OpUnmap                Opcode = 0x42
	OpSanitize             Opcode = 0x48
	OpLogSelect            Opcode = 0x4c
	OpLogSense             Opcode = 0x4d
	OpModeSelect10         Opcode = 0x55
	OpReserve10            Opcode = 0x56
	OpRelease10            Opcode = 0x57
	OpModeSense10          Opcode = 0x5a
	OpPersistentReserveIn  Opcode = 0x5e
	OpPersistentReserveOut Opcode = 0x5f
	OpVariableLength       Opcode = 0x7f
	OpThirdPartyCopyOut    Opcode = 0x83
	OpThirdPartyCopyIn     Opcode = 0x84
	OpATAPassThrough16     Opcode = 0x85
	OpRead16               Opcode = 0x88
	OpCompareAndWrite      Opcode = 0x89
	OpWrite16              Opcode = 0x8a
	OpORWrite16            Opcode = 0x8b
	OpReadAttribute        Opcode = 0x8c
	OpWriteAttribute       Opcode = 0x8d
	OpWriteAndVerify16     Opcode = 0x8e
	OpVerify16             Opcode = 0x8f
	OpPreFetch16           Opcode = 0x90
	OpSynchronizeCache16   Opcode = 0x91
	OpWriteSame16          Opcode = 0x93
	OpWriteAtomic16        Opcode = 0x9c
	OpServiceActionIn16    Opcode = 0x9e
	OpServiceActionOut16   Opcode = 0x9f
	OpReportLUNs           Opcode = 0xa0
	OpSecurityProtocolIn   Opcode = 0xa2
	OpMaintenanceIn        Opcode = 0xa3
	OpMaintenanceOut       Opcode = 0xa4
	OpMoveMedium           Opcode = 0xa5
	OpExchangeMedium       Opcode = 0xa6
	OpRead12               Opcode = 0xa8
	OpWrite12              Opcode = 0xaa
	OpWriteAndVerify12     Opcode = 0xae
	OpVerify12             Opcode = 0xaf
	OpSecurityProtocolOut  Opcode = 0xb5
	OpSendVolumeTag        Opcode = 0xb6
	OpReadDefectData12     Opcode = 0xb7
	OpReadElementStatus    Opcode = 0xb8
)

// Operation codes of sequential-access devices (SSC-5). Some numbers are those of other commands above: their names here are the
// others', since names go by number alone.
const (
	OpRewind              Opcode = 0x01
	OpFormatMedium        Opcode = 0x04
	OpReadBlockLimits     Opcode = 0x05
	OpSetCapacity         Opcode = 0x0b
	OpReadReverse6        Opcode = 0x0f
	OpWriteFilemarks6     Opcode = 0x10
	OpSpace6              Opcode = 0x11
	OpVerify6             Opcode = 0x13
	OpRecoverBufferedData Opcode = 0x14
	OpErase6              Opcode = 0x19
	OpLoadUnload          Opcode = 0x1b
	OpLocate10            Opcode = 0x2b
	OpReadPosition        Opcode = 0x34

	OpReportDensitySupport Opcode = 0x44
	OpAllowOverwrite       Opcode = 0x82
	OpSpace16              Opcode = 0x91
	OpLocate16             Opcode = 0x92
)

// String returns the standard's name of o, or its number when it has none here.
func (o Opcode) String() string {
	if name := opcodeNames[o]; name != "" {
		return name
	}
	return fmt.Sprintf("operation code %02xh", uint8(o))
}

var opcodeNames = [256]string{
	OpTestUnitReady:        "TEST UNIT READY",
	OpRewind:               "REWIND",
	OpReadBlockLimits:      "READ BLOCK LIMITS",
	OpSetCapacity:          "SET CAPACITY",
	OpReadReverse6:         "READ REVERSE(6)",
	OpWriteFilemarks6:      "WRITE FILEMARKS(6)",
	OpSpace6:               "SPACE(6)",
	OpVerify6:              "VERIFY(6)",
	OpRecoverBufferedData:  "RECOVER BUFFERED DATA",
	OpErase6:               "ERASE(6)",
	OpLocate10:             "LOCATE(10)",
	OpAllowOverwrite:       "ALLOW OVERWRITE",
	OpLocate16:             "LOCATE(16)",
	OpRequestSense:         "REQUEST SENSE",
	OpFormatUnit:           "FORMAT UNIT",
	OpReassignBlocks:       "REASSIGN BLOCKS",
	OpRead6:                "READ(6)",
	OpWrite6:               "WRITE(6)",
	OpInquiry:              "INQUIRY",
	OpModeSelect6:          "MODE SELECT(6)",
	OpReserve6:             "RESERVE(6)",
	OpRelease6:             "RELEASE(6)",
	OpModeSense6:           "MODE SENSE(6)",
	OpStartStopUnit:        "START STOP UNIT",
	OpReceiveDiagnostic:    "RECEIVE DIAGNOSTIC RESULTS",
	OpSendDiagnostic:       "SEND DIAGNOSTIC",
	OpPreventAllowRemoval:  "PREVENT ALLOW MEDIUM REMOVAL",
	OpReadCapacity10:       "READ CAPACITY(10)",
	OpRead10:               "READ(10)",
	OpWrite10:              "WRITE(10)",
	OpWriteAndVerify10:     "WRITE AND VERIFY(10)",
	OpVerify10:             "VERIFY(10)",
	OpPreFetch10:           "PRE-FETCH(10)",
	OpSynchronizeCache10:   "SYNCHRONIZE CACHE(10)",
	OpReadDefectData10:     "READ DEFECT DATA(10)",
	OpWriteBuffer:          "WRITE BUFFER",
	OpReadBuffer:           "READ BUFFER(10)",
	OpWriteSame10:          "WRITE SAME(10)",
	OpUnmap:                "UNMAP",
	OpSanitize:             "SANITIZE",
	OpLogSelect:            "LOG SELECT",
	OpReportDensitySupport: "REPORT DENSITY SUPPORT",
	OpLogSense:             "LOG SENSE",
	OpModeSelect10:         "MODE SELECT(10)",
	OpReserve10:            "RESERVE(10)",
	OpRelease10:            "RELEASE(10)",
	OpModeSense10:          "MODE SENSE(10)",
	OpPersistentReserveIn:  "PERSISTENT RESERVE IN",
	OpPersistentReserveOut: "PERSISTENT RESERVE OUT",
	OpVariableLength:       "VARIABLE LENGTH CDB",
	OpThirdPartyCopyOut:    "THIRD-PARTY COPY OUT",
	OpThirdPartyCopyIn:     "THIRD-PARTY COPY IN",
	OpATAPassThrough16:     "ATA PASS-THROUGH(16)",
	OpRead16:               "READ(16)",
	OpCompareAndWrite:      "COMPARE AND WRITE",
	OpWrite16:              "WRITE(16)",
	OpORWrite16:            "ORWRITE(16)",
	OpReadAttribute:        "READ ATTRIBUTE",
	OpWriteAttribute:       "WRITE ATTRIBUTE",
	OpWriteAndVerify16:     "WRITE AND VERIFY(16)",
	OpVerify16:             "VERIFY(16)",
	OpPreFetch16:           "PRE-FETCH(16)",
	OpSynchronizeCache16:   "SYNCHRONIZE CACHE(16)",
	OpWriteSame16:          "WRITE SAME(16)",
	OpWriteAtomic16:        "WRITE ATOMIC(16)",
	OpServiceActionIn16:    "SERVICE ACTION IN(16)",
	OpServiceActionOut16:   "SERVICE ACTION OUT(16)",
	OpReportLUNs:           "REPORT LUNS",
	OpSecurityProtocolIn:   "SECURITY PROTOCOL IN",
	OpMaintenanceIn:        "MAINTENANCE IN",
	OpMaintenanceOut:       "MAINTENANCE OUT",
	OpMoveMedium:           "MOVE MEDIUM",
	OpExchangeMedium:       "EXCHANGE MEDIUM",
	OpRead12:               "READ(12)",
	OpWrite12:              "WRITE(12)",
	OpWriteAndVerify12:     "WRITE AND VERIFY(12)",
	OpVerify12:             "VERIFY(12)",
	OpSecurityProtocolOut:  "SECURITY PROTOCOL OUT",
	OpSendVolumeTag:        "SEND VOLUME TAG",
	OpReadDefectData12:     "READ DEFECT DATA(12)",
	OpReadElementStatus:    "READ ELEMENT STATUS",
	OpReadFormatCapacities: "READ FORMAT CAPACITIES",
	OpReadTOC:              "READ TOC/PMA/ATIP",
	OpGetConfiguration:     "GET CONFIGURATION",
	OpGetEventStatus:       "GET EVENT STATUS NOTIFICATION",
	OpReadDiscInformation:  "READ DISC INFORMATION",
	OpReadTrackInformation: "READ TRACK INFORMATION",
	OpReserveTrack:         "RESERVE TRACK",
	OpSendOPCInformation:   "SEND OPC INFORMATION",
	OpRepairTrack:          "REPAIR TRACK",
	OpCloseTrackSession:    "CLOSE TRACK/SESSION",
	OpReadBufferCapacity:   "READ BUFFER CAPACITY",
	OpSendCueSheet:         "SEND CUE SHEET",
	OpBlank:                "BLANK",
	OpSetReadAhead:         "SET READ AHEAD",
	OpServiceActionIn12:    "SERVICE ACTION IN(12)",
	OpGetPerformance:       "GET PERFORMANCE",
	OpReadDiscStructure:    "READ DISC STRUCTURE",
	OpReadCDMSF:            "READ CD MSF",
	OpSetCDSpeed:           "SET CD SPEED",
	OpMechanismStatus:      "MECHANISM STATUS",
	OpReadCD:               "READ CD",
	OpSendDiscStructure:    "SEND DISC STRUCTURE",
}
