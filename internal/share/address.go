package share

import (
	"net/netip"
	"strings"
)

// Address is the owner of what comes from remote, which is ADDRESS:PORT: the address, or, of IPv6, the
// network, since every host there has more addresses than anybody could count.
func Address(remote string) string {
	p, err := netip.ParseAddrPort(remote)
	if err != nil {
		if i := strings.LastIndexByte(remote, ':'); i > 0 {
			return remote[:i]
		}
		return remote
	}
	a := p.Addr().Unmap()
	if a.Is4() {
		return a.String()
	}
	network, err := a.WithZone("").Prefix(64)
	if err != nil {
		return a.String()
	}
	if zone := a.Zone(); zone != "" { // the link-local addresses of each link are a network
		return network.String() + "%" + zone
	}
	return network.String()
}
