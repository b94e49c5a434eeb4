package ct

import "fmt"

// A Reason is why a request is refused (FC-GS-7 "reject CT_IU reason codes").
type Reason uint8

// Reasons.
const (
	ReasonInvalid     Reason = 0x01 // invalid command code
	ReasonVersion     Reason = 0x02
	ReasonLogical     Reason = 0x03
	ReasonSize        Reason = 0x04 // invalid size of the unit
	ReasonBusy        Reason = 0x05
	ReasonProtocol    Reason = 0x07
	ReasonUnable      Reason = 0x09
	ReasonUnsupported Reason = 0x0b
	ReasonUnavailable Reason = 0x0d // the server is not available
	ReasonVendor      Reason = 0xff
)

// String is the reason in words.
func (r Reason) String() string {
	switch r {
	case ReasonInvalid:
		return "invalid command code"
	case ReasonVersion:
		return "invalid version level"
	case ReasonLogical:
		return "logical error"
	case ReasonSize:
		return "invalid size"
	case ReasonBusy:
		return "logical busy"
	case ReasonProtocol:
		return "protocol error"
	case ReasonUnable:
		return "unable to perform the request"
	case ReasonUnsupported:
		return "command not supported"
	case ReasonUnavailable:
		return "server not available"
	case ReasonVendor:
		return "vendor specific error"
	}
	return fmt.Sprintf("reason %02xh", uint8(r))
}

// An Explanation says more about a Reason, for the name server.
type Explanation uint8

// Explanations.
const (
	ExplanationNone         Explanation = 0x00
	ExplanationID           Explanation = 0x01 // the port identifier is not registered
	ExplanationPortName     Explanation = 0x02
	ExplanationNodeName     Explanation = 0x03
	ExplanationClass        Explanation = 0x04
	ExplanationTypes        Explanation = 0x07 // FC-4 types are not registered
	ExplanationPortSymbol   Explanation = 0x08
	ExplanationNodeSymbol   Explanation = 0x09
	ExplanationPortType     Explanation = 0x0a
	ExplanationDenied       Explanation = 0x10 // access denied
	ExplanationUnacceptable Explanation = 0x11 // the port identifier is not acceptable
	ExplanationEmpty        Explanation = 0x12 // there is nothing at all
	ExplanationScope        Explanation = 0x13 // there is nothing in the scope that was asked for
)

// String is the explanation in words.
func (e Explanation) String() string {
	switch e {
	case ExplanationNone:
		return "no additional explanation"
	case ExplanationID:
		return "port identifier not registered"
	case ExplanationPortName:
		return "port name not registered"
	case ExplanationNodeName:
		return "node name not registered"
	case ExplanationClass:
		return "class of service not registered"
	case ExplanationTypes:
		return "FC-4 types not registered"
	case ExplanationPortSymbol:
		return "symbolic port name not registered"
	case ExplanationNodeSymbol:
		return "symbolic node name not registered"
	case ExplanationPortType:
		return "port type not registered"
	case ExplanationDenied:
		return "access denied"
	case ExplanationUnacceptable:
		return "unacceptable port identifier"
	case ExplanationEmpty:
		return "data base empty"
	case ExplanationScope:
		return "no object registered in the scope"
	}
	return fmt.Sprintf("explanation %02xh", uint8(e))
}

// A Reject is what a header of an answer says that refuses.
type Reject struct {
	Reason      Reason
	Explanation Explanation
	Vendor      uint8
}

// Error says what was refused, and why.
func (x Reject) Error() string {
	if x.Explanation == ExplanationNone {
		return "name server: rejected: " + x.Reason.String()
	}
	return fmt.Sprintf("name server: rejected: %v, %v", x.Reason, x.Explanation)
}
