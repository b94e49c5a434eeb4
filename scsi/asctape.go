package scsi

// Additional sense codes of sequential-access devices (SSC-5).
const (
	ASCProgrammableEarlyWarning      ASC = 0x0007
	ASCEraseInProgress               ASC = 0x0018
	ASCNotReadyOperationInProgress   ASC = 0x0407
	ASCAssociatedWriteProtect        ASC = 0x2703
	ASCPersistentWriteProtect        ASC = 0x2704
	ASCIncompatibleMedium            ASC = 0x3000
	ASCUnknownFormat                 ASC = 0x3001
	ASCIncompatibleFormat            ASC = 0x3002
	ASCCleaningCartridge             ASC = 0x3003
	ASCCannotWriteIncompatibleFormat ASC = 0x3005
	ASCCleaningFailure               ASC = 0x3007
	ASCSequentialPositioningError    ASC = 0x3b00
	ASCPositionPastBeginning         ASC = 0x3b0c
)
