package scsi

import "errors"

// SenseOf returns the Sense in err's chain. Any other error is a fault of our
// own and becomes INTERNAL TARGET FAILURE; nil becomes the zero Sense.
func SenseOf(err error) Sense {
	var s Sense
	switch {
	case err == nil:
		return Sense{}
	case errors.As(err, &s):
		return s
	}
	return InternalTargetFailure()
}

// NewSense returns current sense data with nothing but key and code.
func NewSense(key SenseKey, asc ASC) Sense { return Sense{Key: key, ASC: asc} }

// UnitAttention returns the sense of a unit attention condition (SAM-5 5.14).
func UnitAttention(asc ASC) Sense { return Sense{Key: KeyUnitAttention, ASC: asc} }

// IllegalRequest returns an ILLEGAL REQUEST without a field pointer.
func IllegalRequest(asc ASC) Sense { return Sense{Key: KeyIllegalRequest, ASC: asc} }

// NotReady returns a NOT READY with the reason asc.
func NotReady(asc ASC) Sense { return Sense{Key: KeyNotReady, ASC: asc} }

// AbortedCommand returns an ABORTED COMMAND with the reason asc.
func AbortedCommand(asc ASC) Sense { return Sense{Key: KeyAbortedCommand, ASC: asc} }

// DataProtect returns a DATA PROTECT with the reason asc.
func DataProtect(asc ASC) Sense { return Sense{Key: KeyDataProtect, ASC: asc} }

// InvalidOpcode says that the operation code is not supported.
func InvalidOpcode() Sense { return IllegalRequest(ASCInvalidOpcode).at(true, 0, -1) }

// InvalidFieldInCDB points at the byte of a CDB that is wrong, and at the
// leftmost wrong bit of it (7 to 0) unless bit is negative.
func InvalidFieldInCDB(byteOffset, bit int) Sense {
	return IllegalRequest(ASCInvalidFieldInCDB).at(true, byteOffset, bit)
}

// InvalidFieldInParameterList points at the byte of the parameter list that is
// wrong, and at the leftmost wrong bit of it (7 to 0) unless bit is negative.
func InvalidFieldInParameterList(byteOffset, bit int) Sense {
	return IllegalRequest(ASCInvalidFieldInParameterList).at(false, byteOffset, bit)
}

// ParameterListLengthError says that the parameter list is truncated or too long.
func ParameterListLengthError() Sense { return IllegalRequest(ASCParameterListLengthError) }

// LBAOutOfRange says that the command reaches past the last logical block.
func LBAOutOfRange() Sense { return IllegalRequest(ASCLBAOutOfRange) }

// LogicalUnitNotSupported says that there is no logical unit at the LUN.
func LogicalUnitNotSupported() Sense { return IllegalRequest(ASCLogicalUnitNotSupported) }

// UnrecoveredReadError is the MEDIUM ERROR of a read that failed at lba.
func UnrecoveredReadError(lba uint64) Sense {
	return NewSense(KeyMediumError, ASCUnrecoveredReadError).WithInfo(lba)
}

// WriteError is the MEDIUM ERROR of a write that failed at lba.
func WriteError(lba uint64) Sense {
	return NewSense(KeyMediumError, ASCWriteError).WithInfo(lba)
}

// InternalTargetFailure is the HARDWARE ERROR for faults of our own.
func InternalTargetFailure() Sense { return NewSense(KeyHardwareError, ASCInternalTargetFailure) }

// WriteProtected says that the logical unit cannot be written.
func WriteProtected() Sense { return DataProtect(ASCWriteProtected) }

// SpaceAllocationFailed says that a thin provisioned store is full (SBC-4 4.7.3.6).
func SpaceAllocationFailed() Sense { return DataProtect(ASCSpaceAllocationFailed) }

// Miscompare says that VERIFY or COMPARE AND WRITE found a difference; offset is
// the first differing byte of the data-out buffer.
func Miscompare(offset uint64) Sense {
	return NewSense(KeyMiscompare, ASCMiscompareDuringVerify).WithInfo(offset)
}

// at returns s with a field pointer. A byte past the 16-bit field points at nothing.
func (s Sense) at(inCDB bool, byteOffset, bit int) Sense {
	if byteOffset < 0 || byteOffset > 0xffff {
		return s
	}
	s.Field = FieldPointer{Valid: true, InCDB: inCDB, Byte: uint16(byteOffset)}
	if bit >= 0 && bit <= 7 {
		s.Field.BitValid, s.Field.Bit = true, uint8(bit)
	}
	return s
}
