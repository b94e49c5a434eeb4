package kind

import (
	"errors"
	"fmt"
	"io/fs"
	"os/user"
	"strconv"
	"strings"

	"github.com/lunette-io/lunette/agent/model"
	"github.com/lunette-io/lunette/network/vhost"
)

// Options are those of a portal at a path. Users and groups are looked for on this machine.
func Options(path string, v model.Values) (vhost.Options, error) {
	o := vhost.Options{Path: path, UID: -1, GID: -1, MaxMemory: v.Size("memory")}
	bits, err := strconv.ParseUint(v.String("mode"), 8, 9)
	if err != nil {
		return o, fmt.Errorf("mode: %w", err)
	}
	o.Mode = fs.FileMode(bits)
	if who := v.String("owner"); who != "" {
		if o.UID, err = userID("owner", who); err != nil {
			return o, err
		}
	}
	if who := v.String("group"); who != "" {
		if o.GID, err = groupID(who); err != nil {
			return o, err
		}
	}
	for _, who := range v.Strings("peers") {
		id, err := userID("peers", who)
		if err != nil {
			return o, err
		}
		o.Peers = append(o.Peers, uint32(id))
	}
	return o, nil
}

// mode returns the permissions of a file in the form that counts.
func mode(text string) (string, error) {
	bits, err := strconv.ParseUint(strings.TrimPrefix(text, "0o"), 8, 9)
	switch {
	case err != nil:
		return "", fmt.Errorf("%.20q is not the permissions of a file: they are octal, from 0 to 0777, such as 0660", text)
	case bits&0o222 == 0:
		return "", fmt.Errorf("%.20q lets nobody attach: that takes the permission to write, as 0600 gives it to the owner, and 0660 to the group as well", text)
	}
	return fmt.Sprintf("%04o", bits), nil
}

// name checks what may be the name or the number of a user or of a group: what there is on this machine is not looked at.
func name(text string) error {
	switch {
	case text == "":
		return errors.New("it is empty: leave it out, or write a name or a number")
	case len(text) > 256 || strings.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r == ':' || r == 0x7f }):
		return fmt.Errorf("%.40q is neither a name nor a number: it has up to 256 characters, and no blanks, colons or control characters", text)
	}
	return nil
}

// number is text as a user's or a group's number; the highest is none (it means: leave it).
func number(text string) (int, bool) {
	n, err := strconv.ParseUint(text, 10, 32)
	return int(n), err == nil && n != 1<<32-1
}

// userID is the number of a user; option is where it is named.
func userID(option, who string) (int, error) {
	if n, ok := number(who); ok {
		return n, nil
	}
	u, err := user.Lookup(who)
	if err != nil {
		return 0, unknown(option, "user", who)
	}
	n, ok := number(u.Uid)
	if !ok {
		return 0, unknown(option, "user", who)
	}
	return n, nil
}

// groupID is the number of a group.
func groupID(who string) (int, error) {
	if n, ok := number(who); ok {
		return n, nil
	}
	g, err := user.LookupGroup(who)
	if err != nil {
		return 0, unknown("group", "group", who)
	}
	n, ok := number(g.Gid)
	if !ok {
		return 0, unknown("group", "group", who)
	}
	return n, nil
}

// unknown is the error for a name that this machine does not have.
func unknown(option, what, who string) error {
	return &unknownError{fmt.Sprintf("%s: there is no %s %q on this machine: \"getent\" lists those that there are; one that is not in a file of /etc is written as its number", option, what, who)}
}

// An unknownError is about a user or a group, and says what to do.
type unknownError struct{ text string }

func (e *unknownError) Error() string { return e.text }
