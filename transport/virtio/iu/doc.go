// Package iu has the structures of virtio's SCSI host (virtio 1.3, 5.6): bytes in, values out, and back. One a file.
//
// All numbers are little-endian, but those in a logical unit number and in a CDB. What is reserved is not looked at, and sent as zero. Reading and writing allocates nothing: what a value's slices
// refer to is what it was read from, and errors are fixed.
package iu

import (
	"errors"
	"slices"
)

// Errors of what is read.
var (
	ErrShort = errors.New("virtio: the structure ends before what it has to have")
	ErrSense = errors.New("virtio: more sense data than the structure has room for")
)

// zeros appends n bytes of zero.
func zeros(dst []byte, n int) []byte {
	at := len(dst)
	dst = slices.Grow(dst, n)[:at+n]
	clear(dst[at:])
	return dst
}
