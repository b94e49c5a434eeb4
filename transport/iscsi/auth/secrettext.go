package auth

import (
	"bytes"
	"errors"
	"fmt"
	"unicode"
	"unicode/utf8"
)

// parseSecret takes a secret out of what a file has: it is the only line. What nobody sees and nobody
// would type in at the other end is refused, for it would be a part of the secret: the login would
// fail, and the log could say no more than that the response is wrong.
func parseSecret(b []byte) (Secret, error) {
	for _, mark := range []string{"\xef\xbb\xbf", "\xff\xfe", "\xfe\xff"} {
		if bytes.HasPrefix(b, []byte(mark)) {
			return Secret{}, errors.New("it begins with a byte order mark: save it as UTF-8 without one")
		}
	}
	line, rest, _ := bytes.Cut(b, []byte("\n"))
	if len(bytes.TrimSpace(rest)) > 0 {
		return Secret{}, errors.New("it has more than one line")
	}
	line = bytes.TrimSuffix(line, []byte("\r"))
	first, _ := utf8.DecodeRune(line)
	last, _ := utf8.DecodeLastRune(line)
	switch {
	case len(line) > 0 && len(bytes.TrimSpace(line)) == 0:
		return Secret{}, errors.New("it has blanks alone")
	case len(line) > 0 && unicode.IsSpace(first):
		return Secret{}, errors.New("it begins with a blank, which would be a part of the secret: take it out")
	case len(line) > 0 && unicode.IsSpace(last):
		return Secret{}, errors.New("it ends in a blank, which would be a part of the secret: take it out")
	}
	s, err := NewSecret(line)
	if err != nil {
		return Secret{}, fmt.Errorf("it has %w", err)
	}
	return s, nil
}
