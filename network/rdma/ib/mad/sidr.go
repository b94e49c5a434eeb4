package mad

import "github.com/lunette-io/lunette/network/rdma/ib"

// Lengths of what a SIDR_REQ and a SIDR_REP carry.
const (
	SIDRREQPrivate = 216
	SIDRREPInfo    = 72
	SIDRREPPrivate = 136
)

// A SIDRREQ asks for the queue pair of a datagram service (12.11.1).
type SIDRREQ struct {
	RequestID uint32
	PKey      uint16
	ServiceID uint64
	Private   []byte
}

// ParseSIDRREQ reads a SIDR_REQ. false: b has not [DataLen] bytes.
func ParseSIDRREQ(b []byte) (m SIDRREQ, ok bool) {
	if len(b) != DataLen {
		return m, false
	}
	return SIDRREQ{u32(b), u16(b[4:]), u64(b[8:]), b[16:DataLen:DataLen]}, true
}

// Append adds m to b: [DataLen] bytes.
func (m *SIDRREQ) Append(b []byte) []byte {
	b = put64(zeros(put16(put32(b, m.RequestID), m.PKey), 2), m.ServiceID)
	return fixed(b, m.Private, SIDRREQPrivate)
}

// A SIDRStatus is the answer to a SIDR_REQ (12.11.2.1).
type SIDRStatus uint8

// Answers.
const (
	SIDRValid       SIDRStatus = 0
	SIDRNotKnown    SIDRStatus = 1 // the service ID
	SIDRRejected    SIDRStatus = 2
	SIDRNoQP        SIDRStatus = 3
	SIDRRedirect    SIDRStatus = 4
	SIDRUnsupported SIDRStatus = 5
)

// A SIDRREP answers a SIDR_REQ (12.11.2).
type SIDRREP struct {
	RequestID uint32
	Status    SIDRStatus
	InfoLen   uint8
	Vendor    uint32 // 24 bits
	QPN       ib.QPN
	ServiceID uint64
	QKey      uint32
	Info      []byte
	Private   []byte
}

// ParseSIDRREP reads a SIDR_REP. false: b has not [DataLen] bytes.
func ParseSIDRREP(b []byte) (m SIDRREP, ok bool) {
	if len(b) != DataLen {
		return m, false
	}
	return SIDRREP{
		RequestID: u32(b), Status: SIDRStatus(b[4]), InfoLen: b[5], Vendor: uint32(u16(b[6:]))<<8 | uint32(b[11]),
		QPN: ib.QPN(u24(b[8:])), ServiceID: u64(b[12:]), QKey: u32(b[20:]),
		Info: b[24 : 24+SIDRREPInfo : 24+SIDRREPInfo], Private: b[24+SIDRREPInfo : DataLen : DataLen],
	}, true
}

// Append adds m to b: [DataLen] bytes.
func (m *SIDRREP) Append(b []byte) []byte {
	b = put16(append(put32(b, m.RequestID), byte(m.Status), m.InfoLen), uint16(m.Vendor>>8))
	b = put32(put64(put24(b, uint32(m.QPN), byte(m.Vendor)), m.ServiceID), m.QKey)
	return fixed(fixed(b, m.Info, SIDRREPInfo), m.Private, SIDRREPPrivate)
}
