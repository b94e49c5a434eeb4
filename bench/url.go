package bench

import (
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/transport/iscsi/login"
)

// URLForm is what a URL looks like, for messages.
const URLForm = "iscsi://[USER@]HOST[:PORT]/IQN/LUN or vhost://PATH?target=N&lun=N"

// Schemes of a URL, and which provider of RDMA each is over; "": TCP.
const (
	schemeTCP = "iscsi://"
	iwarpName = "iwarp"
	roceName  = "roce"
)

func scheme(provider string) string {
	if provider == "" {
		return schemeTCP
	}
	return "iser+" + provider + "://"
}

// A URL names a logical unit: iscsi://[USER@]HOST[:PORT]/IQN/LUN, with an IPv6 address in
// brackets. With iser+iwarp:// it is reached by iSER over iWARP, with iser+roce:// over RoCE. It has no place for a secret.
//
// vhost://PATH names one behind a socket of vhost-user, see [Rings].
type URL struct {
	Rings    Rings  // with a path: it is one of vhost-user
	Number   uint8  // of the target, behind a socket of vhost-user
	Provider string // of RDMA; "": TCP
	User     string // for CHAP; "": none
	Host     string // without brackets
	Port     uint16
	Target   string
	LUN      uint32
}

// Address is HOST:PORT, with brackets where they belong, or the path of the socket.
func (u URL) Address() string {
	if u.IsVHost() {
		return u.Rings.Path
	}
	if strings.Contains(u.Host, ":") {
		return fmt.Sprintf("[%s]:%d", u.Host, u.Port)
	}
	return fmt.Sprintf("%s:%d", u.Host, u.Port)
}

// String is the URL without the user.
func (u URL) String() string {
	if u.IsVHost() {
		return u.vhost()
	}
	return fmt.Sprintf("%s%s/%s/%d", scheme(u.Provider), u.Address(), u.Target, u.LUN)
}

// ParseURL reads a URL. Its errors do not repeat what is before the @: somebody may have
// written a secret there.
func ParseURL(text string) (URL, error) {
	if rest, ok := strings.CutPrefix(text, schemeVHost); ok {
		return parseVHost(rest)
	}
	u := URL{Port: 3260}
	var rest string
	known := false
	for _, u.Provider = range []string{"", iwarpName, roceName} {
		if rest, known = strings.CutPrefix(text, scheme(u.Provider)); known {
			break
		}
	}
	if !known {
		return URL{}, errors.New("the URL does not begin with iscsi://, iser+iwarp://, iser+roce:// or vhost://: " + URLForm + " is wanted")
	}
	// Neither names nor LUNs have an @.
	if i := strings.LastIndexByte(rest, '@'); i >= 0 {
		u.User, rest = rest[:i], rest[i+1:]
		switch {
		case u.User == "":
			return URL{}, errors.New("the URL has an @ and no user before it")
		case strings.ContainsAny(u.User, "%/"):
			return URL{}, errors.New("the URL has more than a user before the @: a secret does not belong on a command line, where others see it: use --secret FILE")
		}
	}
	parts := strings.Split(rest, "/")
	if len(parts) != 3 {
		return URL{}, errors.New("the URL is not " + URLForm)
	}
	if err := u.setHost(parts[0]); err != nil {
		return URL{}, err
	}
	var err error
	if u.Target, err = login.NormalizeName(parts[1]); err != nil {
		return URL{}, err
	}
	if u.LUN, err = parseLUN(parts[2]); err != nil {
		return URL{}, err
	}
	return u, nil
}

func parseLUN(text string) (uint32, error) {
	n, err := strconv.ParseUint(text, 10, 32)
	if err != nil || n > scsi.MaxFlatLUN {
		return 0, fmt.Errorf("%q is not a LUN from 0 to %d", text, scsi.MaxFlatLUN)
	}
	return uint32(n), nil
}

// setHost reads HOST[:PORT].
func (u *URL) setHost(text string) error {
	port, given := "", false
	if inner, ok := strings.CutPrefix(text, "["); ok {
		host, after, closed := strings.Cut(inner, "]")
		if !closed {
			return fmt.Errorf("%q has no closing bracket", text)
		}
		a, err := netip.ParseAddr(host)
		if err != nil || !a.Is6() {
			return fmt.Errorf("%q is not an IPv6 address", host)
		}
		u.Host = host
		if port, given = strings.CutPrefix(after, ":"); !given && after != "" {
			return fmt.Errorf("%q is not a port", after)
		}
	} else {
		u.Host, port, given = strings.Cut(text, ":")
		if strings.Contains(port, ":") {
			return fmt.Errorf("%q: an IPv6 address stands in brackets", text)
		}
		if u.Host == "" || strings.Trim(strings.ToLower(u.Host), "abcdefghijklmnopqrstuvwxyz0123456789-._") != "" {
			return fmt.Errorf("%q is not a host", u.Host)
		}
	}
	if !given {
		return nil
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil || n == 0 {
		return fmt.Errorf("%q is not a port from 1 to 65535", port)
	}
	u.Port = uint16(n)
	return nil
}
