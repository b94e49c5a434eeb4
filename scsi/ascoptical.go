package scsi

// Additional sense codes of optical drives (MMC-6 annex F).
const (
	ASCLongWriteInProgress       ASC = 0x0408
	ASCLossOfStreaming           ASC = 0x0c09
	ASCUncorrectableECC          ASC = 0x1105 // of a CD: the L-EC
	ASCCIRCUnrecovered           ASC = 0x1106
	ASCInvalidAddressForWrite    ASC = 0x2102
	ASCFormatLayerMayHaveChanged ASC = 0x2802
	ASCCannotFormatMedium        ASC = 0x3006
	ASCMediumNotFormatted        ASC = 0x3010
	ASCMediumFormatCorrupted     ASC = 0x3100
	ASCFormatFailed              ASC = 0x3101
	ASCMediumNotPresentLoadable  ASC = 0x3a03
	ASCEraseFailure              ASC = 0x5100
	ASCUnableToRecoverTOC        ASC = 0x5700
	ASCOperatorRequest           ASC = 0x5a00
	ASCOperatorMediumRemoval     ASC = 0x5a01
	ASCEndOfUserArea             ASC = 0x6300
	ASCIllegalModeForTrack       ASC = 0x6400
	ASCInvalidPacketSize         ASC = 0x6401
	ASCKeyAuthenticationFailure  ASC = 0x6f00
	ASCKeyNotPresent             ASC = 0x6f01
	ASCKeyNotEstablished         ASC = 0x6f02
	ASCScrambledWithoutKey       ASC = 0x6f03
	ASCSessionFixationError      ASC = 0x7200
	ASCCDControlError            ASC = 0x7300
)
