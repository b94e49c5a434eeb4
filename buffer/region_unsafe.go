package buffer

import "unsafe"

// regionOffset is where in its region a segment starts. The address is the only
// thing that a truncated segment still knows of its place.
func regionOffset(s Segment) int64 {
	return int64(uintptr(unsafe.Pointer(unsafe.SliceData(s.Mem))) - uintptr(unsafe.Pointer(unsafe.SliceData(s.Region.Mem))))
}
