package model

import (
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
)

// A Portal is where a transport listens, written [TRANSPORT+PROVIDER://]ADDR[:PORT]. The
// provider is the network below the transport.
type Portal struct {
	Transport, Provider string
	Host                string // an IP address, or a host name
	Port                uint16
	NoPort              bool // none is written: Validate puts in that of the transport
}

// DefaultTransport, DefaultProvider and DefaultPort are those of a portal that says no
// other: 3260 is the port of iSCSI (RFC 7143 4.2.7.1).
const (
	DefaultTransport = "iscsi"
	DefaultProvider  = "tcp"
	DefaultPort      = 3260
)

const portalRule = "a portal is [TRANSPORT+PROVIDER://]ADDR[:PORT], such as 127.0.0.1:3260, [::1]:3260 or 0.0.0.0:3260"

// ParsePortal reads a portal. It does not know which transports there are: see
// [Document.Validate]. Port 0 takes any free one.
func ParsePortal(text string) (Portal, error) {
	p := Portal{Transport: DefaultTransport, Provider: DefaultProvider, Port: DefaultPort}
	bad := func(why string) (Portal, error) {
		return Portal{}, fmt.Errorf("%q is not a portal, %s: %s", text, why, portalRule)
	}
	addr := text
	if scheme, rest, ok := strings.Cut(text, "://"); ok {
		addr = rest
		if p.Transport, p.Provider, ok = strings.Cut(scheme, "+"); !ok || p.Transport == "" || p.Provider == "" {
			return bad("the part before :// is not TRANSPORT+PROVIDER")
		}
		p.Port, p.NoPort = 0, true
	}
	if ip, err := netip.ParseAddr(strings.Trim(addr, "[]")); err == nil {
		if ip.Is6() && !strings.HasPrefix(addr, "[") {
			return bad("an IPv6 address stands in brackets")
		}
		if (addr[0] == '[') != (addr[len(addr)-1] == ']') || (ip.Is4() && addr[0] == '[') {
			return bad("its brackets are wrong")
		}
		p.Host = ip.String()
		return p, nil
	}
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		if addr != "" && hostname(addr) {
			p.Host = addr
			return p, nil
		}
		return bad("it has no address that can be read")
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		return bad(fmt.Sprintf("%q is not a port from 0 to 65535", port))
	}
	p.Port, p.NoPort = uint16(n), false
	switch ip, err := netip.ParseAddr(host); {
	case host == "":
		return bad("it has no address (all of them are 0.0.0.0 and [::])")
	case err == nil && ip.Is4() && addr[0] == '[':
		return bad("an IPv4 address stands without brackets")
	case err == nil:
		p.Host = ip.String()
	case hostname(host):
		p.Host = host
	default:
		return bad(fmt.Sprintf("%q is neither an IP address nor a host name", host))
	}
	return p, nil
}

// hostname: RFC 1123 2.1, and not all digits and dots, which is a misspelt IPv4 address.
func hostname(s string) bool {
	if len(s) > 253 || strings.Trim(s, decimals+".") == "" {
		return false
	}
	for _, label := range strings.Split(s, ".") {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' ||
			strings.Trim(strings.ToLower(label), letters+decimals+"-_") != "" {
			return false
		}
	}
	return true
}

// Addr is the address and port, as package net takes it.
func (p Portal) Addr() string { return net.JoinHostPort(p.Host, strconv.Itoa(int(p.Port))) }

// Wildcard reports all addresses of the machine, which are none to connect to.
func (p Portal) Wildcard() bool {
	ip, err := netip.ParseAddr(p.Host)
	return err == nil && ip.IsUnspecified()
}

// Loopback reports an address that only this machine reaches.
func (p Portal) Loopback() bool {
	ip, err := netip.ParseAddr(p.Host)
	return p.Host == "localhost" || (err == nil && ip.Unmap().IsLoopback())
}

// Scheme is TRANSPORT+PROVIDER.
func (p Portal) Scheme() string { return p.Transport + "+" + p.Provider }

func (p Portal) String() string {
	if p.NoPort {
		return p.Scheme() + "://" + strings.TrimSuffix(net.JoinHostPort(p.Host, ""), ":")
	}
	return p.Scheme() + "://" + p.Addr()
}
