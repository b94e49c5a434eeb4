// Package serial is 32-bit serial number arithmetic (RFC 1982), by which iSCSI compares every sequence number.
package serial

// Less reports whether a comes before b. Two numbers exactly 2^31 apart have no
// order (RFC 1982 section 3.2): neither is less than the other.
func Less(a, b uint32) bool {
	d := b - a
	return d != 0 && d < 1<<31
}

// LessEq reports whether a comes before b or is b.
func LessEq(a, b uint32) bool {
	return b-a < 1<<31
}

// InWindow reports whether first <= n <= last. A window whose last is first-1
// is empty, which is how a target closes its command window
// (RFC 7143 section 4.2.2.1).
func InWindow(n, first, last uint32) bool {
	return LessEq(first, n) && LessEq(n, last) && LessEq(first, last)
}

// Max is the later of a and b, and a where they have no order.
func Max(a, b uint32) uint32 {
	if Less(a, b) {
		return b
	}
	return a
}

// Distance is how far b lies after a: negative when b comes before a.
// It is -2^31 when the two have no order.
func Distance(a, b uint32) int32 {
	return int32(b - a)
}
