// Package pdu is the wire elements of iSCSI: the header of every PDU, additional headers, digests and padding (RFC 7143 section 11, RFC 7144).
//
// A received header is parsed where it lies: convert the 48 bytes with
// (*BHS)(buf) and call the Parse function of its opcode, which returns the
// fields by value. In the other direction Put fills a header and zeroes
// everything it does not define. What belongs to no single PDU is not in the
// structs but set on the header after Put: SetDataSegmentLength,
// SetTotalAHSLength and the numbers of the session (SetCmdSN, SetExpStatSN,
// SetNumbers, SetDataSN). All integers on the wire are big-endian, except digests.
package pdu

import "encoding/binary"

// HeaderLen is the length of a basic header segment in bytes.
const HeaderLen = 48

// NoTag is the reserved value of an Initiator or Target Task Tag.
const NoTag = 0xffffffff

// MaxDataSegment is the largest value of a DataSegmentLength, in bytes.
const MaxDataSegment = 1<<24 - 1

// Bits of byte 0 and byte 1 that several PDUs share.
const (
	bitImmediate = 0x40
	bitFinal     = 0x80
	bitContinue  = 0x40
)

// BHS is a basic header segment as it lies on the wire (RFC 7143 section 11.2.1).
type BHS [HeaderLen]byte

// Opcode is the kind of the PDU.
func (h *BHS) Opcode() Opcode { return Opcode(h[0] & 0x3f) }

// Immediate reports the I bit: the request is delivered at once and its CmdSN
// is not consumed. Only requests have it.
func (h *BHS) Immediate() bool { return h[0]&bitImmediate != 0 }

// Final reports the F bit (T in login PDUs).
func (h *BHS) Final() bool { return h[1]&bitFinal != 0 }

// TotalAHSLength is the length of all additional headers in bytes, padding
// included: 0 to 1020.
func (h *BHS) TotalAHSLength() int { return int(h[4]) * 4 }

// SetTotalAHSLength sets the length of all additional headers in bytes: a
// multiple of 4, at most 1020.
func (h *BHS) SetTotalAHSLength(n int) { h[4] = byte(n / 4) }

// DataSegmentLength is the length of the data segment in bytes, without padding.
func (h *BHS) DataSegmentLength() int {
	return int(h[5])<<16 | int(h[6])<<8 | int(h[7])
}

// SetDataSegmentLength sets the length of the data segment in bytes, without
// padding: at most MaxDataSegment.
func (h *BHS) SetDataSegmentLength(n int) {
	h[5], h[6], h[7] = byte(n>>16), byte(n>>8), byte(n)
}

// LUN is the logical unit number field, first byte highest. Login PDUs have
// ISID and TSIH in its place.
func (h *BHS) LUN() uint64 { return binary.BigEndian.Uint64(h[8:16]) }

// ITT is the Initiator Task Tag.
func (h *BHS) ITT() uint32 { return binary.BigEndian.Uint32(h[16:20]) }

// TTT is the Target Transfer Tag of the PDUs that have one (Data-Out, Data-In,
// R2T, Text, NOP, SNACK), and other things elsewhere.
func (h *BHS) TTT() uint32 { return binary.BigEndian.Uint32(h[20:24]) }

// CmdSN is the command sequence number of a request. Data-Out and SNACK have none.
func (h *BHS) CmdSN() uint32 { return binary.BigEndian.Uint32(h[24:28]) }

// SetCmdSN sets the command sequence number of a request.
func (h *BHS) SetCmdSN(n uint32) { binary.BigEndian.PutUint32(h[24:28], n) }

// ExpStatSN is the acknowledgement in every initiator PDU: all statuses before
// it have arrived.
func (h *BHS) ExpStatSN() uint32 { return binary.BigEndian.Uint32(h[28:32]) }

// SetExpStatSN sets the acknowledgement of an initiator PDU.
func (h *BHS) SetExpStatSN(n uint32) { binary.BigEndian.PutUint32(h[28:32], n) }

// StatSN is the status sequence number of a target PDU.
func (h *BHS) StatSN() uint32 { return binary.BigEndian.Uint32(h[24:28]) }

// ExpCmdSN is the next command number a target expects.
func (h *BHS) ExpCmdSN() uint32 { return binary.BigEndian.Uint32(h[28:32]) }

// MaxCmdSN is the last command number a target accepts.
func (h *BHS) MaxCmdSN() uint32 { return binary.BigEndian.Uint32(h[32:36]) }

// SetNumbers stamps a target PDU with its three sequence numbers (RFC 7143
// section 4.2.2). A Data-In without status carries no StatSN: pass 0.
func (h *BHS) SetNumbers(statSN, expCmdSN, maxCmdSN uint32) {
	binary.BigEndian.PutUint32(h[24:28], statSN)
	binary.BigEndian.PutUint32(h[28:32], expCmdSN)
	binary.BigEndian.PutUint32(h[32:36], maxCmdSN)
}

// DataSN is the number that counts the PDUs of one task and direction: DataSN of a Data-In or
// Data-Out, R2TSN of an R2T. A SCSI Response has ExpDataSN there, their count.
func (h *BHS) DataSN() uint32 { return h.u32(36) }

// SetDataSN sets that number.
func (h *BHS) SetDataSN(n uint32) { h.putU32(36, n) }

// reset starts a header: everything zero but the opcode, the I bit and byte 1.
func (h *BHS) reset(op Opcode, immediate bool, flags byte) {
	*h = BHS{}
	h[0] = byte(op)
	if immediate {
		h[0] |= bitImmediate
	}
	h[1] = flags
}

func (h *BHS) u16(at int) uint16       { return binary.BigEndian.Uint16(h[at : at+2]) }
func (h *BHS) u32(at int) uint32       { return binary.BigEndian.Uint32(h[at : at+4]) }
func (h *BHS) putU16(at int, v uint16) { binary.BigEndian.PutUint16(h[at:at+2], v) }
func (h *BHS) putU32(at int, v uint32) { binary.BigEndian.PutUint32(h[at:at+4], v) }
func (h *BHS) putLUN(v uint64)         { binary.BigEndian.PutUint64(h[8:16], v) }

// flag is bit when on.
func flag(on bool, bit byte) byte {
	if on {
		return bit
	}
	return 0
}
