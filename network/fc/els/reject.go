package els

import "fmt"

// RejectLen is the length of an LS_RJT.
const RejectLen = 8

// A Reason is why a request is refused (FC-LS-4 "LS_RJT reason codes").
type Reason uint8

// Reasons.
const (
	ReasonInvalid     Reason = 0x01 // invalid LS_Command code
	ReasonLogical     Reason = 0x03
	ReasonBusy        Reason = 0x05
	ReasonProtocol    Reason = 0x07
	ReasonUnable      Reason = 0x09 // unable to perform the request
	ReasonUnsupported Reason = 0x0b // command not supported
	ReasonInProgress  Reason = 0x0e // command already in progress
	ReasonFIP         Reason = 0x20
	ReasonVendor      Reason = 0xff
)

var reasons = map[Reason]string{
	ReasonInvalid: "invalid command code", ReasonLogical: "logical error", ReasonBusy: "logical busy", ReasonProtocol: "protocol error",
	ReasonUnable: "unable to perform the request", ReasonUnsupported: "command not supported", ReasonInProgress: "command already in progress",
	ReasonFIP: "FIP error", ReasonVendor: "vendor specific error",
}

// String is the reason in words.
func (r Reason) String() string {
	if s := reasons[r]; s != "" {
		return s
	}
	return fmt.Sprintf("reason %02xh", uint8(r))
}

// An Explanation says more about a Reason (FC-LS-4 "LS_RJT reason code explanations").
type Explanation uint8

// Explanations.
const (
	ExplanationNone         Explanation = 0x00
	ExplanationOptions      Explanation = 0x01 // service parameter error: options
	ExplanationInitiator    Explanation = 0x03 // service parameter error: initiator control
	ExplanationRecipient    Explanation = 0x05 // service parameter error: recipient control
	ExplanationSize         Explanation = 0x07 // service parameter error: receive data field size
	ExplanationConcurrent   Explanation = 0x09 // service parameter error: concurrent sequences
	ExplanationPortName     Explanation = 0x0d // invalid N_Port_Name or F_Port_Name
	ExplanationNodeName     Explanation = 0x0e // invalid Node_Name or Fabric_Name
	ExplanationCommon       Explanation = 0x0f // invalid common service parameters
	ExplanationS            Explanation = 0x15 // invalid originator S_ID
	ExplanationExchange     Explanation = 0x17 // invalid OX_ID-RX_ID combination
	ExplanationInProgress   Explanation = 0x19 // command already in progress
	ExplanationLogin        Explanation = 0x1e // N_Port login required
	ExplanationID           Explanation = 0x1f // invalid N_Port_ID
	ExplanationResources    Explanation = 0x29 // insufficient resources to support login
	ExplanationData         Explanation = 0x2a // unable to supply requested data
	ExplanationNotSupported Explanation = 0x2c // request not supported
	ExplanationLength       Explanation = 0x2d // invalid payload length
	ExplanationNoNeighbour  Explanation = 0x62 // FIP: not a neighbour
)

var explanations = map[Explanation]string{
	ExplanationNone: "no additional explanation", ExplanationOptions: "service parameter error: options",
	ExplanationInitiator: "service parameter error: initiator control", ExplanationRecipient: "service parameter error: recipient control",
	ExplanationSize: "service parameter error: receive data field size", ExplanationConcurrent: "service parameter error: concurrent sequences",
	ExplanationPortName: "invalid port name", ExplanationNodeName: "invalid node or fabric name", ExplanationCommon: "invalid common service parameters",
	ExplanationS: "invalid originator S_ID", ExplanationExchange: "invalid OX_ID and RX_ID", ExplanationInProgress: "command already in progress",
	ExplanationLogin: "N_Port login required", ExplanationID: "invalid N_Port_ID", ExplanationResources: "insufficient resources to support login",
	ExplanationData: "unable to supply requested data", ExplanationNotSupported: "request not supported", ExplanationLength: "invalid payload length",
	ExplanationNoNeighbour: "not a neighbour",
}

// String is the explanation in words.
func (e Explanation) String() string {
	if s := explanations[e]; s != "" {
		return s
	}
	return fmt.Sprintf("explanation %02xh", uint8(e))
}

// A Reject is an LS_RJT (FC-LS-4 "LS_RJT"). As an error it is what another port has refused.
type Reject struct {
	Reason      Reason
	Explanation Explanation
	Vendor      uint8
}

// Error says what was refused, and why.
func (x Reject) Error() string {
	if x.Explanation == ExplanationNone {
		return "rejected: " + x.Reason.String()
	}
	return fmt.Sprintf("rejected: %v, %v", x.Reason, x.Explanation)
}

// ParseReject reads an LS_RJT.
func ParseReject(b []byte) (x Reject, err error) {
	if err := check(b, RejectLen, LSRjt); err != nil {
		return x, err
	}
	return Reject{Reason(b[5]), Explanation(b[6]), b[7]}, nil
}

// Append appends the payload.
func (x Reject) Append(dst []byte) []byte {
	return append(word(dst, LSRjt), 0, byte(x.Reason), byte(x.Explanation), x.Vendor)
}
