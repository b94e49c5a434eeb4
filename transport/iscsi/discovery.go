package iscsi

import (
	"fmt"
	"net/netip"
	"slices"

	"github.com/lunette-io/lunette/transport/iscsi/login"
)

// sendTargets answers SendTargets (RFC 7143 appendix C): in a discovery session all targets that
// the portal of the connection shows and that the initiator may log in to, in a normal one its own;
// and of each the addresses of all portals that show it.
func (c *Conn) sendTargets(p login.Pair) ([]login.Pair, bool) {
	if p.Key != "SendTargets" {
		return nil, false
	}
	s, n := c.sess, c.node
	want := p.Value
	switch {
	case want == "All" && s.Discovery:
		want = ""
	case want == "All":
		return []login.Pair{{Key: p.Key, Value: login.Rejected}}, true
	case want == "" && !s.Discovery:
		want = s.Target
	case want == "":
		return []login.Pair{{Key: p.Key, Value: login.Rejected}}, true
	default:
		name, err := login.NormalizeName(want)
		if err != nil || (!s.Discovery && name != s.Target) {
			return nil, true // nothing that this initiator may know of
		}
		want = name
	}
	y := &n.topology
	y.mu.RLock()
	defer y.mu.RUnlock()
	var names []string
	for name := range y.targets {
		if (want == "" || name == want) && c.mayKnow(y, name) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	var out []login.Pair
	for _, name := range names {
		out = append(out, login.Pair{Key: "TargetName", Value: name})
		for _, a := range y.addresses(name, c.traits.Network, c.traits.Local) {
			out = append(out, login.Pair{Key: "TargetAddress", Value: a})
		}
	}
	return out, true
}

// A Guide is an authenticator of discovery that says for which targets the proof is as good: others are
// not shown.
type Guide interface {
	login.Authenticator
	Opens(target string) bool
}

// mayKnow reports whether the initiator of c may know of a target: if it may log in there, as far as
// is known of it. y.mu is held.
func (c *Conn) mayKnow(y *topology, name string) bool {
	t, _ := y.target(c.portal, name, c.sess.Initiator)
	if t == nil {
		return false
	}
	if c.guide != nil && t.Auth != nil {
		return c.guide.Opens(name) && t.admitsAs(c.sess.Initiator, c.sess.User)
	}
	return true
}

// addresses are those of the portals that show a target, of one network, with the tags of their groups, as
// an initiator can use them that has come to the address local. If there are none it uses the one that it came to (RFC 7143
// appendix C): so it is with link-local addresses of IPv6, which mean nothing without the name of the
// network device there, which is another on each node (RFC 4007 6, 11). They are told to nobody, and
// who came to one is told of no others, which it may not reach. y.mu is held.
func (y *topology) addresses(name, network, local string) []string {
	at, err := netip.ParseAddrPort(local)
	if err == nil && linkLocal(at.Addr()) {
		return nil
	}
	var all []string
	for _, p := range y.portals {
		if p.network != network || !p.shows(name) {
			continue
		}
		some := p.told
		if len(some) == 0 {
			if a, ok := reachable(p.addr, local); ok {
				some = []string{a}
			}
		}
		for _, a := range some {
			all = append(all, fmt.Sprintf("%s,%d", a, p.group))
		}
	}
	return all
}

func linkLocal(a netip.Addr) bool { return a.Is6() && a.IsLinkLocalUnicast() }

// reachable is a portal's address as the initiator can use it: one that listens on all
// addresses is shown as the address that the initiator came to, if it is of the same family.
func reachable(portal, local string) (string, bool) {
	p, err := netip.ParseAddrPort(portal)
	switch {
	case err != nil:
		return portal, true
	case linkLocal(p.Addr()):
		return "", false
	case !p.Addr().IsUnspecified():
		return portal, true
	}
	l, err := netip.ParseAddrPort(local)
	if err != nil {
		return portal, true
	}
	a := l.Addr().Unmap()
	if p.Addr().Is4() != a.Is4() {
		return "", false // it does not listen there
	}
	return netip.AddrPortFrom(a, p.Port()).String(), true
}
