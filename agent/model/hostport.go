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
		Space: space, Thing: "port", Since: "both connect by " + strings.ToUpper(space),
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
	bad := func(format string, args ...any) (string, uint16, bool, string) {
		return "", 0, false, fmt.Sprintf(format, args...)
	}
	host, text, why := splitHost(addr)
	if why != "" {
		return bad("%s", why)
	}
	if host, why = readHost(host, strings.HasPrefix(addr, "[")); why != "" {
		return bad("%s", why)
	}
	if text == "" {
		return host, 0, false, ""
	}
	n, err := strconv.ParseUint(text[1:], 10, 16)
	if err != nil {
		return bad("%q is not a port from 0 to 65535", text[1:])
	}
	return host, uint16(n), true, ""
}

// splitHost takes the address, without its brackets, from ":PORT", which is empty if there is none. What
// stands in brackets has colons, and may have a zone with any character but one.
func splitHost(addr string) (host, port, why string) {
	if inside, ok := strings.CutPrefix(addr, "["); ok {
		end := strings.LastIndexByte(inside, ']')
		if end < 0 || (len(inside) > end+1 && inside[end+1] != ':') {
			return "", "", "its brackets are wrong"
		}
		return inside[:end], inside[end+1:], ""
	}
	if _, err := netip.ParseAddr(addr); err == nil && strings.Contains(addr, ":") {
		return "", "", "an IPv6 address stands in brackets"
	}
	switch i := strings.LastIndexByte(addr, ':'); {
	case i < 0:
		return addr, "", ""
	case strings.Contains(addr[:i], ":"):
		return "", "", "an IPv6 address stands in brackets, and its port behind them"
	default:
		return addr[:i], addr[i:], ""
	}
}

// readHost returns an address or host name as it is written in a portal.
func readHost(host string, brackets bool) (normal, why string) {
	ip, err := netip.ParseAddr(host)
	switch {
	case host == "":
		return "", "it has no address (all of them are 0.0.0.0 and [::])"
	case err != nil && brackets:
		return "", fmt.Sprintf("%q is not an IPv6 address", host)
	case err != nil && !hostname(host):
		return "", fmt.Sprintf("%q is neither an IP address nor a host name", host)
	case err != nil:
		return host, ""
	case brackets && ip.Is4():
		return "", "an IPv4 address stands without brackets"
	}
	return ip.String(), zoned(ip)
}

// zoned says what is wrong with the zone of an address (RFC 4007 11): link-local ones have the network
// device that they are on, as there may be one of the same address on another; empty: it is right.
func zoned(ip netip.Addr) string {
	switch zone := ip.Zone(); {
	case ip.IsLinkLocalUnicast() && ip.Is6() && zone == "":
		return fmt.Sprintf("%s is a link-local address, which is only one with its network device: write [%s%%DEVICE], such as [%s%%eth0]", ip, ip, ip)
	case zone != "" && !ip.IsLinkLocalUnicast():
		return fmt.Sprintf("only link-local addresses (fe80::…) have a network device: leave %%%s out", zone)
	case zone != "" && !deviceName(zone):
		return fmt.Sprintf("%q is not the name of a network device", zone)
	}
	return ""
}

// deviceName: what Linux lets network devices be called, in characters that can be printed.
func deviceName(s string) bool {
	return len(s) <= 15 && s != "." && s != ".." && !strings.ContainsFunc(s, func(r rune) bool {
		return r <= ' ' || r > '~' || strings.ContainsRune("/:[]%", r)
	})
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
