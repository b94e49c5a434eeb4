package model

import (
	"bytes"
	"encoding/json"
	"unicode/utf8"
)

// A jsonReader reads JSON (RFC 8259), and knows where things stand. It takes nothing that is not JSON: what
// it does not take is given to the parser of YAML, which has words for what is wrong.
type jsonReader struct {
	text []byte
	at   int // the next byte
	// line, from 1, and start, the offset of its first byte, are of the next byte; wide is how many
	// bytes since then are not the first of a character.
	line, start, wide int
	values            int // how many there were
	deep              int
}

// newJSONReader reads text from an offset on, whose position in the text is known.
func newJSONReader(text []byte, at int, where Position) *jsonReader {
	return &jsonReader{text: text, at: at, line: where.Line, start: at - where.Column + 1}
}

func (r *jsonReader) position() Position {
	return Position{r.line, r.at - r.start - r.wide + 1}
}

// blank skips blanks and returns the next byte, without taking it; 0 at the end.
func (r *jsonReader) blank() byte {
	for ; r.at < len(r.text); r.at++ {
		switch c := r.text[r.at]; c {
		case ' ', '\t', '\r':
		case '\n':
			r.line, r.start, r.wide = r.line+1, r.at+1, 0
		default:
			return c
		}
	}
	return 0
}

// take takes the next byte that is not blank, if it is c.
func (r *jsonReader) take(c byte) bool {
	if r.blank() != c || r.at == len(r.text) {
		return false
	}
	r.at++
	return true
}

// value reads a value; keep is false if only its end is wanted. ok is false if it is not JSON.
func (r *jsonReader) value(keep bool) (n node, ok bool) {
	if r.values++; r.values > maxValues || r.deep > maxDepth {
		return n, false
	}
	c := r.blank()
	n.at = r.position()
	switch c {
	case '"':
		n.form = stringNode
		n.text, ok = r.quoted(keep)
	case '{', '[':
		r.deep++
		n, ok = r.composite(n, keep, c)
		r.deep--
	case 't', 'f', 'n':
		n.form, n.text, ok = r.word()
	default:
		n.form = numberNode
		n.text, ok = r.number()
	}
	return n, ok
}

// composite reads a list or keys and values, which begin with c.
func (r *jsonReader) composite(n node, keep bool, c byte) (node, bool) {
	n.form = listNode
	if c == '{' {
		n.form = fieldsNode
	}
	end := c + 2 // ] and } are the second after [ and {
	r.at++
	if r.take(end) {
		return n, true
	}
	for {
		var name string
		var at Position
		if c == '{' {
			ok := r.blank() == '"'
			at = r.position()
			if ok {
				name, ok = r.quoted(keep)
			}
			if !ok || !r.take(':') {
				return n, false
			}
		}
		v, ok := r.value(keep)
		if !ok {
			return n, false
		}
		if keep {
			v.name, v.keyAt, v.keyForm = name, at, stringNode
			n.of = append(n.of, v)
		}
		if r.take(end) {
			return n, true
		}
		if !r.take(',') {
			return n, false
		}
	}
}

// quoted reads a string, at whose quote the reader is.
func (r *jsonReader) quoted(keep bool) (string, bool) {
	begin := r.at
	plain := true
	for r.at++; r.at < len(r.text); r.at++ {
		switch c := r.text[r.at]; {
		case c == '"':
			r.at++
			return r.unquote(r.text[begin:r.at], plain, keep)
		case c == '\\':
			plain = false
			r.at++
		case c < ' ':
			return "", false
		case !utf8.RuneStart(c):
			r.wide++
		}
	}
	r.at = len(r.text)
	return "", false
}

// unquote is the text of a string in quotes; plain: without escapes.
func (r *jsonReader) unquote(quoted []byte, plain, keep bool) (text string, ok bool) {
	switch {
	case !plain: // also if it is not kept: its escapes may be wrong
		return text, json.Unmarshal(quoted, &text) == nil
	case keep:
		return string(quoted[1 : len(quoted)-1]), true
	}
	return "", true
}

// word reads true, false or null.
func (r *jsonReader) word() (nodeForm, string, bool) {
	for _, w := range []struct {
		text string
		form nodeForm
	}{{"true", boolNode}, {"false", boolNode}, {"null", nullNode}} {
		if bytes.HasPrefix(r.text[r.at:], []byte(w.text)) {
			r.at += len(w.text)
			return w.form, w.text, true
		}
	}
	return otherNode, "", false
}

// number reads a number, which stays as it is written.
func (r *jsonReader) number() (string, bool) {
	end := r.at
	for end < len(r.text) && bytes.IndexByte([]byte("+-.eE0123456789"), r.text[end]) >= 0 {
		end++
	}
	number := r.text[r.at:end]
	if len(number) > maxNumber || !json.Valid(number) {
		return "", false
	}
	r.at = end
	return string(number), true
}

// maxNumber is the longest number in bytes that a document has.
const maxNumber = 400
