package pdu

import "fmt"

// TaskAttribute is the ATTR field of a SCSI Command (RFC 7143 section 11.3.1).
type TaskAttribute uint8

// Task attributes.
const (
	AttrUntagged    TaskAttribute = 0
	AttrSimple      TaskAttribute = 1
	AttrOrdered     TaskAttribute = 2
	AttrHeadOfQueue TaskAttribute = 3
	AttrACA         TaskAttribute = 4
)

// String is the attribute in SAM's words.
func (a TaskAttribute) String() string {
	switch a {
	case AttrUntagged:
		return "untagged"
	case AttrSimple:
		return "simple"
	case AttrOrdered:
		return "ordered"
	case AttrHeadOfQueue:
		return "head of queue"
	case AttrACA:
		return "ACA"
	}
	return fmt.Sprintf("attribute %d", uint8(a))
}

// SCSICommand is a SCSI Command PDU (RFC 7143 section 11.3).
type SCSICommand struct {
	Immediate bool
	Final     bool // no unsolicited Data-Out follows
	Read      bool // data-in is expected
	Write     bool // data-out is expected
	Attr      TaskAttribute
	Priority  uint8 // command priority 0 to 15; meaningful at iSCSIProtocolLevel 2 (RFC 7144 section 4.1)
	LUN       uint64
	ITT       uint32
	// ExpectedDataLength is the Expected Data Transfer Length in bytes: of the
	// data-out if Write, else of the data-in. A bidirectional command has its
	// data-in length in an additional header.
	ExpectedDataLength uint32
	CDB                [16]byte // the first 16 bytes; the rest is in an additional header
}

const (
	cmdRead  = 0x40
	cmdWrite = 0x20
)

// ParseSCSICommand reads a SCSI Command. The value is filled even if there is
// an error.
func ParseSCSICommand(h *BHS) (SCSICommand, error) {
	x := SCSICommand{
		Immediate:          h.Immediate(),
		Final:              h.Final(),
		Read:               h[1]&cmdRead != 0,
		Write:              h[1]&cmdWrite != 0,
		Attr:               TaskAttribute(h[1] & 0x07),
		Priority:           h[2] >> 4,
		LUN:                h.LUN(),
		ITT:                h.ITT(),
		ExpectedDataLength: h.u32(20),
		CDB:                [16]byte(h[32:48]),
	}
	switch {
	case h.Opcode() != OpSCSICommand:
		return x, h.check(OpSCSICommand)
	case x.ITT == NoTag:
		return x, invalid(OpSCSICommand, "the Initiator Task Tag is the reserved value")
	case !x.Final && !x.Write:
		return x, violation(OpSCSICommand, "F and W are both 0")
	case x.Attr > AttrACA:
		return x, invalid(OpSCSICommand, "the task attribute is a reserved value")
	case h.DataSegmentLength() > 0 && !x.Write:
		return x, violation(OpSCSICommand, "immediate data without W")
	}
	return x, nil
}

// Put fills h.
func (x SCSICommand) Put(h *BHS) {
	h.reset(OpSCSICommand, x.Immediate, flag(x.Final, bitFinal)|flag(x.Read, cmdRead)|flag(x.Write, cmdWrite)|byte(x.Attr&7))
	h[2] = x.Priority << 4
	h.putLUN(x.LUN)
	h.putU32(16, x.ITT)
	h.putU32(20, x.ExpectedDataLength)
	copy(h[32:48], x.CDB[:])
}

// CDB is the CDB field of a SCSI Command where it lies.
func (h *BHS) CDB() []byte { return h[32:48:48] }
