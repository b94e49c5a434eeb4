// Package nontemporal copies past the processor's caches, to memory that is not looked at soon: a unit's, as a rule, which no cache holds.
//
// An ordinary copy fetches each line of the destination before it writes it, and puts out lines that are of more use. What is written past the caches does neither: where the
// destination is in no cache such a copy takes a third to a half of the time; where it is in one, up to twice the time. From 1 MiB on Go's own copy does the same, at least as fast.
package nontemporal

import "unsafe"

const (
	line  = 64   // bytes of the caches, and of what is gathered to be written at once
	least = 4096 // bytes: what is shorter gains little, and loses more if it is in a cache
)

// Copy copies min(len(dst), len(src)) bytes, as copy does, and returns how many those were. dst and src do not overlap. What it has written is seen by other processors no later
// than what the caller writes next.
func Copy(dst, src []byte) int {
	n := min(len(dst), len(src))
	if !possible || n < least {
		return copy(dst, src[:n])
	}
	head := int(-uintptr(unsafe.Pointer(&dst[0])) % line)
	copy(dst, src[:head])
	end := head + (n-head)/line*line
	lines(&dst[head], &src[head], end-head)
	copy(dst[end:], src[end:n])
	return n
}
