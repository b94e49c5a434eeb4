package model

import (
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
)

const hostPortForm = "ADDR[:PORT], such as 127.0.0.1:3260, [::1]:3260 or 0.0.0.0:3260"

// HostPort is how portals are written of a network that has Internet addresses and ports. port
// is that of a portal which names none; 0: every portal must. Port 0 of a portal takes any free one.
func HostPort(space string, port uint16) Listen {
	return Listen{
		Space: space,
		Parse: func(kind, text, written string) (Address, error) {
			host, n, named, why := hostPort(text)
			switch {
			case why != "":
				return Address{}, NotAPortal(written, why, hostPortForm)
			case !named && port == 0:
				return Address{}, fmt.Errorf("%s has no port of its own: write %s://%s", kind, kind, net.JoinHostPort(host, "PORT"))
			case !named:
				n = port
			}
			return hostPortAddress(host, n), nil
		},
		Default: hostPortAddress("127.0.0.1", port).Text,
		Open:    hostPortAddress("0.0.0.0", port).Text,
		Reach: func(at Address, bound string) string {
			if at.All {
				return "ADDRESS" + bound[strings.LastIndexByte(bound, ':'):]
			}
			return bound
		},
	}
}

// NotAPortal is the error for a portal that cannot be read: why, and the form that would do.
func NotAPortal(written, why, form string) error {
	return fmt.Errorf("%q is not a portal, %s: a portal is [TRANSPORT+PROVIDER://]%s", written, why, form)
}

func hostPortAddress(host string, port uint16) Address {
	join := func(port uint16) string { return net.JoinHostPort(host, strconv.Itoa(int(port))) }
	a := Address{Text: join(port), Next: join(max(port+1, 1024))}
	ip, err := netip.ParseAddr(host)
	if port != 0 {
		a.Takes, a.Open = a.Text, fmt.Sprintf("0.0.0.0:%d", port)
		if err == nil && ip.Is6() && !ip.Is4In6() {
			a.Open = fmt.Sprintf("[::]:%d", port)
		}
	}
	a.All = err == nil && ip.IsUnspecified()
	a.Local = host == "localhost" || (err == nil && ip.Unmap().IsLoopback())
	return a
}

// hostPort takes ADDR[:PORT] apart; named reports that there is a port, why what is wrong.
func hostPort(addr string) (host string, port uint16, named bool, why string) {
	if ip, err := netip.ParseAddr(strings.Trim(addr, "[]")); err == nil {
		if ip.Is6() && !strings.HasPrefix(addr, "[") {
			return "", 0, false, "an IPv6 address stands in brackets"
		}
		if (addr[0] == '[') != (addr[len(addr)-1] == ']') || (ip.Is4() && addr[0] == '[') {
			return "", 0, false, "its brackets are wrong"
		}
		return ip.String(), 0, false, ""
	}
	host, text, err := net.SplitHostPort(addr)
	if err != nil {
		if addr != "" && hostname(addr) {
			return addr, 0, false, ""
		}
		return "", 0, false, "it has no address that can be read"
	}
	n, err := strconv.ParseUint(text, 10, 16)
	if err != nil {
		return "", 0, false, fmt.Sprintf("%q is not a port from 0 to 65535", text)
	}
	switch ip, err := netip.ParseAddr(host); {
	case host == "":
		return "", 0, false, "it has no address (all of them are 0.0.0.0 and [::])"
	case err == nil && ip.Is4() && addr[0] == '[':
		return "", 0, false, "an IPv4 address stands without brackets"
	case err == nil:
		host = ip.String()
	case !hostname(host):
		return "", 0, false, fmt.Sprintf("%q is neither an IP address nor a host name", host)
	}
	return host, uint16(n), true, ""
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
