package fip

import "github.com/lunette-io/lunette/network/fc"

// Around an FC frame FCoE puts 14 bytes before it, up to SOF, and 8 behind it, from the CRC on.
const (
	frameHead = 14
	frameTail = fc.CRCLen + 4
)

// MaxSizeOf is the maximum FCoE size (FC-BB-6 "max FCoE size descriptor") of who takes so much payload.
func MaxSizeOf(payload int) uint16 { return uint16(frameHead + fc.HeaderLen + payload + frameTail) }

// PayloadOf is how much payload fits into frames of such a size, which MaxSize or an MTU says: 2112 at most, a multiple of four; below 0
// if there is no room for a header.
func PayloadOf(size int) int {
	return min((size-frameHead-frameTail)&^3-fc.HeaderLen, fc.MaxPayload)
}
