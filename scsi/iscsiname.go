package scsi

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// ISCSIName checks a name against RFC 7143 section 4.2.7 and returns it in the form in which names
// are compared, which is lower case. The forms are iqn.yyyy-mm.naming-authority[:anything], eui. with
// 16 and naa. with 16 or 32 hexadecimal digits. Targets must have such a name, on every transport; the
// names of initiators go through [InitiatorName]. It is the one rule for names: logins, documents
// and command lines have no other.
func ISCSIName(s string) (string, error) {
	s, err := compared(s, func(r rune) bool {
		return unicode.IsLetter(r) || unicode.IsDigit(r) || strings.ContainsRune("-.:", r) || r > unicode.MaxASCII && unicode.IsMark(r)
	})
	if err != nil {
		return "", err
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
		return "", fmt.Errorf("iSCSI name %s begins with none of iqn., eui. and naa. as it must", quoteName(s))
	}
	if !ok {
		return "", fmt.Errorf("iSCSI name %s is malformed", quoteName(s))
	}
	return s, nil
}

// InitiatorName returns the name of an initiator in the form in which names are compared, which
// for every name that RFC 7143 allows is that of [ISCSIName]. It does not ask whether the RFC allows
// it: initiators in the field have names of other forms and characters (docs/design/generosity.md),
// and a name proves nothing anyway. It refuses a name that could break a log or a terminal, or be
// taken for something else:
//
//   - one that is empty, longer than MaxISCSINameLen or not UTF-8;
//   - one with a character that cannot be printed, such as a line break, or one that changes the
//     direction of writing;
//   - one with a comma, which ends the name in the name of an initiator port (RFC 7143 section
//     4.4.2: NAME,i,0xISID) and so in the TransportIDs of persistent reservations.
func InitiatorName(s string) (string, error) {
	return compared(s, func(r rune) bool { return unicode.IsPrint(r) && r != ',' })
}

// compared returns s in lower case if it has at most MaxISCSINameLen bytes of UTF-8 and allowed
// characters alone.
func compared(s string, allowed func(rune) bool) (string, error) {
	if s == "" {
		return "", errors.New("empty iSCSI name")
	}
	if !utf8.ValidString(s) {
		return "", fmt.Errorf("iSCSI name %s is not UTF-8", quoteName(s))
	}
	for _, r := range s {
		if !allowed(r) {
			return "", fmt.Errorf("iSCSI name %s has the forbidden character %q", quoteName(s), r)
		}
	}
	lower := FoldISCSIName(s)
	if n := max(len(s), len(lower)); n > MaxISCSINameLen { // some letters have a longer lower case
		return "", fmt.Errorf("iSCSI name of %d bytes; at most %d are allowed", n, MaxISCSINameLen)
	}
	return lower, nil
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

// quoteName is the beginning of a name for an error.
func quoteName(s string) string {
	const most = 32
	if len(s) > most {
		return fmt.Sprintf("%q...", s[:most])
	}
	return fmt.Sprintf("%q", s)
}
