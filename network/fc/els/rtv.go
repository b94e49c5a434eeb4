package els

import (
	"encoding/binary"
	"time"
)

// Lengths of RTV and its LS_ACC.
const (
	RTVLen     = 4
	TimeoutLen = 16
)

// AppendRTV appends an RTV (FC-LS-4 "read time-out value"): it has no fields.
func AppendRTV(dst []byte) []byte { return word(dst, RTV) }

// ParseRTV reads one.
func ParseRTV(b []byte) error { return check(b, RTVLen, RTV) }

// Qualifiers of time-outs.
const (
	timeoutNanoseconds = 1 << 26 // E_D_TOV is in nanoseconds
)

// Timeouts is the LS_ACC of RTV.
type Timeouts struct {
	ResourceAllocation uint32 // R_A_TOV, ms
	ErrorDetect        uint32 // E_D_TOV, ms, or ns if the qualifier says so
	Qualifier          uint32
}

// ParseTimeouts reads it.
func ParseTimeouts(b []byte) (x Timeouts, err error) {
	if err := check(b, TimeoutLen, LSAcc); err != nil {
		return x, err
	}
	return Timeouts{binary.BigEndian.Uint32(b[4:]), binary.BigEndian.Uint32(b[8:]), binary.BigEndian.Uint32(b[12:])}, nil
}

// MakeTimeouts says them in milliseconds.
func MakeTimeouts(resourceAllocation, errorDetect time.Duration) Timeouts {
	return Timeouts{ResourceAllocation: uint32(resourceAllocation.Milliseconds()), ErrorDetect: uint32(errorDetect.Milliseconds())}
}

// Times are the time-outs.
func (x Timeouts) Times() (resourceAllocation, errorDetect time.Duration) {
	unit := time.Millisecond
	if x.Qualifier&timeoutNanoseconds != 0 {
		unit = time.Nanosecond
	}
	return time.Duration(x.ResourceAllocation) * time.Millisecond, time.Duration(x.ErrorDetect) * unit
}

// Append appends the payload.
func (x Timeouts) Append(dst []byte) []byte {
	dst = binary.BigEndian.AppendUint32(word(dst, LSAcc), x.ResourceAllocation)
	dst = binary.BigEndian.AppendUint32(dst, x.ErrorDetect)
	return binary.BigEndian.AppendUint32(dst, x.Qualifier)
}
