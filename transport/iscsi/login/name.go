package login

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// MaxNameLen is the length of the longest iSCSI name in bytes (RFC 7143 section 4.2.7.2).
const MaxNameLen = 223

// NormalizeName checks an iSCSI name and returns it in the form in which names
// are compared, which is lower case (RFC 7143 section 4.2.7). The forms are
// iqn.yyyy-mm.naming-authority[:anything], eui. with 16 and naa. with 16 or 32
// hexadecimal digits. The underscore, which RFC 3722 does not allow, is let
// pass, since initiators in the field have it in their names.
func NormalizeName(s string) (string, error) {
	if s == "" {
		return "", errors.New("empty iSCSI name")
	}
	if len(s) > MaxNameLen {
		return "", fmt.Errorf("iSCSI name of %d bytes; at most %d are allowed", len(s), MaxNameLen)
	}
	if !utf8.ValidString(s) {
		return "", fmt.Errorf("iSCSI name %q is not UTF-8", s)
	}
	for _, r := range s {
		switch {
		case unicode.IsLetter(r), unicode.IsDigit(r), r == '-', r == '.', r == ':', r == '_':
		case r > unicode.MaxASCII && unicode.IsMark(r):
		default:
			return "", fmt.Errorf("iSCSI name %q has the forbidden character %q", s, r)
		}
	}
	s = strings.ToLower(s)
	if len(s) > MaxNameLen {
		return "", fmt.Errorf("iSCSI name of %d bytes; at most %d are allowed", len(s), MaxNameLen)
	}
	var ok bool
	switch {
	case strings.HasPrefix(s, "iqn."):
		ok = isIQN(s[4:])
	case strings.HasPrefix(s, "eui."):
		ok = len(s) == 4+16 && isHex(s[4:])
	case strings.HasPrefix(s, "naa."):
		ok = (len(s) == 4+16 || len(s) == 4+32) && isHex(s[4:])
	default:
		return "", fmt.Errorf("iSCSI name %q begins with none of iqn., eui. and naa. as it must", s)
	}
	if !ok {
		return "", fmt.Errorf("iSCSI name %q is malformed", s)
	}
	return s, nil
}

// InitiatorName returns the name of an initiator in the form in which names are compared. It does
// not judge it: initiators in the field have names that RFC 7143 4.2.7 does not allow, and a
// name proves nothing anyway. It refuses only what could not be logged, stored or told apart from
// something else: names that are empty, longer than MaxNameLen or not UTF-8, that have a character
// which cannot be printed, or a comma, which ends a name in a TransportID (SPC-5 7.6.4.6).
func InitiatorName(s string) (string, error) {
	switch {
	case s == "":
		return "", errors.New("empty iSCSI name")
	case len(s) > MaxNameLen:
		return "", fmt.Errorf("iSCSI name of %d bytes; at most %d are allowed", len(s), MaxNameLen)
	case !utf8.ValidString(s):
		return "", fmt.Errorf("iSCSI name %s is not UTF-8", quote(s))
	}
	for _, r := range s {
		if !unicode.IsPrint(r) || r == ',' {
			return "", fmt.Errorf("iSCSI name %s has the forbidden character %q", quote(s), r)
		}
	}
	name := strings.ToLower(s)
	if len(name) > MaxNameLen {
		return "", fmt.Errorf("iSCSI name of %d bytes; at most %d are allowed", len(name), MaxNameLen)
	}
	return name, nil
}

// isIQN checks what follows iqn.: a year, a month, a naming authority.
func isIQN(s string) bool {
	if len(s) < 9 || s[4] != '-' || s[7] != '.' {
		return false
	}
	for _, i := range []int{0, 1, 2, 3, 5, 6} {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	month := s[5:7]
	return month >= "01" && month <= "12" && s[8] != ':' && s[8] != '.'
}

func isHex(s string) bool {
	for i := range len(s) {
		if !strings.ContainsRune("0123456789abcdef", rune(s[i])) {
			return false
		}
	}
	return true
}

// checkAlias checks an alias: text for people, which must not break a log or a
// terminal.
func checkAlias(s string) error {
	if !utf8.ValidString(s) {
		return fmt.Errorf("alias %s is not UTF-8", quote(s))
	}
	for _, r := range s {
		if !unicode.IsPrint(r) {
			return fmt.Errorf("alias %s has a character that cannot be printed", quote(s))
		}
	}
	return nil
}
