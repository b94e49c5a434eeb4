package iscsi

import (
	"slices"
	"time"

	"github.com/lunette-io/lunette/transport/iscsi/pdu"
)

// logout takes a Logout Request (11.14). Its response goes out when the tasks that it ends
// have ended; then the connection is closed.
func (c *Conn) logout(p *Arrival) {
	c.noTask(p.H)
	req, err := pdu.ParseLogoutRequest(p.H)
	if err != nil {
		c.reject(p.H, pdu.ReasonOf(err))
		return
	}
	s := c.sess
	answer := func(code pdu.LogoutResponseCode) {
		out := c.m.Control()
		pdu.LogoutResponse{Response: code, ITT: req.ITT, Time2Wait: uint16(s.Params.DefaultTime2Wait)}.Put(&out.BHS)
		c.m.SendControl(out)
		c.m.Flush()
	}
	switch req.Reason {
	case pdu.LogoutCloseSession:
		c.leaving = true
		others := slices.DeleteFunc(s.connections(), func(o *Conn) bool { return o == c })
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
		s.lose(leave)
	case pdu.LogoutCloseConnection:
		if req.CID == c.cid {
			c.leaving = true
			c.endTasks(func() { answer(pdu.LogoutSuccess); c.m.Terminate(nil) })
			return
		}
		if o := s.connection(req.CID); o != nil {
			o.endTasks(func() { answer(pdu.LogoutSuccess); o.m.Terminate(nil) })
			return
		}
		answer(pdu.LogoutNoCID)
	default:
		answer(pdu.LogoutNoRecovery) // ErrorRecoveryLevel 0
	}
}

// endTasks aborts the tasks of the connection, and no task starts any more; done follows when they
// have ended.
func (c *Conn) endTasks(done func()) {
	if c.channel == nil {
		done()
		return
	}
	c.channel.Lost(done)
}

// askLogout asks the initiator to log out within d (11.9.1, event 1), if it has room for that.
func (c *Conn) askLogout(d time.Duration) {
	if !c.full.Load() {
		c.m.Terminate(ErrClosed)
		return
	}
	if !c.unexpected.may(false) {
		return
	}
	p := c.m.Control()
	pdu.Async{Event: pdu.AsyncLogoutRequest, Param3: uint16(min(max(1, d/time.Second), 1<<16-1))}.Put(&p.BHS)
	c.m.SendControl(p)
	c.m.Flush()
}
