package model

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// otherWords are what some reader of YAML takes for something else than a string.
const otherWords = " true false yes no on off y n null nan inf "

// plainText reports that a string means itself in YAML without quotes, to every reader: what is not surely
// a string goes in quotes.
func plainText(s string) bool {
	if s == "" || len(s) > 200 {
		return false
	}
	for i, r := range s {
		switch {
		case strings.ContainsRune(letters+decimals+"_/.", unicode.ToLower(r)) && r < utf8.RuneSelf:
		case i > 0 && strings.ContainsRune("-+@%=", r):
		case i > 0 && r == ':' && i+1 < len(s):
		default:
			return false
		}
	}
	c := s[0]
	switch {
	case c == '.':
		return false
	case c >= '0' && c <= '9':
		return measure(s) || strings.Count(s, ".") == 3 && strings.Trim(s, decimals+".:/") == ""
	}
	return !strings.Contains(otherWords, " "+strings.ToLower(s)+" ")
}

// measure reports that s is a number with a unit behind it, as sizes and durations are, and nothing else.
func measure(s string) bool {
	unit := strings.TrimLeft(s, decimals)
	if after, ok := strings.CutPrefix(unit, "."); ok {
		if unit = strings.TrimLeft(after, decimals); unit == after {
			return false
		}
	}
	return unit != "" && strings.Contains(" B K M G T P KiB MiB GiB TiB PiB kB MB GB TB PB ns us ms s m h ", " "+unit+" ")
}

// wholeNumber reports that s is a number as JSON and YAML have it, with nothing special.
func wholeNumber(s string) bool {
	digits := strings.TrimPrefix(s, "-")
	if len(digits) > 1 && digits[0] == '0' || len(digits) > 18 {
		return false
	}
	return digits != "" && strings.Trim(digits, decimals) == "" && s != "-0"
}

// quoted is a string in double quotes, as JSON and YAML both read it.
func quoted(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\t':
			b.WriteString(`\t`)
		case r < ' ' || r == 0x7f || r == 0x85 || r == 0xa0 || r == 0x2028 || r == 0x2029 || r == 0xfeff:
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			b.WriteRune(r)
		}
	}
	b.WriteByte('"')
	return b.String()
}
