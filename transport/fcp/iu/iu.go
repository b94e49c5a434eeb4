// Package iu is the information units of the Fibre Channel Protocol for SCSI (FCP-4, T10 1828-D): bytes in, values out, and
// back.
//
// All numbers are big-endian. What is reserved is not looked at, and sent as zero. Reading and writing allocates nothing: what a value's
// slices refer to is the payload that it was read from, and errors are fixed.
package iu

import "errors"

// Errors of what is read.
var (
	ErrShort = errors.New("fcp: the information unit ends before what it has to have")
	ErrInfo  = errors.New("fcp: response information of a length that there is not")
)

// zeros appends n bytes of zero.
func zeros(dst []byte, n int) []byte {
	for range n {
		dst = append(dst, 0)
	}
	return dst
}

// bit is v if on.
func bit(on bool, v byte) byte {
	if on {
		return v
	}
	return 0
}
