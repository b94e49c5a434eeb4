package srp

import (
	"fmt"
	"net/netip"
	"strings"

	"github.com/lunette-io/lunette/transport/srp/iu"
)

// An access list says who may log in to a target; the zero one: everybody.
type access struct {
	ports []iu.PortID
	addrs []netip.Addr
}

func parseAccess(list []string) (a access, err error) {
	for _, s := range list {
		if strings.HasPrefix(strings.ToLower(s), "0x") {
			p, err := iu.ParsePortID(s)
			if err != nil {
				return a, fmt.Errorf("initiator %w", err)
			}
			a.ports = append(a.ports, p)
			continue
		}
		addr, err := netip.ParseAddr(s)
		if err != nil {
			return a, fmt.Errorf("initiator %q is neither the identifier of a port, 0x and 32 hexadecimal digits, nor an address", s)
		}
		a.addrs = append(a.addrs, addr.Unmap())
	}
	return a, nil
}

// admits reports that an initiator may log in. Its port has two names if what it sent is zero.
func (a *access) admits(sent, port iu.PortID, addr netip.Addr) bool {
	if len(a.ports)+len(a.addrs) == 0 {
		return true
	}
	for _, p := range a.ports {
		if p == sent || p == port {
			return true
		}
	}
	for _, o := range a.addrs {
		if o == addr || o == addr.WithZone("") {
			return true
		}
	}
	return false
}

// addressOf is the address of ADDR:PORT; none if there is none in it.
func addressOf(s string) netip.Addr {
	p, _ := netip.ParseAddrPort(s)
	return p.Addr().Unmap()
}

// portOf is the identifier of the initiator port that persistent reservations and people know
// it by. Software iWARP has none to send but zeros, the same for every host: then it is made of
// the address.
func portOf(sent iu.PortID, addr netip.Addr) iu.PortID {
	if sent == (iu.PortID{}) && addr.IsValid() {
		return addr.As16()
	}
	return sent
}
