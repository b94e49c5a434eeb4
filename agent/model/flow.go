package model

import (
	"bytes"
	"encoding/json"
	"strings"
)

// A flowReader finds where the parts stand of what is written in braces and brackets, in YAML. It takes what is
// right; of what is wrong it may take some, so that what is done by it is looked at by the parser.
type flowReader struct {
	text []byte
	at   int
	deep int
}

// blank skips blanks, line breaks and comments, and returns the next byte; 0 at the end.
func (r *flowReader) blank() byte {
	for ; r.at < len(r.text); r.at++ {
		switch c := r.text[r.at]; {
		case c == ' ' || c == '\t' || c == '\r' || c == '\n':
		case c == '#' && (r.at == 0 || strings.IndexByte(" \t\r\n", r.text[r.at-1]) >= 0):
			end := bytes.IndexByte(r.text[r.at:], '\n')
			if end < 0 {
				r.at = len(r.text)
				return 0
			}
			r.at += end
		default:
			return c
		}
	}
	return 0
}

func (r *flowReader) take(c byte) bool {
	if r.blank() != c || r.at == len(r.text) {
		return false
	}
	r.at++
	return true
}

// value skips a value.
func (r *flowReader) value() bool {
	if r.deep++; r.deep > maxDepth {
		return false
	}
	defer func() { r.deep-- }()
	switch r.blank() {
	case '{':
		return r.outline(0) != nil
	case '[':
		return r.list() != nil
	}
	_, ok := r.scalar()
	return ok
}

// scalar skips a scalar, and returns it if it is plain or in quotes.
func (r *flowReader) scalar() (string, bool) {
	switch r.blank() {
	case 0, '&', '*', '!', '|', '>', '%', '@', '`', ',', ']', '}', ':', '?':
		return "", false
	case '"', '\'':
		return r.quoted(r.text[r.at])
	}
	begin := r.at
	for ; r.at < len(r.text); r.at++ {
		c := r.text[r.at]
		ends := r.at+1 == len(r.text) || strings.IndexByte(" \t\r\n,[]{}", r.text[r.at+1]) >= 0
		switch {
		case c == '{' || c == '[':
			return "", false
		case c == ',' || c == ']' || c == '}' || c == ':' && ends || c == '#' && strings.IndexByte(" \t\r\n", r.text[r.at-1]) >= 0:
			return strings.TrimRight(string(r.text[begin:r.at]), " \t\r\n"), true
		}
	}
	return "", false
}

// quoted skips a string in quotes.
func (r *flowReader) quoted(quote byte) (string, bool) {
	begin := r.at
	for r.at++; r.at < len(r.text); r.at++ {
		switch c := r.text[r.at]; {
		case c == '\\' && quote == '"':
			r.at++
		case c == quote && quote == '\'' && r.at+1 < len(r.text) && r.text[r.at+1] == '\'':
			r.at++
		case c == quote:
			r.at++
			text := r.text[begin:r.at]
			if quote == '\'' {
				return strings.ReplaceAll(string(text[1:len(text)-1]), "''", "'"), true
			}
			var s string
			if json.Unmarshal(text, &s) != nil {
				s = string(text) // as a key it is none of ours
			}
			return s, true
		}
	}
	return "", false
}

// outline looks at the keys and values in the braces that come next, and at lists among the values if deep is not 0.
// nil: it is written in another way.
func (r *flowReader) outline(deep int) *outline {
	if r.blank() != '{' {
		return nil
	}
	o := &outline{flow: true, open: r.at}
	r.at++
	for r.blank() != '}' {
		e := entry{from: r.at}
		key, ok := r.scalar()
		if !ok || !r.take(':') {
			return nil
		}
		e.key, e.colon = key, r.at
		c := r.blank()
		e.value = r.at
		if c == '[' && deep > 0 {
			e.list = r.list()
			ok = e.list != nil
		} else {
			ok = r.value()
		}
		if !ok {
			return nil
		}
		e.to = trimmedEnd(r.text, r.at)
		o.entries = append(o.entries, e)
		if !r.take(',') && r.blank() != '}' {
			return nil
		}
	}
	r.at++
	o.close = r.at
	return o
}

// list looks at the elements in the brackets that come next.
func (r *flowReader) list() *listing {
	l := &listing{flow: true, open: r.at}
	r.at++
	for r.blank() != ']' {
		s := span{from: r.at}
		if !r.value() {
			return nil
		}
		s.to = trimmedEnd(r.text, r.at)
		l.items = append(l.items, s)
		if !r.take(',') && r.blank() != ']' {
			return nil
		}
	}
	r.at++
	l.close = r.at
	return l
}

// trimmedEnd is an end without the blanks before it.
func trimmedEnd(text []byte, end int) int {
	for end > 0 && strings.IndexByte(" \t\r\n", text[end-1]) >= 0 {
		end--
	}
	return end
}

// listed is where the elements of an entry stand, also if it is a list in brackets that was not looked into;
// nil: it is no list.
func (e *entry) listed(text []byte) *listing {
	if e.list == nil && e.value >= 0 && text[e.value] == '[' {
		r := flowReader{text: text[:e.to], at: e.value}
		return r.list()
	}
	return e.list
}

// within looks into an element of a list; nil: it does not have keys and values, or they are written in
// another way.
func (o *outline) within(text []byte, l *listing, s span) *outline {
	begin := o.begin(text, l, s)
	switch {
	case begin >= s.to:
		return nil
	case o.json:
		return newJSONReader(text[:s.to], begin, Position{1, 1}).outline()
	case text[begin] == '{':
		r := flowReader{text: text[:s.to], at: begin}
		return r.outline(1)
	case l.flow:
		return nil
	}
	return outlineBlock(text, s.from, s.to, begin, begin-s.from, s.at.Line)
}

// begin is where the value of an element begins, behind its dash if it has one.
func (o *outline) begin(text []byte, l *listing, s span) int {
	if l.flow {
		return s.from
	}
	at := s.from + l.col + 1
	for at < s.to && text[at] == ' ' {
		at++
	}
	return at
}
