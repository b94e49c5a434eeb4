package mad

import "github.com/lunette-io/lunette/network/rdma/ib"

// A Service is the transport service of a connection (12.7.11).
type Service uint8

// Services.
const (
	ReliableConnection Service = 0
	UnreliableService  Service = 1
	ReliableDatagram   Service = 2
	ExtendedService    Service = 3
)

// REQPrivate is the length of a REQ's private data.
const REQPrivate = 92

// A REQ asks for a connection (12.6.5).
type REQ struct {
	LocalID               uint32 // communication ID of the sender
	Vendor                uint32 // 24 bits
	ServiceID             uint64
	GUID                  uint64 // of the sender's channel adapter
	QKey                  uint32
	QPN                   ib.QPN // of the sender
	ResponderResources    uint8  // RDMA Reads that the sender serves
	InitiatorDepth        uint8  // RDMA Reads that it wants to have outstanding
	LocalEECN, RemoteEECN uint32
	RemoteTimeout         ib.Timeout // until the receiver answers
	Service               Service
	FlowControl           bool   // end to end
	PSN                   ib.PSN // the first packet that the receiver of the REQ sends has it
	LocalTimeout          ib.Timeout
	RetryCount            uint8
	PKey                  uint16
	MTU                   ib.MTU
	RDC                   bool
	RNRRetryCount         uint8
	MaxCMRetries          uint8
	SRQ                   bool
	Extended              uint8 // extended transport type
	Primary, Alternate    Route
	Private               []byte
}

// ParseREQ reads a REQ. false: b has not [DataLen] bytes.
func ParseREQ(b []byte) (m REQ, ok bool) {
	if len(b) != DataLen {
		return m, false
	}
	return REQ{
		LocalID: u32(b), Vendor: u32(b[4:]) & 0xFFFFFF, ServiceID: u64(b[8:]), GUID: u64(b[16:]),
		QKey: u32(b[28:]), QPN: ib.QPN(u24(b[32:])), ResponderResources: b[35],
		LocalEECN: u24(b[36:]), InitiatorDepth: b[39],
		RemoteEECN: u24(b[40:]), RemoteTimeout: ib.Timeout(b[43] >> 3), Service: Service(b[43] >> 1 & 3), FlowControl: b[43]&1 != 0,
		PSN: ib.PSN(u24(b[44:])), LocalTimeout: ib.Timeout(b[47] >> 3), RetryCount: b[47] & 7,
		PKey: u16(b[48:]), MTU: ib.MTU(b[50] >> 4), RDC: b[50]&8 != 0, RNRRetryCount: b[50] & 7,
		MaxCMRetries: b[51] >> 4, SRQ: b[51]&8 != 0, Extended: b[51] & 7,
		Primary: parseRoute(b[52:]), Alternate: parseRoute(b[96:]),
		Private: b[140:DataLen:DataLen],
	}, true
}

// Append adds m to b: [DataLen] bytes.
func (m *REQ) Append(b []byte) []byte {
	b = put32(put32(b, m.LocalID), m.Vendor&0xFFFFFF)
	b = put64(put64(b, m.ServiceID), m.GUID)
	b = put32(zeros(b, 4), m.QKey)
	b = put24(b, uint32(m.QPN), m.ResponderResources)
	b = put24(b, m.LocalEECN, m.InitiatorDepth)
	b = put24(b, m.RemoteEECN, byte(m.RemoteTimeout)<<3|byte(m.Service&3)<<1|bit(m.FlowControl, 1))
	b = put24(b, uint32(m.PSN), byte(m.LocalTimeout)<<3|m.RetryCount&7)
	b = put16(b, m.PKey)
	b = append(b, byte(m.MTU)<<4|bit(m.RDC, 8)|m.RNRRetryCount&7, m.MaxCMRetries<<4|bit(m.SRQ, 8)|m.Extended&7)
	b = m.Alternate.append(m.Primary.append(b))
	return fixed(b, m.Private, REQPrivate)
}
