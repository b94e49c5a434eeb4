package frontend

import "unsafe"

// addressOf is where b is in this process. It is only said to others, and compared: nothing is reached by it. What it is asked of here is mapped, and does not move.
func addressOf(b []byte) uint64 { return uint64(uintptr(unsafe.Pointer(unsafe.SliceData(b)))) }
