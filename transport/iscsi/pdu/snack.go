package pdu

import "fmt"

// SNACKType is what a SNACK asks for (RFC 7143 section 11.16.1).
type SNACKType uint8

// SNACK types.
const (
	SNACKData    SNACKType = 0 // Data-In or R2T PDUs again
	SNACKStatus  SNACKType = 1 // status PDUs again
	SNACKDataACK SNACKType = 2 // acknowledges Data-In
	SNACKRData   SNACKType = 3 // Data-In again, segmented anew
)

// String is the type in the standard's words.
func (t SNACKType) String() string {
	switch t {
	case SNACKData:
		return "Data/R2T SNACK"
	case SNACKStatus:
		return "Status SNACK"
	case SNACKDataACK:
		return "DataACK"
	case SNACKRData:
		return "R-Data SNACK"
	}
	return fmt.Sprintf("SNACK type %d", uint8(t))
}

// SNACK is a SNACK Request PDU (RFC 7143 section 11.16). A target at ErrorRecoveryLevel 0 rejects
// every SNACK without parsing it, and an initiator there has none to send: this is for tests and for
// higher levels.
type SNACK struct {
	Type      SNACKType
	LUN       uint64
	ITT       uint32 // NoTag for status and DataACK
	TTT       uint32 // of the acknowledged Data-In, or the SNACK Tag of an R-Data SNACK
	BegRun    uint32
	RunLength uint32 // 0: all from BegRun on
}

// ParseSNACK reads a SNACK Request. The value is filled even if there is an
// error.
func ParseSNACK(h *BHS) (SNACK, error) {
	x := SNACK{
		Type:      SNACKType(h[1] & 0x0f),
		LUN:       h.LUN(),
		ITT:       h.ITT(),
		TTT:       h.TTT(),
		BegRun:    h.u32(40),
		RunLength: h.u32(44),
	}
	switch {
	case h.Opcode() != OpSNACK:
		return x, h.check(OpSNACK)
	case x.Type > SNACKRData:
		return x, invalid(OpSNACK, "the type is a reserved value")
	case x.Type == SNACKDataACK && x.RunLength != 0:
		return x, invalid(OpSNACK, "a DataACK with a run length")
	}
	return x, nil
}

// Put fills h.
func (x SNACK) Put(h *BHS) {
	h.reset(OpSNACK, false, bitFinal|byte(x.Type&0x0f))
	h.putLUN(x.LUN)
	h.putU32(16, x.ITT)
	h.putU32(20, x.TTT)
	h.putU32(40, x.BegRun)
	h.putU32(44, x.RunLength)
}
