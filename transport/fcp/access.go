package fcp

import (
	"fmt"
	"strings"

	"github.com/lunette-io/lunette/internal/wildcard"
	"github.com/lunette-io/lunette/network/fc"
)

// An access list says who may log in to a target, by patterns of port names; the zero one: everybody.
type access []string

func parseAccess(list []string) (access, error) {
	var a access
	for _, text := range list {
		p, err := Pattern(text)
		if err != nil {
			return nil, err
		}
		a = append(a, p)
	}
	return a, nil
}

// admits reports that an initiator may log in.
func (a access) admits(initiator fc.Name) bool {
	if len(a) == 0 {
		return true
	}
	name := fmt.Sprintf("%016x", uint64(initiator))
	for _, p := range a {
		if wildcard.Matches(p, name) {
			return true
		}
	}
	return false
}

// Notations are a port name in all the ways in which people write it, the one of this package first: with colons, with dashes, as
// a number, as a SCSI name string, and bare.
func Notations(n fc.Name) []string {
	colons, digits := n.String(), fmt.Sprintf("%016x", uint64(n))
	return []string{colons, strings.ReplaceAll(colons, ":", "-"), "0x" + digits, "naa." + digits, digits}
}

// Pattern returns a pattern of port names in the form that this package compares, which is small digits with nothing between them. In it * is any
// number of digits, and ? is one.
func Pattern(text string) (string, error) {
	plain := strings.ToLower(text)
	for _, prefix := range []string{"0x", "naa.", "wwpn:"} {
		plain = strings.TrimPrefix(plain, prefix)
	}
	var b strings.Builder
	digits, stars := 0, 0
	for _, r := range plain {
		switch {
		case r == ':' || r == '-':
			continue
		case r == '*':
			stars++
		case r == '?' || strings.ContainsRune("0123456789abcdef", r):
			digits++
		default:
			return "", notPattern(text)
		}
		b.WriteRune(r)
	}
	if digits > 16 || (stars == 0 && digits != 16) {
		return "", notPattern(text)
	}
	return b.String(), nil
}

func notPattern(text string) error {
	return fmt.Errorf("%.40q is not the name of an N_Port: it has 16 hexadecimal digits, such as 20:00:00:1b:21:01:02:03, and in their place may have * (any digits) and ? (one digit)", text)
}
