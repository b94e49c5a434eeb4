package login

import (
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// ParseNumber reads a numerical value: decimal without leading zeros, or
// hexadecimal after 0x (RFC 7143 section 6.1).
func ParseNumber(s string) (uint64, error) {
	digits, base := s, 10
	if hasPrefix(s, "0x", "0X") {
		digits, base = s[2:], 16
	} else if len(s) > 1 && s[0] == '0' {
		return 0, fmt.Errorf("number %s with a leading zero", quote(s))
	}
	if digits == "" || digits[0] == '+' || digits[0] == '-' || strings.IndexByte(digits, '_') >= 0 {
		return 0, fmt.Errorf("%s is not a number", quote(s))
	}
	n, err := strconv.ParseUint(digits, base, 64)
	if err != nil {
		if errors.Is(err, strconv.ErrRange) {
			return 0, fmt.Errorf("number %s is too large", quote(s))
		}
		return 0, fmt.Errorf("%s is not a number", quote(s))
	}
	return n, nil
}

// ParseBool reads a boolean: Yes or No, spelt so.
func ParseBool(s string) (bool, error) {
	switch s {
	case Yes:
		return true, nil
	case No:
		return false, nil
	}
	return false, fmt.Errorf("%s is neither Yes nor No", quote(s))
}

// FormatBool is Yes or No.
func FormatBool(b bool) string {
	if b {
		return Yes
	}
	return No
}

// ParseBinary reads a binary value of at most limit bytes: hexadecimal after
// 0x, where an odd number of digits has a zero before them, or base64 after 0b
// (RFC 7143 section 6.1). The length is checked before anything is decoded.
func ParseBinary(s string, limit int) ([]byte, error) {
	switch {
	case hasPrefix(s, "0x", "0X"):
		s = s[2:]
		if s == "" {
			return nil, errors.New("binary value without digits")
		}
		if (len(s)+1)/2 > limit {
			return nil, fmt.Errorf("binary value of %d bytes; at most %d are allowed", (len(s)+1)/2, limit)
		}
		if len(s)%2 == 1 {
			s = "0" + s
		}
		b, err := hex.DecodeString(s)
		if err != nil {
			return nil, errors.New("binary value with a character that is no hexadecimal digit")
		}
		return b, nil
	case hasPrefix(s, "0b", "0B"):
		s = s[2:]
		if s == "" {
			return nil, errors.New("binary value without digits")
		}
		// The decoder would skip line ends.
		if strings.ContainsAny(s, "\r\n") {
			return nil, errors.New("binary value that is not base64")
		}
		raw := strings.TrimRight(s, "=")
		if n := base64.RawStdEncoding.DecodedLen(len(raw)); n > limit {
			return nil, fmt.Errorf("binary value of %d bytes; at most %d are allowed", n, limit)
		}
		enc := base64.RawStdEncoding
		if len(raw) != len(s) {
			enc, raw = base64.StdEncoding, s
		}
		b, err := enc.DecodeString(raw)
		if err != nil {
			return nil, errors.New("binary value that is not base64")
		}
		return b, nil
	}
	return nil, errors.New("binary value that begins with neither 0x nor 0b")
}

// FormatBinary is b in hexadecimal, the form every peer reads.
func FormatBinary(b []byte) string { return "0x" + hex.EncodeToString(b) }

func isBinary(s string) bool { return hasPrefix(s, "0x", "0X", "0b", "0B") }

func hasPrefix(s string, prefixes ...string) bool {
	for _, p := range prefixes {
		if strings.HasPrefix(s, p) {
			return true
		}
	}
	return false
}

// firstSupported is the first member of the list offered that is also in the
// list supported: the initiator's preference decides (RFC 7143 section 6.2.1).
func firstSupported(offered, supported string) (string, bool) {
	for o := range strings.SplitSeq(offered, ",") {
		for s := range strings.SplitSeq(supported, ",") {
			if o == s && o != "" {
				return o, true
			}
		}
	}
	return "", false
}
