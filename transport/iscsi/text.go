package iscsi

import (
	"github.com/lunette-io/lunette/transport/iscsi/login"
	"github.com/lunette-io/lunette/transport/iscsi/pdu"
)

// A textNegotiation is that of a connection in full feature phase (RFC 7143 6.2, 11.10). It belongs
// to the one who has the session's delivery.
type textNegotiation struct {
	exchange *login.TextExchange
	// params are what the exchange edits. Others see the copy of them that is stored in
	// Conn.params when an exchange has ended.
	params login.Params
}

// begin makes the text negotiation of a connection that enters full feature phase with params.
func (t *textNegotiation) begin(desired *login.Config, params *login.Params, ask login.Asker) {
	t.params = *params
	t.exchange = login.NewTextExchange(desired, &t.params, textTag, ask)
}

// textRequest takes a Text Request (11.10). What the initiator declares counts for what is sent
// behind the answer: data-in that is queued before is cut by the parameters of before.
func (c *Conn) textRequest(p *Arrival) {
	t := &c.text
	reply, err := t.exchange.Step(p.H, p.Data)
	c.noTask(p.H)
	if err != nil {
		c.reject(p.H, pdu.ReasonOf(err))
		return
	}
	out := c.m.Control()
	out.BHS = reply.Header
	out.Data = append(out.Room[:0], reply.Text...)
	c.m.SendControl(out)
	most := c.maxSend(t.params.MaxSendDataSegmentLength)
	t.params.MaxSendDataSegmentLength = most
	if most != c.params.Load().MaxSendDataSegmentLength {
		p := t.params
		c.params.Store(&p)
		c.m.Enable(moverParams(&p))
	}
}
