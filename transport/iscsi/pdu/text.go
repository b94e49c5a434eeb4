package pdu

// TextRequest is a Text Request PDU (RFC 7143 section 11.10). The data segment
// is key=value pairs.
type TextRequest struct {
	Immediate bool
	Final     bool
	Continue  bool // the text goes on in the next request
	LUN       uint64
	ITT       uint32
	TTT       uint32 // that of the response being continued, else NoTag
}

// ParseTextRequest reads a Text Request. The value is filled even if there is
// an error.
func ParseTextRequest(h *BHS) (TextRequest, error) {
	x := TextRequest{
		Immediate: h.Immediate(),
		Final:     h.Final(),
		Continue:  h[1]&bitContinue != 0,
		LUN:       h.LUN(),
		ITT:       h.ITT(),
		TTT:       h.TTT(),
	}
	switch {
	case h.Opcode() != OpTextRequest:
		return x, h.check(OpTextRequest)
	case x.Final && x.Continue:
		return x, violation(OpTextRequest, "F and C are both 1")
	case x.ITT == NoTag:
		return x, invalid(OpTextRequest, "the Initiator Task Tag is the reserved value")
	}
	return x, nil
}

// Put fills h.
func (x TextRequest) Put(h *BHS) {
	h.reset(OpTextRequest, x.Immediate, flag(x.Final, bitFinal)|flag(x.Continue, bitContinue))
	h.putLUN(x.LUN)
	h.putU32(16, x.ITT)
	h.putU32(20, x.TTT)
}

// TextResponse is a Text Response PDU (RFC 7143 section 11.11).
type TextResponse struct {
	Final    bool
	Continue bool // the text goes on in the next response
	LUN      uint64
	ITT      uint32
	TTT      uint32 // NoTag with Final, and never without
}

// ParseTextResponse reads a Text Response. The value is filled even if there is
// an error.
func ParseTextResponse(h *BHS) (TextResponse, error) {
	x := TextResponse{
		Final:    h.Final(),
		Continue: h[1]&bitContinue != 0,
		LUN:      h.LUN(),
		ITT:      h.ITT(),
		TTT:      h.TTT(),
	}
	switch {
	case h.Opcode() != OpTextResponse:
		return x, h.check(OpTextResponse)
	case x.Final && x.Continue:
		return x, violation(OpTextResponse, "F and C are both 1")
	case x.Final != (x.TTT == NoTag):
		return x, violation(OpTextResponse, "F and the Target Transfer Tag contradict each other")
	}
	return x, nil
}

// Put fills h.
func (x TextResponse) Put(h *BHS) {
	h.reset(OpTextResponse, false, flag(x.Final, bitFinal)|flag(x.Continue, bitContinue))
	h.putLUN(x.LUN)
	h.putU32(16, x.ITT)
	h.putU32(20, x.TTT)
}
