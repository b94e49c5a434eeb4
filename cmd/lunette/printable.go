package main

import (
	"fmt"
	"io"
	"strings"
	"unicode"
	"unicode/utf8"
)

// printable is text as a terminal may have it: what is not UTF-8, what cannot be printed and what changes
// the direction of writing is written as Go writes it in quotes. Names of files have any bytes, and those
// of initiators come from the network.
func printable(text string) string {
	if strings.IndexFunc(text, unprintable) < 0 {
		return text
	}
	var b strings.Builder
	for i := 0; i < len(text); {
		r, n := utf8.DecodeRuneInString(text[i:])
		switch {
		case r == utf8.RuneError && n == 1:
			fmt.Fprintf(&b, `\x%02x`, text[i])
		case r == utf8.RuneError:
			b.WriteRune(r)
		case unprintable(r):
			q := fmt.Sprintf("%q", r)
			b.WriteString(q[1 : len(q)-1])
		default:
			b.WriteRune(r)
		}
		i += n
	}
	return b.String()
}

// unprintable is true for utf8.RuneError too, which may be a byte that is not UTF-8.
func unprintable(r rune) bool {
	return r != '\n' && r != '\t' && (r == utf8.RuneError || !unicode.IsPrint(r))
}

// A terminal is a writer of text for people. Each Write has whole characters.
type terminal struct{ io.Writer }

// Write writes what is printable of p.
func (t terminal) Write(p []byte) (int, error) {
	if _, err := io.WriteString(t.Writer, printable(string(p))); err != nil {
		return 0, err
	}
	return len(p), nil
}
