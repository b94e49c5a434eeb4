package pdu

import "fmt"

// ServiceResponse is the Response field of a SCSI Response (RFC 7143 section 11.4.3).
type ServiceResponse uint8

// Service responses.
const (
	CommandCompleted ServiceResponse = 0
	TargetFailure    ServiceResponse = 1
)

// String is the response in the standard's words.
func (r ServiceResponse) String() string {
	switch r {
	case CommandCompleted:
		return "command completed at target"
	case TargetFailure:
		return "target failure"
	}
	return fmt.Sprintf("response 0x%02x", uint8(r))
}

// Residual bits, at the same place in SCSI Response and Data-In.
const (
	bitOverflow      = 0x04
	bitUnderflow     = 0x02
	bitBidiOverflow  = 0x10
	bitBidiUnderflow = 0x08
)

// SCSIResponse is a SCSI Response PDU (RFC 7143 section 11.4). Its data segment
// is SenseLength (2 bytes), that much sense, and response data.
type SCSIResponse struct {
	Response        ServiceResponse
	Status          uint8  // SCSI status; meaningful with CommandCompleted
	StatusQualifier uint16 // at iSCSIProtocolLevel 2 (RFC 7144 section 4.2)
	ITT             uint32
	SNACKTag        uint32 // of the last R-Data SNACK for the command, else 0
	ExpDataSN       uint32 // how many Data-In PDUs the target sent for the command
	Overflow        bool
	Underflow       bool
	Residual        uint32 // bytes, with Overflow or Underflow
	BidiOverflow    bool   // of the data-in of a bidirectional command
	BidiUnderflow   bool
	BidiResidual    uint32
}

// ParseSCSIResponse reads a SCSI Response. The value is filled even if there is
// an error.
func ParseSCSIResponse(h *BHS) (SCSIResponse, error) {
	x := SCSIResponse{
		Response:        ServiceResponse(h[2]),
		Status:          h[3],
		StatusQualifier: h.u16(8),
		ITT:             h.ITT(),
		SNACKTag:        h.u32(20),
		ExpDataSN:       h.u32(36),
		Overflow:        h[1]&bitOverflow != 0,
		Underflow:       h[1]&bitUnderflow != 0,
		BidiOverflow:    h[1]&bitBidiOverflow != 0,
		BidiUnderflow:   h[1]&bitBidiUnderflow != 0,
		BidiResidual:    h.u32(40),
		Residual:        h.u32(44),
	}
	switch {
	case h.Opcode() != OpSCSIResponse:
		return x, h.check(OpSCSIResponse)
	case x.Overflow && x.Underflow || x.BidiOverflow && x.BidiUnderflow:
		return x, violation(OpSCSIResponse, "residual overflow and underflow at once")
	}
	return x, nil
}

// Put fills h.
func (x SCSIResponse) Put(h *BHS) {
	h.reset(OpSCSIResponse, false, bitFinal|flag(x.Overflow, bitOverflow)|flag(x.Underflow, bitUnderflow)|
		flag(x.BidiOverflow, bitBidiOverflow)|flag(x.BidiUnderflow, bitBidiUnderflow))
	h[2] = byte(x.Response)
	h[3] = x.Status
	h.putU16(8, x.StatusQualifier)
	h.putU32(16, x.ITT)
	h.putU32(20, x.SNACKTag)
	h.putU32(36, x.ExpDataSN)
	h.putU32(40, x.BidiResidual)
	h.putU32(44, x.Residual)
}
