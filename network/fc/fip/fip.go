// Package fip is the frames of the FCoE Initialization Protocol (FC-BB-6, clause 7): bytes in, values out, and back. A frame here begins behind
// the EtherType.
//
// What is reserved is not looked at, and sent as zero. What lies behind the descriptor list is padding, and is not looked at.
package fip

import (
	"errors"
	"fmt"

	"github.com/lunette-io/lunette/network/ethernet"
	"github.com/lunette-io/lunette/network/fc"
)

// EtherType is that of FIP's frames, and FCoEType that of FC frames.
const (
	EtherType ethernet.Type = 0x8914
	FCoEType  ethernet.Type = 0x8906
)

// FC-MAPs: the first three bytes of the addresses of ports; the others are those of their N_Port_ID.
const (
	DefaultMap = 0x0efc00 // of fabrics
	VN2VNMap   = 0x0efd00 // of neighbours
)

// Addresses of groups of stations (FC-BB-6 annex D).
var (
	AllFCoE  = ethernet.MAC{0x01, 0x10, 0x18, 0x01, 0x00, 0x00}
	AllENode = ethernet.MAC{0x01, 0x10, 0x18, 0x01, 0x00, 0x01} // from fabrics
	AllFCF   = ethernet.MAC{0x01, 0x10, 0x18, 0x01, 0x00, 0x02} // to fabrics
	AllVN2VN = ethernet.MAC{0x01, 0x10, 0x18, 0x01, 0x00, 0x04} // among neighbours
)

// PortMAC is the address of a port by FC-MAP and N_Port_ID (FPMA).
func PortMAC(fcMap uint32, id fc.ID) ethernet.MAC {
	return ethernet.MAC{byte(fcMap >> 16), byte(fcMap >> 8), byte(fcMap), byte(id >> 16), byte(id >> 8), byte(id)}
}

// MACID is the N_Port_ID in such an address, and its FC-MAP.
func MACID(m ethernet.MAC) (fcMap uint32, id fc.ID) {
	return uint32(fc.ID24(m[:3])), fc.ID24(m[3:])
}

// ErrMalformed is what all errors of Parse wrap.
var ErrMalformed = errors.New("fip: malformed frame")

func malformed(format string, args ...any) error {
	return fmt.Errorf("%w: "+format, append([]any{ErrMalformed}, args...)...)
}

// A Kind is operation and subcode: what a frame is.
type Kind struct {
	Op  uint16
	Sub uint8
}

// Kinds of frames (FC-BB-6 "FIP operations").
var (
	Solicitation      = Kind{1, 1}
	Advertisement     = Kind{1, 2}
	LinkRequest       = Kind{2, 1} // FLOGI, FDISC, LOGO
	LinkReply         = Kind{2, 2}
	KeepAlive         = Kind{3, 1}
	ClearVirtualLinks = Kind{3, 2}
	VLANRequest       = Kind{4, 1}
	VLANNotification  = Kind{4, 2}
	VN2VNVLANs        = Kind{4, 3}
	ProbeRequest      = Kind{5, 1}
	ProbeReply        = Kind{5, 2}
	ClaimNotification = Kind{5, 3}
	ClaimResponse     = Kind{5, 4}
	Beacon            = Kind{5, 5}
)

// A rule is what a kind of frame is called, and which descriptors it must have.
type rule struct {
	name  string
	needs Set
	macs  int // how many MAC descriptors it may have
	many  Set // which descriptors may be there several times
}

// ruleOf says what holds for a kind.
func ruleOf(k Kind) (rule, bool) {
	neighbour := SetOf(TypeMAC, TypeName, TypeVNPort)
	switch k {
	case Solicitation:
		return rule{"discovery solicitation", SetOf(TypeMAC, TypeName, TypeMaxSize), 1, 0}, true
	case Advertisement:
		return rule{"discovery advertisement", SetOf(TypePriority, TypeMAC, TypeName, TypeFabric, TypeAdvertise), 1, 0}, true
	case LinkRequest:
		return rule{"virtual link instantiation request", 0, 1, 0}, true
	case LinkReply:
		return rule{"virtual link instantiation reply", 0, 2, 0}, true
	case KeepAlive:
		return rule{"keep-alive", SetOf(TypeMAC), 1, 0}, true
	case ClearVirtualLinks:
		return rule{"clear virtual links", SetOf(TypeMAC, TypeName), 1, SetOf(TypeVNPort)}, true
	case VLANRequest:
		return rule{"VLAN request", SetOf(TypeMAC), 1, 0}, true
	case VLANNotification:
		return rule{"VLAN notification", SetOf(TypeMAC), 1, SetOf(TypeVLAN)}, true
	case VN2VNVLANs:
		return rule{"VN2VN VLAN notification", SetOf(TypeMAC), 1, SetOf(TypeVLAN)}, true
	case ProbeRequest:
		return rule{"N_Port_ID probe request", neighbour, 1, 0}, true
	case ProbeReply:
		return rule{"N_Port_ID probe reply", neighbour, 1, 0}, true
	case ClaimNotification:
		return rule{"N_Port_ID claim notification", neighbour | SetOf(TypeFC4, TypeMaxSize), 1, 0}, true
	case ClaimResponse:
		return rule{"N_Port_ID claim response", neighbour | SetOf(TypeFC4, TypeMaxSize), 1, 0}, true
	case Beacon:
		return rule{"N_Port_ID beacon", neighbour, 1, 0}, true
	}
	return rule{}, false
}

// String is the name in the standard.
func (k Kind) String() string {
	if r, ok := ruleOf(k); ok {
		return r.name
	}
	return fmt.Sprintf("operation %04xh/%02xh", k.Op, k.Sub)
}

// Flags are those of a frame.
type Flags uint16

// Flags. Among neighbours (VN2VN) there is none but Recorded.
const (
	FPMA        Flags = 0x8000 // addresses are given by fabrics
	SPMA        Flags = 0x4000 // they are given by servers
	Controlling Flags = 0x0020 // from a controlling FCF
	Forwarder   Flags = 0x0010 // from or to an FDF
	Recorded    Flags = 0x0008 // the address of a probe is one that the port had before
	Available   Flags = 0x0004 // logins are welcome
	Solicited   Flags = 0x0002
	FromFCF     Flags = 0x0001
)
