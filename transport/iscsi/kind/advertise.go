package kind

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"github.com/lunette-io/lunette/agent/model"
)

// portalOptions are those of the portals of iSCSI.
func portalOptions() []model.Option {
	return []model.Option{{
		Name: "advertise", List: true, Change: model.Live, Check: checkAdvertised, Empty: "leave it out, or name what initiators connect to",
		Help: "What discovery tells initiators to connect to instead of the portal's own address, ADDR[:PORT] or HOST[:PORT] each: for addresses that are translated on the way (NAT, Kubernetes). Without a port, the portal's own.",
	}}
}

// checkAdvertised reports what is wrong with an address that initiators shall be told of.
func checkAdvertised(text string) error {
	host, port, err := advertised(text)
	if err != nil {
		return err
	}
	if n, err := strconv.ParseUint(port, 10, 16); port != "" && (err != nil || n == 0) {
		return fmt.Errorf("%q is not a port from 1 to 65535", port)
	}
	a, err := netip.ParseAddr(host)
	switch {
	case err != nil && !hostName(host):
		return fmt.Errorf("%q is neither an IP address nor a host name: write what initiators connect to, such as 192.0.2.1:3260, [2001:db8::1]:3260 or disks.example.com", text)
	case err != nil:
		return nil
	case a.IsUnspecified():
		return fmt.Errorf("nobody can connect to %s: write the address that initiators connect to", host)
	case a.Zone() != "" || a.Is6() && a.IsLinkLocalUnicast():
		return fmt.Errorf("%s means something on this machine alone: write an address that initiators can use", host)
	}
	return nil
}

// advertised takes ADDR[:PORT] or HOST[:PORT] apart.
func advertised(text string) (host, port string, err error) {
	if a, err := netip.ParseAddr(strings.TrimSuffix(strings.TrimPrefix(text, "["), "]")); err == nil {
		if a.Is6() != strings.HasPrefix(text, "[") {
			return "", "", fmt.Errorf("%q: IPv6 addresses, and no others, stand in brackets", text)
		}
		return a.String(), "", nil
	}
	i := strings.LastIndexByte(text, ':')
	if i < 0 {
		return text, "", nil
	}
	host, port = text[:i], text[i+1:]
	if in, ok := strings.CutPrefix(host, "["); ok {
		host, ok = strings.CutSuffix(in, "]")
		if a, err := netip.ParseAddr(host); !ok || err != nil || !a.Is6() {
			return "", "", fmt.Errorf("%q has no address that can be read", text)
		}
	} else if strings.Contains(host, ":") {
		return "", "", fmt.Errorf("%q: IPv6 addresses, and no others, stand in brackets", text)
	}
	if port == "" {
		return "", "", fmt.Errorf("%q ends where a port should be", text)
	}
	return host, port, nil
}

// hostName reports whether text can be the name of a host (RFC 1123 2.1).
func hostName(text string) bool {
	if text == "" || len(text) > 253 {
		return false
	}
	for label := range strings.SplitSeq(strings.TrimSuffix(text, "."), ".") {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' {
			return false
		}
		for _, r := range label {
			if (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '-' && r != '_' {
				return false
			}
		}
	}
	return true
}

// told are the addresses that initiators are told of, for a portal that is bound to an address.
func told(v model.Values, bound string) []string {
	var all []string
	own := bound[strings.LastIndexByte(bound, ':')+1:]
	for _, text := range v.Strings("advertise") {
		if host, port, err := advertised(text); err == nil { // it was checked
			if port == "" {
				port = own
			}
			if strings.Contains(host, ":") {
				host = "[" + host + "]"
			}
			all = append(all, host+":"+port)
		}
	}
	return all
}
