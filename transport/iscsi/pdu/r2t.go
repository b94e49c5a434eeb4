package pdu

// R2T is a Ready To Transfer PDU (RFC 7143 section 11.8). It carries the next
// StatSN without consuming it.
type R2T struct {
	LUN           uint64
	ITT           uint32
	TTT           uint32 // never NoTag
	R2TSN         uint32
	BufferOffset  uint32 // bytes from the start of the command's data-out
	DesiredLength uint32 // bytes: never 0, at most MaxBurstLength
}

// ParseR2T reads a Ready To Transfer. The value is filled even if there is an
// error.
func ParseR2T(h *BHS) (R2T, error) {
	x := R2T{
		LUN:           h.LUN(),
		ITT:           h.ITT(),
		TTT:           h.TTT(),
		R2TSN:         h.u32(36),
		BufferOffset:  h.u32(40),
		DesiredLength: h.u32(44),
	}
	switch {
	case h.Opcode() != OpR2T:
		return x, h.check(OpR2T)
	case x.TTT == NoTag:
		return x, invalid(OpR2T, "the Target Transfer Tag is the reserved value")
	case x.DesiredLength == 0:
		return x, invalid(OpR2T, "the Desired Data Transfer Length is 0")
	case uint64(x.BufferOffset)+uint64(x.DesiredLength) > 1<<32-1:
		return x, invalid(OpR2T, "the data ends beyond 4 GiB")
	case h.DataSegmentLength() > 0:
		return x, violation(OpR2T, "a data segment where none may be")
	}
	return x, nil
}

// Put fills h.
func (x R2T) Put(h *BHS) {
	h.reset(OpR2T, false, bitFinal)
	h.putLUN(x.LUN)
	h.putU32(16, x.ITT)
	h.putU32(20, x.TTT)
	h.putU32(36, x.R2TSN)
	h.putU32(40, x.BufferOffset)
	h.putU32(44, x.DesiredLength)
}
