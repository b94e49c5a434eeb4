package mad

import "github.com/lunette-io/lunette/network/rdma/ib"

// LAPPrivate is the length of a LAP's private data.
const LAPPrivate = 168

// A LAP asks for an alternate path (12.8.1).
type LAP struct {
	LocalID, RemoteID uint32
	QPN               ib.QPN     // of the receiver
	RemoteTimeout     ib.Timeout // until the receiver answers
	Alternate         Route
	Private           []byte
}

// ParseLAP reads a LAP. false: b has not [DataLen] bytes.
func ParseLAP(b []byte) (m LAP, ok bool) {
	if len(b) != DataLen {
		return m, false
	}
	return LAP{
		LocalID: u32(b), RemoteID: u32(b[4:]), QPN: ib.QPN(u24(b[12:])), RemoteTimeout: ib.Timeout(b[15] >> 3),
		Alternate: Route{
			LocalLID: u16(b[20:]), RemoteLID: u16(b[22:]), Local: parseGID(b[24:]), Remote: parseGID(b[40:]),
			FlowLabel: u32(b[56:]) >> 12, TrafficClass: b[59], HopLimit: b[60], Rate: b[61] & 0x3F,
			SL: b[62] >> 4, SubnetLocal: b[62]&8 != 0, Timeout: ib.Timeout(b[63] >> 3),
		},
		Private: b[64:DataLen:DataLen],
	}, true
}

// Append adds m to b: [DataLen] bytes.
func (m *LAP) Append(b []byte) []byte {
	b = zeros(put32(put32(b, m.LocalID), m.RemoteID), 4)
	b = zeros(put24(b, uint32(m.QPN), byte(m.RemoteTimeout)<<3), 4)
	r := &m.Alternate
	b = put16(put16(b, r.LocalLID), r.RemoteLID)
	b = putGID(putGID(b, r.Local), r.Remote)
	b = put32(b, r.FlowLabel<<12|uint32(r.TrafficClass))
	b = append(b, r.HopLimit, r.Rate&0x3F, r.SL<<4|bit(r.SubnetLocal, 8), byte(r.Timeout)<<3)
	return fixed(b, m.Private, LAPPrivate)
}
