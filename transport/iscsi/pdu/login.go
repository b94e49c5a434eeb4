package pdu

import "fmt"

// Stage is a stage of the login phase (RFC 7143 section 11.12.3).
type Stage uint8

// Login stages.
const (
	StageSecurity    Stage = 0
	StageOperational Stage = 1
	StageFullFeature Stage = 3
)

// String is the stage in the standard's words.
func (s Stage) String() string {
	switch s {
	case StageSecurity:
		return "security negotiation"
	case StageOperational:
		return "operational negotiation"
	case StageFullFeature:
		return "full feature phase"
	}
	return fmt.Sprintf("stage %d", uint8(s))
}

// Version is the only version of the protocol (RFC 7143 section 11.12.4).
const Version = 0

// ISID is the initiator's part of a session identifier (RFC 7143 section 11.12.5).
type ISID [6]byte

// String is the ISID in hexadecimal.
func (i ISID) String() string { return fmt.Sprintf("%x", i[:]) }

// LoginStatus is Status-Class (high byte) and Status-Detail of a Login Response
// (RFC 7143 section 11.13.5).
type LoginStatus uint16

// Login statuses.
const (
	LoginSuccess            LoginStatus = 0x0000
	LoginMovedTemporarily   LoginStatus = 0x0101
	LoginMovedPermanently   LoginStatus = 0x0102
	LoginInitiatorError     LoginStatus = 0x0200
	LoginAuthenticationFail LoginStatus = 0x0201
	LoginAuthorizationFail  LoginStatus = 0x0202
	LoginNotFound           LoginStatus = 0x0203
	LoginTargetRemoved      LoginStatus = 0x0204
	LoginUnsupportedVersion LoginStatus = 0x0205
	LoginTooManyConnections LoginStatus = 0x0206
	LoginMissingParameter   LoginStatus = 0x0207
	LoginCannotInclude      LoginStatus = 0x0208 // the target cannot include the connection in the session
	LoginSessionType        LoginStatus = 0x0209 // session type not supported
	LoginNoSession          LoginStatus = 0x020a
	LoginInvalidDuringLogin LoginStatus = 0x020b
	LoginTargetError        LoginStatus = 0x0300
	LoginServiceUnavailable LoginStatus = 0x0301
	LoginOutOfResources     LoginStatus = 0x0302
)

// loginClassRedirect is the Status-Class of the statuses that send the initiator elsewhere.
const loginClassRedirect = 1

// Redirects reports whether the status sends the initiator elsewhere.
func (s LoginStatus) Redirects() bool { return s>>8 == loginClassRedirect }

// String is the status in the standard's words.
func (s LoginStatus) String() string {
	switch s {
	case LoginSuccess:
		return "success"
	case LoginMovedTemporarily:
		return "target moved temporarily"
	case LoginMovedPermanently:
		return "target moved permanently"
	case LoginInitiatorError:
		return "initiator error"
	case LoginAuthenticationFail:
		return "authentication failure"
	case LoginAuthorizationFail:
		return "authorization failure"
	case LoginNotFound:
		return "target not found"
	case LoginTargetRemoved:
		return "target removed"
	case LoginUnsupportedVersion:
		return "unsupported version"
	case LoginTooManyConnections:
		return "too many connections"
	case LoginMissingParameter:
		return "missing parameter"
	case LoginCannotInclude:
		return "cannot include the connection in the session"
	case LoginSessionType:
		return "session type not supported"
	case LoginNoSession:
		return "session does not exist"
	case LoginInvalidDuringLogin:
		return "invalid request during login"
	case LoginTargetError:
		return "target error"
	case LoginServiceUnavailable:
		return "service unavailable"
	case LoginOutOfResources:
		return "out of resources"
	}
	return fmt.Sprintf("login status 0x%04x", uint16(s))
}

// loginStages is byte 1 of both login PDUs.
func loginStages(transit, cont bool, csg, nsg Stage) byte {
	return flag(transit, bitFinal) | flag(cont, bitContinue) | byte(csg&3)<<2 | byte(nsg&3)
}

// badStages says what is wrong with byte 1 of a login PDU, or "".
func badStages(transit, cont bool, csg, nsg Stage) string {
	switch {
	case transit && cont:
		return "T and C are both 1"
	case csg == 2 || csg == StageFullFeature:
		return "the current stage is not one of login"
	case transit && (nsg == 2 || nsg <= csg):
		return "the next stage is not after the current one"
	}
	return ""
}

// LoginRequest is a Login Request PDU (RFC 7143 section 11.12). Faults in it
// are answered by a Login Response, not by a Reject. The data segment is
// key=value pairs.
type LoginRequest struct {
	Transit    bool
	Continue   bool // the text goes on in the next request
	CSG        Stage
	NSG        Stage // meaningful with Transit
	VersionMax uint8
	VersionMin uint8
	ISID       ISID
	TSIH       uint16 // 0: a new session
	ITT        uint32
	CID        uint16
}

// ParseLoginRequest reads a Login Request. The value is filled even if there is
// an error.
func ParseLoginRequest(h *BHS) (LoginRequest, error) {
	x := LoginRequest{
		Transit:    h.Final(),
		Continue:   h[1]&bitContinue != 0,
		CSG:        Stage(h[1] >> 2 & 3),
		NSG:        Stage(h[1] & 3),
		VersionMax: h[2],
		VersionMin: h[3],
		ISID:       ISID(h[8:14]),
		TSIH:       h.u16(14),
		ITT:        h.ITT(),
		CID:        h.u16(20),
	}
	if h.Opcode() != OpLoginRequest {
		return x, h.check(OpLoginRequest)
	}
	if s := badStages(x.Transit, x.Continue, x.CSG, x.NSG); s != "" {
		return x, violation(OpLoginRequest, s)
	}
	if h.TotalAHSLength() > 0 {
		return x, violation(OpLoginRequest, "additional headers where none may be")
	}
	return x, nil
}

// Put fills h. A Login Request is always immediate.
func (x LoginRequest) Put(h *BHS) {
	h.reset(OpLoginRequest, true, loginStages(x.Transit, x.Continue, x.CSG, x.NSG))
	h[2], h[3] = x.VersionMax, x.VersionMin
	copy(h[8:14], x.ISID[:])
	h.putU16(14, x.TSIH)
	h.putU32(16, x.ITT)
	h.putU16(20, x.CID)
}

// LoginResponse is a Login Response PDU (RFC 7143 section 11.13). The data
// segment is key=value pairs.
type LoginResponse struct {
	Transit       bool
	Continue      bool // the text goes on in the next response
	CSG           Stage
	NSG           Stage // meaningful with Transit
	VersionMax    uint8
	VersionActive uint8
	ISID          ISID
	TSIH          uint16
	ITT           uint32
	Status        LoginStatus // if not LoginSuccess, the rest means little
}

// ParseLoginResponse reads a Login Response. The value is filled even if there
// is an error.
func ParseLoginResponse(h *BHS) (LoginResponse, error) {
	x := LoginResponse{
		Transit:       h.Final(),
		Continue:      h[1]&bitContinue != 0,
		CSG:           Stage(h[1] >> 2 & 3),
		NSG:           Stage(h[1] & 3),
		VersionMax:    h[2],
		VersionActive: h[3],
		ISID:          ISID(h[8:14]),
		TSIH:          h.u16(14),
		ITT:           h.ITT(),
		Status:        LoginStatus(h.u16(36)),
	}
	if h.Opcode() != OpLoginResponse {
		return x, h.check(OpLoginResponse)
	}
	if x.Status == LoginSuccess {
		if s := badStages(x.Transit, x.Continue, x.CSG, x.NSG); s != "" {
			return x, violation(OpLoginResponse, s)
		}
	}
	return x, nil
}

// Put fills h.
func (x LoginResponse) Put(h *BHS) {
	h.reset(OpLoginResponse, false, loginStages(x.Transit, x.Continue, x.CSG, x.NSG))
	h[2], h[3] = x.VersionMax, x.VersionActive
	copy(h[8:14], x.ISID[:])
	h.putU16(14, x.TSIH)
	h.putU32(16, x.ITT)
	h.putU16(36, uint16(x.Status))
}
