package ib

import "encoding/binary"

// Extension headers (9.3). Each is read from the start of b; false: b is too short.

// A DETH is the datagram extended transport header (9.3.2).
type DETH struct {
	QKey   uint32
	Source QPN
}

// QKeyGSI is the Q_Key of QP1 (10.2.4).
const QKeyGSI = 0x80010000

// ParseDETH reads a DETH.
func ParseDETH(b []byte) (h DETH, ok bool) {
	if len(b) < DETHLen {
		return h, false
	}
	return DETH{binary.BigEndian.Uint32(b), QPN(uint24(b[5:]))}, true
}

// Append adds h to b.
func (h *DETH) Append(b []byte) []byte {
	return append24(append(binary.BigEndian.AppendUint32(b, h.QKey), 0), uint32(h.Source))
}

// A RETH is the RDMA extended transport header (9.3.3).
type RETH struct {
	Address uint64 // virtual address
	Key     uint32 // R_Key
	Length  uint32 // of the whole message
}

// ParseRETH reads a RETH.
func ParseRETH(b []byte) (h RETH, ok bool) {
	if len(b) < RETHLen {
		return h, false
	}
	return RETH{binary.BigEndian.Uint64(b), binary.BigEndian.Uint32(b[8:]), binary.BigEndian.Uint32(b[12:])}, true
}

// Append adds h to b.
func (h *RETH) Append(b []byte) []byte {
	b = binary.BigEndian.AppendUint64(b, h.Address)
	b = binary.BigEndian.AppendUint32(b, h.Key)
	return binary.BigEndian.AppendUint32(b, h.Length)
}

// An AETH is the ACK extended transport header (9.3.5).
type AETH struct {
	Syndrome Syndrome
	MSN      MSN // messages that the responder has completed
}

// ParseAETH reads an AETH.
func ParseAETH(b []byte) (h AETH, ok bool) {
	if len(b) < AETHLen {
		return h, false
	}
	return AETH{Syndrome(b[0]), MSN(uint24(b[1:]))}, true
}

// Append adds h to b.
func (h *AETH) Append(b []byte) []byte { return append24(append(b, byte(h.Syndrome)), uint32(h.MSN)) }

// ParseImmediate reads immediate data (9.3.6).
func ParseImmediate(b []byte) (v uint32, ok bool) {
	if len(b) < ImmediateLen {
		return 0, false
	}
	return binary.BigEndian.Uint32(b), true
}

// AppendImmediate adds immediate data to b.
func AppendImmediate(b []byte, v uint32) []byte { return binary.BigEndian.AppendUint32(b, v) }

// ParseIETH reads an invalidate extended transport header (9.3.7): the R_Key that is invalidated.
func ParseIETH(b []byte) (key uint32, ok bool) { return ParseImmediate(b) }

// AppendIETH adds an IETH to b.
func AppendIETH(b []byte, key uint32) []byte { return binary.BigEndian.AppendUint32(b, key) }
