package iscsi

import "github.com/lunette-io/lunette/transport/iscsi/login"

// maxDataIn is how long a Data-In PDU may be: larger ones than 256 KiB gain nothing, and
// a mover that computes digests needs a place for the whole of one.
const maxDataIn = 256 << 10

// moverParams are what a mover has to know of p.
func (c *Conn) moverParams(p *login.Params) MoverParams {
	return MoverParams{
		Memory:       c.sess.memory(),
		HeaderDigest: p.HeaderDigest, DataDigest: p.DataDigest,
		MaxRecv: int(p.MaxRecvDataSegmentLength), MaxSend: int(min(p.MaxSendDataSegmentLength, maxDataIn)),
		MaxBurst:   int(p.MaxBurstLength),
		InitialR2T: p.InitialR2T, FirstBurst: int(p.FirstBurstLength),
		WholeBuffer: p.Extra[login.TaggedBufferForSolicitedDataOnly] == login.No,
		Hello:       p.Extra[login.ISERHelloRequired] == login.Yes,
	}
}

// maxSend is how long a data segment to the initiator may be, of those that are not
// data-in on RDMA, if the initiator takes n bytes.
func (c *Conn) maxSend(n uint32) uint32 {
	switch {
	case c.traits.MaxControl == 0:
		return n
	case c.sess.Discovery: // the initiator receives texts as in the login
		return min(n, login.MaxLoginData)
	}
	return min(n, uint32(c.traits.MaxControl))
}

// connParams are the parameters of a connection: those of the session, of which it has
// negotiated only what is its own.
func connParams(session, own login.Params) login.Params {
	session.HeaderDigest, session.DataDigest = own.HeaderDigest, own.DataDigest
	session.MaxRecvDataSegmentLength = own.MaxRecvDataSegmentLength
	session.MaxSendDataSegmentLength = own.MaxSendDataSegmentLength
	return session
}
