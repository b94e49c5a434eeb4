package scsi

import "fmt"

// A Protocol is a PROTOCOL IDENTIFIER (SPC-5 7.6.1); four bits.
type Protocol uint8

// Protocol identifiers.
const (
	ProtocolFCP   Protocol = 0x0
	ProtocolSSA   Protocol = 0x2
	ProtocolSBP   Protocol = 0x3
	ProtocolSRP   Protocol = 0x4
	ProtocolISCSI Protocol = 0x5
	ProtocolSAS   Protocol = 0x6
	ProtocolADT   Protocol = 0x7
	ProtocolATA   Protocol = 0x8
	ProtocolUAS   Protocol = 0x9
	ProtocolSOP   Protocol = 0xa
	ProtocolNone  Protocol = 0xf // no specific protocol
)

// String returns the usual name of p.
func (p Protocol) String() string {
	switch p {
	case ProtocolFCP:
		return "FCP"
	case ProtocolSSA:
		return "SSA"
	case ProtocolSBP:
		return "SBP"
	case ProtocolSRP:
		return "SRP"
	case ProtocolISCSI:
		return "iSCSI"
	case ProtocolSAS:
		return "SAS"
	case ProtocolADT:
		return "ADT"
	case ProtocolATA:
		return "ATA"
	case ProtocolUAS:
		return "UAS"
	case ProtocolSOP:
		return "SOP"
	case ProtocolNone:
		return "none"
	}
	return fmt.Sprintf("protocol %#x", uint8(p))
}
