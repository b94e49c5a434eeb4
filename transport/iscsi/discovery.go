package iscsi

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

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
	y := n.topology.Load()
	var names []string
	for name := range y.targets {
		if t, _ := y.target(c.portal, name, s.Initiator); t != nil && (want == "" || name == want) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	var out []login.Pair
	for _, name := range names {
		out = append(out, login.Pair{Key: "TargetName", Value: name})
		for _, p := range y.portals {
			if p.network != c.traits.Network || !p.shows(name) {
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
	if p.Addr().Is4() != a.Is4() {
		return "", false // it does not listen there
	}
	host, _, _ := strings.Cut(a.String(), "%")
	addr, err := netip.ParseAddr(host)
	if err != nil {
		return "", false
	}
	return netip.AddrPortFrom(addr, p.Port()).String(), true
}
