package scsi

// Operation codes of optical drives (MMC-6 6). Some are other commands elsewhere; A3h and A4h are SEND KEY and REPORT KEY as MAINTENANCE IN
// and OUT, whose service actions lie in bits that are reserved in those.
const (
	OpReadFormatCapacities Opcode = 0x23
	OpSeek10               Opcode = 0x2b
	OpReadSubChannel       Opcode = 0x42
	OpReadTOC              Opcode = 0x43 // READ TOC/PMA/ATIP
	OpGetConfiguration     Opcode = 0x46
	OpGetEventStatus       Opcode = 0x4a // GET EVENT STATUS NOTIFICATION
	OpReadDiscInformation  Opcode = 0x51
	OpReadTrackInformation Opcode = 0x52
	OpReserveTrack         Opcode = 0x53
	OpSendOPCInformation   Opcode = 0x54
	OpRepairTrack          Opcode = 0x58
	OpCloseTrackSession    Opcode = 0x5b
	OpReadBufferCapacity   Opcode = 0x5c
	OpSendCueSheet         Opcode = 0x5d
	OpBlank                Opcode = 0xa1
	OpSendKey              Opcode = 0xa3
	OpReportKey            Opcode = 0xa4
	OpLoadUnloadMedium     Opcode = 0xa6
	OpSetReadAhead         Opcode = 0xa7
	OpServiceActionIn12    Opcode = 0xab
	OpGetPerformance       Opcode = 0xac
	OpReadDiscStructure    Opcode = 0xad
	OpSetStreaming         Opcode = 0xb6
	OpReadCDMSF            Opcode = 0xb9
	OpSetCDSpeed           Opcode = 0xbb
	OpMechanismStatus      Opcode = 0xbd
	OpReadCD               Opcode = 0xbe
	OpSendDiscStructure    Opcode = 0xbf
)
