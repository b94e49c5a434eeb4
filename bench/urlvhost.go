package bench

import (
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"
)

const schemeVHost = "vhost://"

// Rings say which rings units are reached by, in a URL of vhost-user: vhost://PATH[?target=N&lun=N], where N is the target's number behind the socket and that of the unit, 0 if nothing is said. More can be
// said of the rings: packed=on, indirect_desc=off and event_idx=off, as QEMU calls these properties, and poll=DURATION, which is how long the client looks at a queue before it sleeps.
type Rings struct {
	Path                   string // absolute
	Packed, Direct, Simple bool   // packed rings; no indirect descriptors; no event index
	Poll                   time.Duration
}

// maxPoll bounds how long a client may look at a queue.
const maxPoll = time.Second

// parseVHost reads what is behind vhost://.
func parseVHost(rest string) (URL, error) {
	path, query, _ := strings.Cut(rest, "?")
	u := URL{Rings: Rings{Path: path}}
	switch {
	case !strings.HasPrefix(path, "/"):
		return URL{}, fmt.Errorf("%q is not the absolute path of a socket, as in vhost:///run/lunette/vm1.sock", path)
	case strings.ContainsAny(path, "%#\x00"):
		return URL{}, errors.New("the path of a socket has no %, no # and no zero byte")
	}
	all, err := url.ParseQuery(query)
	if err != nil {
		return URL{}, fmt.Errorf("%q: %w", query, err)
	}
	for key, values := range all {
		if len(values) > 1 {
			return URL{}, fmt.Errorf("%q is there %d times", key, len(values))
		}
		if err := u.ring(key, values[0]); err != nil {
			return URL{}, err
		}
	}
	return u, nil
}

// ring takes what is said by key=value.
func (u *URL) ring(key, value string) (err error) {
	r := &u.Rings
	onOff := func(to *bool, word bool) error {
		switch value {
		case "on":
			*to = word
		case "off":
			*to = !word
		default:
			return fmt.Errorf("%s=%q: on or off is possible", key, value)
		}
		return nil
	}
	switch key {
	case "target":
		n, err := strconv.ParseUint(value, 10, 8)
		if err != nil {
			return fmt.Errorf("%q is not the number of a target from 0 to 255", value)
		}
		u.Number = uint8(n)
	case "lun":
		u.LUN, err = parseLUN(value)
	case "packed":
		err = onOff(&r.Packed, true)
	case "indirect_desc":
		err = onOff(&r.Direct, false)
	case "event_idx":
		err = onOff(&r.Simple, false)
	case "poll":
		if r.Poll, err = time.ParseDuration(value); err != nil || r.Poll < 0 || r.Poll > maxPoll {
			err = fmt.Errorf("poll=%q: a duration up to %v is possible, such as 20us", value, maxPoll)
		}
	default:
		err = fmt.Errorf("%q means nothing: there are target, lun, packed, indirect_desc, event_idx and poll", key)
	}
	return err
}

// IsVHost reports that u is one of vhost-user.
func (u URL) IsVHost() bool { return u.Rings.Path != "" }

// vhost is the URL of a unit behind a socket.
func (u URL) vhost() string {
	r := u.Rings
	text := fmt.Sprintf("%s%s?target=%d&lun=%d", schemeVHost, r.Path, u.Number, u.LUN)
	for _, x := range []struct {
		is   bool
		text string
	}{{r.Packed, "packed=on"}, {r.Direct, "indirect_desc=off"}, {r.Simple, "event_idx=off"}, {r.Poll > 0, "poll=" + r.Poll.String()}} {
		if x.is {
			text += "&" + x.text
		}
	}
	return text
}
