package scsi

// Operation codes of medium changers (SMC-3) that mean something else for other device types.
const (
	OpInitializeElementStatus          Opcode = 0x07
	OpImportExportElement              Opcode = 0x1b // OPEN/CLOSE IMPORT/EXPORT ELEMENT
	OpPositionToElement                Opcode = 0x2b
	OpInitializeElementStatusWithRange Opcode = 0x37
	OpRequestVolumeElementAddress      Opcode = 0xb5
	// OpInitializeElementStatusVendor is what makers have for 37h.
	OpInitializeElementStatusVendor Opcode = 0xe7
)
