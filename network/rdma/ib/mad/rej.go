package mad

import "fmt"

// Lengths of a REJ's additional information and private data.
const (
	REJInfo    = 72
	REJPrivate = 148
)

// A Reason says why a connection was rejected (12.6.7.2).
type Reason uint16

// Reasons.
const (
	NoQP                  Reason = 1
	NoEEC                 Reason = 2
	NoResources           Reason = 3
	TimedOut              Reason = 4
	UnsupportedRequest    Reason = 5
	InvalidCommID         Reason = 6
	InvalidCommInstance   Reason = 7
	InvalidServiceID      Reason = 8
	InvalidTransport      Reason = 9
	StaleConnection       Reason = 10
	NoRDC                 Reason = 11
	InvalidGID            Reason = 12
	InvalidLID            Reason = 13
	InvalidSL             Reason = 14
	InvalidTrafficClass   Reason = 15
	InvalidHopLimit       Reason = 16
	InvalidPacketRate     Reason = 17
	InvalidAltGID         Reason = 18
	InvalidAltLID         Reason = 19
	InvalidAltSL          Reason = 20
	InvalidAltClass       Reason = 21
	InvalidAltHopLimit    Reason = 22
	InvalidAltRate        Reason = 23
	PortRedirect          Reason = 24 // port and CM redirection
	PortRedirection       Reason = 25
	InvalidMTU            Reason = 26
	InsufficientResources Reason = 27 // responder resources
	ConsumerReject        Reason = 28 // the private data say more
	InvalidRNRRetryCount  Reason = 29
	DuplicateCommID       Reason = 30
	InvalidClassVersion   Reason = 31
	InvalidFlowLabel      Reason = 32
	InvalidAltFlowLabel   Reason = 33
	VendorRejected        Reason = 35
)

// reasons are words for those that are seen in practice.
var reasons = map[Reason]string{
	NoQP: "no queue pair available", NoResources: "no resources available", TimedOut: "time-out", UnsupportedRequest: "unsupported request",
	InvalidCommID: "invalid communication ID", InvalidServiceID: "nobody listens on that port (invalid service ID)", InvalidTransport: "invalid transport service type",
	StaleConnection: "stale connection", InvalidGID: "primary remote GID rejected", PortRedirect: "port and CM redirection", PortRedirection: "port redirection",
	InvalidMTU: "invalid path MTU", InsufficientResources: "insufficient responder resources", ConsumerReject: "rejected by the application",
	InvalidRNRRetryCount: "RNR retry count rejected", DuplicateCommID: "duplicate local communication ID", InvalidClassVersion: "invalid class version",
	VendorRejected: "vendor options not supported",
}

// String is the reason in words.
func (r Reason) String() string {
	if s, ok := reasons[r]; ok {
		return s
	}
	return fmt.Sprintf("reason %d", uint16(r))
}

// A REJ refuses a connection, or ends one that is not established (12.6.7).
type REJ struct {
	LocalID, RemoteID uint32 // LocalID is 0 if there is none
	Subject           Subject
	InfoLen           uint8 // how many bytes of Info count; 7 bits
	Reason            Reason
	Info              []byte // additional reject information
	Private           []byte
}

// ParseREJ reads a REJ. false: b has not [DataLen] bytes.
func ParseREJ(b []byte) (m REJ, ok bool) {
	if len(b) != DataLen {
		return m, false
	}
	return REJ{
		LocalID: u32(b), RemoteID: u32(b[4:]), Subject: Subject(b[8] >> 6), InfoLen: b[9] >> 1, Reason: Reason(u16(b[10:])),
		Info: b[12 : 12+REJInfo : 12+REJInfo], Private: b[12+REJInfo : DataLen : DataLen],
	}, true
}

// Append adds m to b: [DataLen] bytes.
func (m *REJ) Append(b []byte) []byte {
	b = append(put32(put32(b, m.LocalID), m.RemoteID), byte(m.Subject)<<6, m.InfoLen<<1)
	return fixed(fixed(put16(b, uint16(m.Reason)), m.Info, REJInfo), m.Private, REJPrivate)
}
