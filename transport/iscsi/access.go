package iscsi

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/lunette-io/lunette/transport/iscsi/login"
	"github.com/lunette-io/lunette/transport/iscsi/pdu"
)

// admission is what the login of a connection asks of the node.
type admission struct{ c *Conn }

// Target implements login.Environment. A target that does not admit an initiator is
// answered like one that does not exist: its name is nobody's business.
func (a admission) Target(r *login.Request) (login.Target, pdu.LoginStatus) {
	n := a.c.node
	if r.Discovery {
		t := login.Target{PortalGroup: portalGroup}
		if n.auth != nil {
			t.Auth = n.auth()
		}
		return t, pdu.LoginSuccess
	}
	n.mu.Lock()
	t := n.targets[r.TargetName]
	closing := n.closing
	n.mu.Unlock()
	switch {
	case closing:
		return login.Target{}, pdu.LoginServiceUnavailable
	case t == nil || !t.admits(r.InitiatorName):
		return login.Target{}, pdu.LoginNotFound
	}
	lt := login.Target{PortalGroup: portalGroup, Alias: t.Alias}
	if t.Auth != nil {
		lt.Auth = t.Auth()
	}
	return lt, pdu.LoginSuccess
}

// Admit implements login.Environment.
func (a admission) Admit(r *login.Result) (uint16, pdu.LoginStatus) {
	c := a.c
	c.cid = r.CID
	if c.traits.RDMA && !r.Discovery {
		// Without RDMAExtensions=Yes this would be traditional iSCSI, for which there is no
		// stream here (RFC 7145 6.3). It is the session's: who joins does not say it again.
		switch v, said := r.Params.Extra[login.RDMAExtensions]; {
		case r.TSIH != 0 || v == login.Yes:
		case said:
			return 0, pdu.LoginInitiatorError
		default:
			return 0, pdu.LoginMissingParameter
		}
		r.Params.DeriveRDMA()
	}
	return c.node.admit(c, r)
}

// login takes a PDU of the login phase.
func (c *Conn) login(p *Arrival) {
	if p.H.Opcode() != pdu.OpLoginRequest {
		c.m.Terminate(fmt.Errorf("%v before login", p.H.Opcode()))
		return
	}
	c.first.Store(p.H.CmdSN())
	resp, done, err := c.neg.Step(p.H, p.Data)
	if err == login.ErrEnded {
		return
	}
	out := c.m.Control()
	out.BHS = resp.Header
	out.Data = append(out.Room[:0], resp.Text...)
	c.m.SendControl(out)
	r := c.neg.Result()
	if err != nil {
		c.node.refused.Warn(c.node.log, "login refused", "remote", c.traits.Remote, "initiator", r.InitiatorName, "target", r.TargetName, "why", err)
		c.m.Flush()
		c.m.Terminate(nil)
		return
	}
	if !done {
		return
	}
	c.neg = nil
	own := c.sess.params // a connection that joins negotiates only what is its own
	own.HeaderDigest, own.DataDigest = r.Params.HeaderDigest, r.Params.DataDigest
	own.MaxRecvDataSegmentLength = r.Params.MaxRecvDataSegmentLength
	own.MaxSendDataSegmentLength = c.maxSend(r.Params.MaxSendDataSegmentLength)
	c.params.Store(&own)
	c.heard.Store(c.node.tick.Load() + 1) // on RDMA its buffers are there soon, not at once: no ping before
	c.tasks.init(0)
	c.negotiated = own
	c.text = login.NewTextExchange(c.wishes, &c.negotiated, textTag, c.sendTargets)
	if c.traits.RDMA {
		c.unexpected.limit(&c.sess.params)
	}
	c.m.Enable(moverParams(&own))
	c.full.Store(true)
	c.node.loggedIn(c)
	c.node.log.Info("logged in", "remote", c.traits.Remote, "initiator", r.InitiatorName, "target", r.TargetName,
		"discovery", r.Discovery, "cid", c.cid, "tsih", r.TSIH, "auth", r.AuthMethod, "user", r.User)
}

// maxSend is how long a data segment to the initiator may be, of those that are not
// data-in on RDMA, if the initiator takes n bytes.
func (c *Conn) maxSend(n uint32) uint32 {
	switch {
	case c.traits.MaxControl == 0:
		return n
	case c.sess.target == nil: // the initiator receives texts as in the login
		return min(n, login.MaxLoginData)
	}
	return min(n, uint32(c.traits.MaxControl))
}

// maxDataIn is how long a Data-In PDU may be: larger ones than 256 KiB gain nothing, and
// a mover that computes digests needs a place for the whole of one.
const maxDataIn = 256 << 10

// moverParams are what a mover has to know of p.
func moverParams(p *login.Params) MoverParams {
	return MoverParams{
		HeaderDigest: p.HeaderDigest, DataDigest: p.DataDigest,
		MaxRecv: int(p.MaxRecvDataSegmentLength), MaxSend: int(min(p.MaxSendDataSegmentLength, maxDataIn)),
		MaxBurst:   int(p.MaxBurstLength),
		InitialR2T: p.InitialR2T, FirstBurst: int(p.FirstBurstLength),
		WholeBuffer: p.Extra[login.TaggedBufferForSolicitedDataOnly] == login.No,
		Hello:       p.Extra[login.ISERHelloRequired] == login.Yes,
	}
}

// sendTargets answers SendTargets (RFC 7143 appendix C): in a discovery session all
// targets that the initiator may log in to, in a normal one its own.
func (c *Conn) sendTargets(p login.Pair) ([]login.Pair, bool) {
	if p.Key != "SendTargets" {
		return nil, false
	}
	s, n := c.sess, c.node
	want := p.Value
	switch {
	case want == "All" && s.target == nil:
		want = ""
	case want == "All":
		return []login.Pair{{Key: p.Key, Value: login.Rejected}}, true
	case want == "" && s.target != nil:
		want = s.key.target
	case want == "":
		return []login.Pair{{Key: p.Key, Value: login.Rejected}}, true
	default:
		name, err := login.NormalizeName(want)
		if err != nil || (s.target != nil && name != s.key.target) {
			return nil, true // nothing that this initiator may know of
		}
		want = name
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	var names []string
	for name, t := range n.targets {
		if (want == "" || name == want) && t.admits(s.key.initiator) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	var out []login.Pair
	for _, name := range names {
		out = append(out, login.Pair{Key: "TargetName", Value: name})
		for _, p := range n.portals {
			if p.network != c.traits.Network {
				continue
			}
			if a, ok := reachable(p.addr, c.traits.Local); ok {
				out = append(out, login.Pair{Key: "TargetAddress", Value: fmt.Sprintf("%s,%d", a, portalGroup)})
			}
		}
	}
	return out, true
}

// reachable is a portal's address as the initiator can use it: one that listens on all
// addresses is shown as the address that the initiator came to, if it is of the same family.
func reachable(portal, local string) (string, bool) {
	p, err := netip.ParseAddrPort(portal)
	if err != nil || !p.Addr().IsUnspecified() {
		return portal, true
	}
	l, err := netip.ParseAddrPort(local)
	if err != nil {
		return portal, true
	}
	a := l.Addr().Unmap()
	if p.Addr().Is4() && !a.Is4() {
		return "", false
	}
	host, _, _ := strings.Cut(a.String(), "%")
	addr, err := netip.ParseAddr(host)
	if err != nil {
		return "", false
	}
	return netip.AddrPortFrom(addr, p.Port()).String(), true
}
