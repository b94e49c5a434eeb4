package mad

import "github.com/lunette-io/lunette/network/rdma/ib"

// DREQPrivate is the length of a DREQ's private data.
const DREQPrivate = 220

// A DREQ ends a connection (12.6.10).
type DREQ struct {
	LocalID, RemoteID uint32
	QPN               ib.QPN // of the receiver
	Private           []byte
}

// ParseDREQ reads a DREQ. false: b has not [DataLen] bytes.
func ParseDREQ(b []byte) (m DREQ, ok bool) {
	if len(b) != DataLen {
		return m, false
	}
	return DREQ{u32(b), u32(b[4:]), ib.QPN(u24(b[8:])), b[12:DataLen:DataLen]}, true
}

// Append adds m to b: [DataLen] bytes.
func (m *DREQ) Append(b []byte) []byte {
	return fixed(put24(put32(put32(b, m.LocalID), m.RemoteID), uint32(m.QPN), 0), m.Private, DREQPrivate)
}
