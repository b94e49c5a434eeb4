package iscsi

import (
	"slices"

	"github.com/lunette-io/lunette/transport/iscsi/pdu"
)

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
	echo := p.Data[:min(len(p.Data), int(c.params.Load().MaxSendDataSegmentLength))]
	var h pdu.BHS
	pdu.NOPIn{LUN: nop.LUN, ITT: nop.ITT, TTT: pdu.NoTag}.Put(&h)
	c.echo(p, &h, echo)
}

// echo sends h with a copy of data: the answer to p, which an initiator can ask for as often as it
// likes. What does not fit into a PDU is leased with the account of the initiator; if it gets no more,
// p is rejected. The mover sends one long echo at a time, and receives nothing meanwhile.
func (c *Conn) echo(p *Arrival, h *pdu.BHS, data []byte) {
	out := c.m.Control()
	switch {
	case len(data) <= len(out.Room):
		out.Data = append(out.Room[:0], data...)
	case c.traits.RDMA: // of discovery sessions, of which there are few
		out.Data = slices.Clone(data)
	default:
		l, err := c.sess.memory().Get(int64(len(data)))
		if err != nil || l.Segments() > 1 {
			if err == nil {
				l.Release()
			}
			c.node.doors.counters.echoes.Add(1)
			c.rejectAs(out, p.H, pdu.RejectLongOperation)
			return
		}
		out.Lease, out.Data = l, l.At(0)[:len(data)]
		copy(out.Data, data)
	}
	out.BHS, out.Echo = *h, true
	c.m.SendControl(out)
}
