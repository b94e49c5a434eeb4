package iscsi

import (
	"github.com/lunette-io/lunette/target"
	"github.com/lunette-io/lunette/transport/iscsi/pdu"
)

// reject sends a Reject (11.17) for the PDU with header h, unless the initiator has no room for it.
func (c *Conn) reject(h *pdu.BHS, reason pdu.RejectReason) {
	c.node.log.Debug("rejected", "remote", c.traits.Remote, "pdu", h.Opcode(), "reason", reason)
	if !c.unexpected.may(answered(h)) {
		return
	}
	p := c.m.Control()
	pdu.Reject{Reason: reason}.Put(&p.BHS)
	p.Data = append(p.Room[:0], h[:]...)
	c.m.SendControl(p)
}

// ping takes a NOP-Out (11.18): the initiator's question, or its answer to ours.
func (c *Conn) ping(p *Arrival) {
	c.retire(p.H)
	nop, err := pdu.ParseNOPOut(p.H)
	if err != nil {
		c.reject(p.H, pdu.ReasonOf(err))
		return
	}
	if nop.TTT == pingTag {
		c.pinged.Store(0)
		c.unexpected.pinged()
	}
	if nop.ITT == pdu.NoTag {
		return
	}
	out := c.m.Control()
	pdu.NOPIn{LUN: nop.LUN, ITT: nop.ITT, TTT: pdu.NoTag}.Put(&out.BHS)
	echo := p.Data[:min(len(p.Data), int(c.params.Load().MaxSendDataSegmentLength))]
	out.Data = append(out.Room[:0], echo...)
	c.m.SendControl(out)
}

// negotiate takes a Text Request (11.10).
func (c *Conn) negotiate(p *Arrival) {
	reply, err := c.text.Step(p.H, p.Data)
	c.retire(p.H)
	if err != nil {
		c.reject(p.H, pdu.ReasonOf(err))
		return
	}
	out := c.m.Control()
	out.BHS = reply.Header
	out.Data = append(out.Room[:0], reply.Text...)
	c.m.SendControl(out)
	now := c.maxSend(c.negotiated.MaxSendDataSegmentLength)
	c.negotiated.MaxSendDataSegmentLength = now
	if now != c.params.Load().MaxSendDataSegmentLength {
		p := c.negotiated
		c.params.Store(&p)
		c.m.Enable(moverParams(&p))
	}
}

// logout takes a Logout Request (11.14). Its response goes out when the tasks that it ends
// have ended; then the connection is closed.
func (c *Conn) logout(p *Arrival) {
	c.retire(p.H)
	req, err := pdu.ParseLogoutRequest(p.H)
	if err != nil {
		c.reject(p.H, pdu.ReasonOf(err))
		return
	}
	s := c.sess
	answer := func(code pdu.LogoutResponseCode) {
		out := c.m.Control()
		pdu.LogoutResponse{Response: code, ITT: req.ITT, Time2Wait: uint16(s.params.DefaultTime2Wait)}.Put(&out.BHS)
		c.m.SendControl(out)
		c.m.Flush()
	}
	switch req.Reason {
	case pdu.LogoutCloseSession:
		c.leave = true
		s.mu.Lock()
		others := make([]*Conn, 0, len(s.conns))
		for _, o := range s.conns {
			if o != c {
				others = append(others, o)
			}
		}
		s.mu.Unlock()
		for _, o := range others {
			o.m.Terminate(nil)
		}
		// The response says that all is cleaned up (11.15): who reads it may count on it that
		// the nexus is gone, and with it what it had reserved.
		leave := func() { answer(pdu.LogoutSuccess); c.m.Terminate(nil) }
		if s.nexus == nil {
			leave()
			return
		}
		c.dropWaiting()
		for _, o := range others {
			o.dropWaiting()
		}
		s.lose(leave)
	case pdu.LogoutCloseConnection:
		if req.CID == c.cid {
			c.leave = true
			c.endTasks(func() { answer(pdu.LogoutSuccess); c.m.Terminate(nil) })
			return
		}
		for _, o := range s.connections() {
			if o.cid == req.CID {
				o.endTasks(func() { answer(pdu.LogoutSuccess); o.m.Terminate(nil) })
				return
			}
		}
		answer(pdu.LogoutNoCID)
	default:
		answer(pdu.LogoutNoRecovery) // ErrorRecoveryLevel 0
	}
}

// endTasks aborts the tasks of the connection; done follows when they have ended.
func (c *Conn) endTasks(done func()) {
	c.sess.endTasks(func(k *task) bool { return k.c == c }, done)
}

// endTasks aborts the tasks that match; done follows when they have ended.
func (s *Session) endTasks(match func(*task) bool, done func()) {
	if s.nexus == nil {
		done()
		return
	}
	for _, c := range s.connections() {
		c.dropWaitingIf(match)
	}
	s.nexus.Abort(func(t *target.Task) bool { return match(t.Private.(*task)) }, done)
}
