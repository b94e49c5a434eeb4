package iwarp

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// bytesOf is the first n bytes that v takes.
func bytesOf(v *unix.Iovec, n int) []byte { return unsafe.Slice(v.Base, n) }
