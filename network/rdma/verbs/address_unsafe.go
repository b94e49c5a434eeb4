package verbs

import "unsafe"

// addressOf is where memory lies. Adapters keep addresses: it is memory outside the Go heap, or pinned.
func addressOf(mem []byte) uintptr { return uintptr(unsafe.Pointer(unsafe.SliceData(mem))) }

// together is n bytes from where first begins: the caller knows that they are there.
func together(first []byte, n int) []byte { return unsafe.Slice(unsafe.SliceData(first), n) }
