package ib

import "encoding/binary"

// A BTH is the base transport header (9.2): 12 bytes. Reserved bits are not kept, and are zero in what is made.
type BTH struct {
	Opcode     Opcode
	Solicited  bool
	Migrated   bool
	Pad        uint8 // bytes of padding behind the payload: 0 to 3
	Version    uint8 // of the transport header: 0
	PKey       uint16
	FECN, BECN bool
	Dest       QPN
	AckReq     bool
	PSN        PSN
}

// DefaultPKey is the partition key of the default partition, of a full member: the only one that RoCE peers need to have.
const DefaultPKey = 0xFFFF

// ParseBTH reads a BTH, which is at the start of b. false: b is too short.
func ParseBTH(b []byte) (h BTH, ok bool) {
	if len(b) < BTHLen {
		return h, false
	}
	f := b[1]
	return BTH{
		Opcode: Opcode(b[0]), Solicited: f&0x80 != 0, Migrated: f&0x40 != 0, Pad: f >> 4 & 3, Version: f & 15,
		PKey: binary.BigEndian.Uint16(b[2:]),
		FECN: b[4]&0x80 != 0, BECN: b[4]&0x40 != 0, Dest: QPN(uint24(b[5:])),
		AckReq: b[8]&0x80 != 0, PSN: PSN(uint24(b[9:])),
	}, true
}

// Append adds h to b.
func (h *BTH) Append(b []byte) []byte {
	f := h.Pad&3<<4 | h.Version&15
	if h.Solicited {
		f |= 0x80
	}
	if h.Migrated {
		f |= 0x40
	}
	b = append(b, byte(h.Opcode), f, byte(h.PKey>>8), byte(h.PKey))
	b = append24(append(b, bit(h.FECN, 0x80)|bit(h.BECN, 0x40)), uint32(h.Dest))
	return append24(append(b, bit(h.AckReq, 0x80)), uint32(h.PSN))
}

// SetPad puts the number of bytes of padding into the BTH at the start of b.
func SetPad(b []byte, pad int) { b[1] = b[1]&^0x30 | byte(pad&3)<<4 }

// Padding is how many bytes of padding follow n bytes of payload.
func Padding(n int) int { return -n & 3 }

func bit(set bool, b byte) byte {
	if set {
		return b
	}
	return 0
}

func uint24(b []byte) uint32 { return uint32(b[0])<<16 | uint32(b[1])<<8 | uint32(b[2]) }

func append24(b []byte, v uint32) []byte { return append(b, byte(v>>16), byte(v>>8), byte(v)) }
