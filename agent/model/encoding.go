package model

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"
)

// encoded returns the UTF-8 of a document without a byte order mark, which editors on Windows write
// and YAML allows (YAML 1.2.2 5.2), or where the text is none.
func encoded(text []byte) ([]byte, Position, error) {
	if wide(text) {
		return nil, Position{}, errors.New("this is UTF-16, as some editors write it: a document is UTF-8: save it as that, or convert it with \"iconv -f UTF-16 -t UTF-8\"")
	}
	text = bytes.TrimPrefix(text, []byte("\ufeff"))
	at := Position{1, 1}
	for i := 0; i < len(text); {
		r, n := utf8.DecodeRune(text[i:])
		switch {
		case r == utf8.RuneError && n == 1:
			return nil, at, fmt.Errorf("the byte %#02x is not UTF-8: a document is UTF-8; a file whose name is not can have a second name that is (ln -s)", text[i])
		case r == 0 || r < ' ' && r != '\n' && r != '\r' && r != '\t' || r == 0x7f:
			return nil, at, fmt.Errorf("there is the control character %q: in quotes it can be written \"\\x%02x\"", r, r)
		case r == '\n':
			at = Position{at.Line + 1, 0}
		}
		at.Column++
		i += n
	}
	return text, Position{}, nil
}

// wide reports that text begins with the byte order mark of UTF-16 or UTF-32, or as ASCII does in them.
func wide(text []byte) bool {
	if len(text) < 2 {
		return false
	}
	mark := string(text[:2])
	return mark == "\xff\xfe" || mark == "\xfe\xff" || (text[0] == 0) != (text[1] == 0) || bytes.HasPrefix(text, []byte("\x00\x00\xfe\xff"))
}

// parserWords are what the parser says, and what people can do about it. The first that fits counts.
var parserWords = []struct{ has, words string }{
	{"found character '\t'", "there is a tab where blanks are wanted: YAML is indented with blanks"},
	{"could not find flow mapping end token '}'", "the { here has no }"},
	{"sequence end token ']' not found", "the [ here has no ]"},
	{"could not find '[' character corresponding to ']'", "the ] here has no ["},
	{"could not find '{' character corresponding to '}'", "the } here has no {"},
	{"',' or '}' must be specified", "a comma or a } is missing before this"},
	{"',' or ']' must be specified", "a comma or a ] is missing before this"},
	{"expected sequence element, but found ','", "there is nothing before the comma"},
	{"could not find flow map content", "a key with its value, or a }, is wanted behind the comma"},
	{"could not find end character of double-quoted text", "the text in quotes has no end: a \" is missing"},
	{"could not find end character of single-quoted text", "the text in quotes has no end: a ' is missing"},
	{"found unknown escape character", "there is no such escape in double quotes: write \\\\ for a backslash, or use single quotes"},
	{"reserved character", "this character has a meaning in YAML: write the value in quotes"},
	{"map key-value is pre-defined", "this does not belong here: keys that belong together begin in the same column"},
	{"value is not allowed in this context", "this does not belong here: look at the indentation, which must be the same for keys that belong together, and for a missing \": \" or \"- \""},
	{"mapping value is not allowed in this context", "there is a second \": \" in this line: write the value in quotes, or the key on a line of its own"},
	{"non-map value is specified", "a key with \": \" behind it is wanted here"},
	{"unexpected key name", "a key with \": \" behind it is wanted here"},
	{"could not find value for mapping key", "the key has no value"},
	{"expected map key-value delimiter", "a key with \": \" behind it is wanted here"},
	{"sequence entries are not allowed", "a list begins on a line of its own, not behind its key"},
	{"map key definition includes an implicit line break", "a key stands on one line, with \": \" behind it"},
	{"anchor", notTaken},
	{"alias", notTaken},
	{"tag", notTaken},
	{"merge", notTaken},
	{"irective", "directives (% at the start of a line) are not taken here"},
	{"second document", "a second document starts here: there is one in a file"},
	{"document separator", "there is something behind the --- or ... of a document"},
}

// inWords is a message of the parser in the words of this house.
func inWords(message string) string {
	if key, ok := strings.CutPrefix(message, "mapping key \""); ok {
		if name, _, ok := strings.Cut(key, "\" already defined"); ok {
			return fmt.Sprintf("the key %q is here twice", name)
		}
	}
	for _, w := range parserWords {
		if strings.Contains(message, w.has) {
			return w.words
		}
	}
	return fmt.Sprintf("this is neither YAML nor JSON (%s)", message)
}
