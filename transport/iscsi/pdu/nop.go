package pdu

// NOPOut is a NOP-Out PDU: an initiator's ping, or its answer to one (RFC 7143
// section 11.18). The data segment is ping data.
type NOPOut struct {
	Immediate bool
	LUN       uint64 // copied from the NOP-In when TTT is set
	ITT       uint32 // NoTag: wants no answer
	TTT       uint32 // that of the NOP-In being answered, else NoTag
}

// ParseNOPOut reads a NOP-Out. The value is filled even if there is an error.
func ParseNOPOut(h *BHS) (NOPOut, error) {
	x := NOPOut{Immediate: h.Immediate(), LUN: h.LUN(), ITT: h.ITT(), TTT: h.TTT()}
	switch {
	case h.Opcode() != OpNOPOut:
		return x, h.check(OpNOPOut)
	case x.ITT == NoTag && !x.Immediate:
		return x, violation(OpNOPOut, "neither an Initiator Task Tag nor the I bit")
	}
	return x, nil
}

// Put fills h.
func (x NOPOut) Put(h *BHS) {
	h.reset(OpNOPOut, x.Immediate, bitFinal)
	h.putLUN(x.LUN)
	h.putU32(16, x.ITT)
	h.putU32(20, x.TTT)
}

// NOPIn is a NOP-In PDU: a target's ping, or its answer to one (RFC 7143
// section 11.19). With ITT NoTag it carries the next StatSN without consuming
// it; the data segment is what the initiator sent.
type NOPIn struct {
	LUN uint64 // set when TTT is
	ITT uint32 // that of the NOP-Out being answered, else NoTag
	TTT uint32 // NoTag: wants no answer
}

// ParseNOPIn reads a NOP-In. The value is filled even if there is an error.
func ParseNOPIn(h *BHS) (NOPIn, error) {
	x := NOPIn{LUN: h.LUN(), ITT: h.ITT(), TTT: h.TTT()}
	switch {
	case h.Opcode() != OpNOPIn:
		return x, h.check(OpNOPIn)
	case x.ITT != NoTag && x.TTT != NoTag:
		return x, violation(OpNOPIn, "a ping and an answer at once")
	}
	return x, nil
}

// Put fills h.
func (x NOPIn) Put(h *BHS) {
	h.reset(OpNOPIn, false, bitFinal)
	h.putLUN(x.LUN)
	h.putU32(16, x.ITT)
	h.putU32(20, x.TTT)
}
