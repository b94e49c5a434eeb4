package mad

import "github.com/lunette-io/lunette/network/rdma/ib"

// REPPrivate is the length of a REP's private data.
const REPPrivate = 196

// A REP accepts a connection (12.6.8).
type REP struct {
	LocalID, RemoteID  uint32
	QKey               uint32
	QPN                ib.QPN
	EECN               uint32
	Vendor             uint32 // 24 bits
	PSN                ib.PSN // the first packet that the receiver of the REP sends has it
	ResponderResources uint8
	InitiatorDepth     uint8
	AckDelay           ib.Timeout // how long the sender takes to acknowledge
	Failover           uint8      // whether the alternate path was accepted
	FlowControl        bool
	RNRRetryCount      uint8
	SRQ                bool
	GUID               uint64
	Private            []byte
}

// ParseREP reads a REP. false: b has not [DataLen] bytes.
func ParseREP(b []byte) (m REP, ok bool) {
	if len(b) != DataLen {
		return m, false
	}
	return REP{
		LocalID: u32(b), RemoteID: u32(b[4:]), QKey: u32(b[8:]), QPN: ib.QPN(u24(b[12:])), EECN: u24(b[16:]),
		Vendor: uint32(b[15])<<16 | uint32(b[19])<<8 | uint32(b[23]), PSN: ib.PSN(u24(b[20:])),
		ResponderResources: b[24], InitiatorDepth: b[25],
		AckDelay: ib.Timeout(b[26] >> 3), Failover: b[26] >> 1 & 3, FlowControl: b[26]&1 != 0,
		RNRRetryCount: b[27] >> 5, SRQ: b[27]&16 != 0,
		GUID: u64(b[28:]), Private: b[36:DataLen:DataLen],
	}, true
}

// Append adds m to b: [DataLen] bytes.
func (m *REP) Append(b []byte) []byte {
	b = put32(put32(put32(b, m.LocalID), m.RemoteID), m.QKey)
	b = put24(b, uint32(m.QPN), byte(m.Vendor>>16))
	b = put24(b, m.EECN, byte(m.Vendor>>8))
	b = put24(b, uint32(m.PSN), byte(m.Vendor))
	b = append(b, m.ResponderResources, m.InitiatorDepth,
		byte(m.AckDelay)<<3|m.Failover&3<<1|bit(m.FlowControl, 1), m.RNRRetryCount<<5|bit(m.SRQ, 16))
	return fixed(put64(b, m.GUID), m.Private, REPPrivate)
}
