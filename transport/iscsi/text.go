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
	held   int  // bytes of an exchange that is under way, and paid for
	ended  bool // the connection has gone: nothing is held any more
}

// begin makes the text negotiation of a connection that enters full feature phase with params.
func (t *textNegotiation) begin(desired *login.Config, params *login.Params, ask login.Asker) {
	t.params = *params
	t.exchange = login.NewTextExchange(desired, &t.params, textTag, ask)
}

// textRequest takes a Text Request (11.10). What the initiator declares counts for what is sent
// behind the answer: data-in that is queued before is cut by the parameters of before.
// c.sess.delivery is held.
func (c *Conn) textRequest(p *Arrival) {
	t := &c.text
	if t.ended {
		return
	}
	reply, err := t.exchange.Step(p.H, p.Data)
	c.noTask(p.H)
	if err == nil && c.holdText(t.exchange.Held()) != nil {
		c.node.doors.counters.echoes.Add(1)
		t.exchange.Reset()
		err = errNoTextMemory
	}
	if err != nil {
		_ = c.holdText(0) // nothing is refused that is given back
		c.reject(p.H, pdu.ReasonOf(err))
		return
	}
	c.echo(p, &reply.Header, reply.Text)
	most := c.maxSend(t.params.MaxSendDataSegmentLength)
	t.params.MaxSendDataSegmentLength = most
	if most != c.params.Load().MaxSendDataSegmentLength {
		p := t.params
		c.params.Store(&p)
		c.m.Enable(c.moverParams(&p))
	}
}

var errNoTextMemory = &pdu.FormatError{Opcode: pdu.OpTextRequest, Reason: pdu.RejectLongOperation, Detail: "no memory"}

// holdText pays for n bytes of an exchange that is under way, instead of what was held before. c.sess.delivery is held.
func (c *Conn) holdText(n int) error {
	t := &c.text
	if n == t.held {
		return nil
	}
	p := c.sess.memory()
	if n > t.held {
		if err := p.Charge(int64(n - t.held)); err != nil {
			return err
		}
	} else {
		p.Uncharge(int64(t.held - n))
	}
	t.held = n
	return nil
}

// endText forgets the exchange of a connection that has gone.
func (c *Conn) endText() {
	c.sess.delivery.Lock()
	defer c.sess.delivery.Unlock()
	c.text.ended = true
	c.text.exchange = nil
	_ = c.holdText(0) // nothing is refused that is given back
}
