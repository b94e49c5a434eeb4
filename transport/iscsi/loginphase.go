package iscsi

import (
	"fmt"

	"github.com/lunette-io/lunette/transport/iscsi/login"
	"github.com/lunette-io/lunette/transport/iscsi/pdu"
)

// A loginPhase is a connection before full feature phase (RFC 7143 6). It belongs to the goroutine
// that the mover delivers PDUs on, and is the environment of its own negotiation.
type loginPhase struct {
	c          *Conn
	desired    *login.Config // what is negotiated for
	negotiator *login.Negotiator

	// target is what the first request has named: the login is for this value of it. What is changed
	// meanwhile is looked at in the end. nil: discovery.
	target *servedTarget

	// Of the proof that was tried last, if there was one: see Tried.
	user     string
	failures int
	until    int64 // the node's tick at which a wrong one is answered; 0: at once
}

func newLoginPhase(c *Conn) *loginPhase {
	l := &loginPhase{c: c, desired: c.traits.Login}
	if l.desired == nil {
		l.desired = c.node.wishes.Load()
	}
	l.negotiator = login.New(l.desired, l)
	return l
}

// Target implements login.Environment. A target that does not admit an initiator, or that the
// portal does not show, is answered like one that does not exist: its name is nobody's business.
func (l *loginPhase) Target(r *login.Request) (login.Target, pdu.LoginStatus) {
	n := l.c.node
	if r.Discovery {
		t := login.Target{PortalGroup: l.c.portal.tag()}
		if auth := n.auth.Load(); auth != nil {
			t.Auth = (*auth)() // which may be nil: nobody has to prove anything now
			l.c.guide, _ = t.Auth.(Guide)
		}
		return t, pdu.LoginSuccess
	}
	if n.isClosing() {
		return login.Target{Why: "the node is closing"}, pdu.LoginServiceUnavailable
	}
	t, group, why := n.topology.find(l.c.portal, r.TargetName, r.InitiatorName)
	switch {
	case t == nil:
		return login.Target{Why: why}, pdu.LoginNotFound
	case t.Away && t.Redirect != "":
		return login.Target{Why: underMaintenance, Redirect: t.Redirect}, pdu.LoginMovedTemporarily
	case t.Away:
		return login.Target{Why: underMaintenance}, pdu.LoginServiceUnavailable
	}
	l.target = t
	lt := login.Target{PortalGroup: group, Alias: t.Alias}
	if t.Auth != nil {
		lt.Auth = t.Auth()
	}
	return lt, pdu.LoginSuccess
}

// Admit implements login.Environment.
func (l *loginPhase) Admit(r *login.Result) (uint16, pdu.LoginStatus, string) {
	c := l.c
	c.cid = r.CID
	if t := l.target; t != nil && !t.admitsAs(r.InitiatorName, r.User) {
		return 0, pdu.LoginAuthorizationFail, notThatUser(r)
	}
	if c.traits.RDMA && !r.Discovery {
		// Without RDMAExtensions=Yes this would be traditional iSCSI, for which there is no
		// stream here (RFC 7145 6.3). It is the session's: who joins does not say it again.
		switch v, said := r.Params.Extra[login.RDMAExtensions]; {
		case r.TSIH != 0 || v == login.Yes:
		case said:
			return 0, pdu.LoginInitiatorError, "over RDMA there is nothing without RDMAExtensions"
		default:
			return 0, pdu.LoginMissingParameter, "RDMAExtensions is missing"
		}
		r.Params.DeriveRDMA()
	}
	if r.TSIH != 0 {
		return c.node.join(c, l.target, r)
	}
	return c.node.admit(c, l.target, r)
}

// take takes a PDU of the login phase.
func (l *loginPhase) take(p *Arrival) {
	c := l.c
	if p.H.Opcode() != pdu.OpLoginRequest {
		c.m.Terminate(fmt.Errorf("%v before login", p.H.Opcode()))
		return
	}
	c.numbers.login.Store(p.H.CmdSN())
	resp, done, err := l.negotiator.Step(p.H, p.Data)
	if err == login.ErrEnded {
		return
	}
	out := c.m.Control()
	out.BHS = resp.Header
	out.Data = append(out.Room[:0], resp.Text...)
	r := l.negotiator.Result()
	if err != nil {
		l.tell(r, err)
		if l.until != 0 {
			c.watch.refusal.Store(&refusal{l.until, out})
			return
		}
		c.refuseLogin(out)
		return
	}
	c.m.SendControl(out)
	if done {
		l.end(r)
	}
}

// tell tells the log of a login that failed: all that is known of who has tried, and the true reason.
func (l *loginPhase) tell(r *login.Result, err error) {
	c := l.c
	facts := []any{"remote", c.traits.Remote, "initiator", r.InitiatorName, "target", r.TargetName}
	if r.Discovery {
		facts = append(facts, "discovery", true)
	}
	if l.user != "" {
		facts = append(facts, "user", l.user, "failures", l.failures)
	}
	if l.until != 0 {
		facts = append(facts, "delayed", l.until-c.node.tick.Load())
	}
	c.node.doors.counters.logins.Add(1)
	c.node.doors.refused.Warn(c.node.log, "login refused", c.place.address, append(facts, "why", err)...)
}

// end begins full feature phase. The last response of the login is queued, and everything behind
// it is sent by the parameters that were negotiated.
func (l *loginPhase) end(r *login.Result) {
	c := l.c
	c.login = nil
	own := connParams(c.sess.Params, r.Params)
	own.MaxSendDataSegmentLength = c.maxSend(own.MaxSendDataSegmentLength)
	c.params.Store(&own)
	c.watch.began = c.node.tick.Load()
	c.watch.heard.Store(c.node.tick.Load() + 1) // on RDMA its buffers are there soon, not at once: no ping before
	c.text.begin(l.desired, &own, c.sendTargets)
	if c.traits.RDMA {
		c.unexpected.limit(&c.sess.Params)
	}
	c.m.Enable(c.moverParams(&own))
	c.full.Store(true)
	c.node.log.Info("logged in", "remote", c.traits.Remote, "initiator", r.InitiatorName, "target", r.TargetName,
		"discovery", r.Discovery, "cid", c.cid, "tsih", fmt.Sprintf("%#04x", r.TSIH), "auth", r.AuthMethod, "user", r.User)
}
