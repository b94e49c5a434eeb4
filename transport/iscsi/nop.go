package iscsi

import "github.com/lunette-io/lunette/transport/iscsi/pdu"

// nopOut takes a NOP-Out (11.18): the initiator's question whether we are there, which is
// answered by a NOP-In with the same data, or its answer to ours.
func (c *Conn) nopOut(p *Arrival) {
	c.noTask(p.H)
	nop, err := pdu.ParseNOPOut(p.H)
	if err != nil {
		c.reject(p.H, pdu.ReasonOf(err))
		return
	}
	if nop.TTT == pingTag {
		c.watch.answeredPing()
	}
	if nop.ITT == pdu.NoTag {
		return
	}
	if c.sess.Discovery && p.H.DataSegmentLength() > 0 {
		// Nothing but SendTargets and the logout is for a discovery session (RFC 7143 4.3). A ping
		// without data is answered there all the same (docs/design/generosity.md).
		c.reject(p.H, pdu.RejectNotSupported)
		return
	}
	out := c.m.Control()
	pdu.NOPIn{LUN: nop.LUN, ITT: nop.ITT, TTT: pdu.NoTag}.Put(&out.BHS)
	echo := p.Data[:min(len(p.Data), int(c.params.Load().MaxSendDataSegmentLength))]
	out.Data = append(out.Room[:0], echo...)
	c.m.SendControl(out)
}
