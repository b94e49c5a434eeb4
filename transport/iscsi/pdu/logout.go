package pdu

import "fmt"

// LogoutReason is what a Logout asks for (RFC 7143 section 11.14.1).
type LogoutReason uint8

// Logout reasons.
const (
	LogoutCloseSession    LogoutReason = 0
	LogoutCloseConnection LogoutReason = 1
	LogoutRecovery        LogoutReason = 2 // remove the connection for recovery
)

// String is the reason in the standard's words.
func (r LogoutReason) String() string {
	switch r {
	case LogoutCloseSession:
		return "close the session"
	case LogoutCloseConnection:
		return "close the connection"
	case LogoutRecovery:
		return "remove the connection for recovery"
	}
	return fmt.Sprintf("reason %d", uint8(r))
}

// LogoutResponseCode answers a Logout (RFC 7143 section 11.15.1).
type LogoutResponseCode uint8

// Answers to a Logout.
const (
	LogoutSuccess       LogoutResponseCode = 0
	LogoutNoCID         LogoutResponseCode = 1
	LogoutNoRecovery    LogoutResponseCode = 2 // connection recovery is not supported
	LogoutCleanupFailed LogoutResponseCode = 3
)

// String is the answer in the standard's words.
func (r LogoutResponseCode) String() string {
	switch r {
	case LogoutSuccess:
		return "closed"
	case LogoutNoCID:
		return "CID not found"
	case LogoutNoRecovery:
		return "connection recovery not supported"
	case LogoutCleanupFailed:
		return "cleanup failed"
	}
	return fmt.Sprintf("response %d", uint8(r))
}

// LogoutRequest is a Logout Request PDU (RFC 7143 section 11.14).
type LogoutRequest struct {
	Immediate bool
	Reason    LogoutReason
	ITT       uint32
	CID       uint16 // meaningless when the session is closed
}

// ParseLogoutRequest reads a Logout Request. The value is filled even if there
// is an error.
func ParseLogoutRequest(h *BHS) (LogoutRequest, error) {
	x := LogoutRequest{
		Immediate: h.Immediate(),
		Reason:    LogoutReason(h[1] & 0x7f),
		ITT:       h.ITT(),
		CID:       h.u16(20),
	}
	switch {
	case h.Opcode() != OpLogoutRequest:
		return x, h.check(OpLogoutRequest)
	case x.ITT == NoTag:
		return x, invalid(OpLogoutRequest, "the Initiator Task Tag is the reserved value")
	case x.Reason > LogoutRecovery:
		return x, invalid(OpLogoutRequest, "the reason is a reserved value")
	}
	return x, nil
}

// Put fills h.
func (x LogoutRequest) Put(h *BHS) {
	h.reset(OpLogoutRequest, x.Immediate, bitFinal|byte(x.Reason&0x7f))
	h.putU32(16, x.ITT)
	h.putU16(20, x.CID)
}

// LogoutResponse is a Logout Response PDU (RFC 7143 section 11.15).
type LogoutResponse struct {
	Response    LogoutResponseCode
	ITT         uint32
	Time2Wait   uint16 // seconds before a new login
	Time2Retain uint16 // seconds after Time2Wait for which tasks are kept
}

// ParseLogoutResponse reads a Logout Response. The value is filled even if
// there is an error.
func ParseLogoutResponse(h *BHS) (LogoutResponse, error) {
	x := LogoutResponse{
		Response:    LogoutResponseCode(h[2]),
		ITT:         h.ITT(),
		Time2Wait:   h.u16(40),
		Time2Retain: h.u16(42),
	}
	switch {
	case h.Opcode() != OpLogoutResponse:
		return x, h.check(OpLogoutResponse)
	case x.Response > LogoutCleanupFailed:
		return x, invalid(OpLogoutResponse, "the response is a reserved value")
	}
	return x, nil
}

// Put fills h.
func (x LogoutResponse) Put(h *BHS) {
	h.reset(OpLogoutResponse, false, bitFinal)
	h[2] = byte(x.Response)
	h.putU32(16, x.ITT)
	h.putU16(40, x.Time2Wait)
	h.putU16(42, x.Time2Retain)
}
