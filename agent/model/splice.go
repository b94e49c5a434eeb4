package model

import (
	"bytes"
	"strings"
)

// A splicer puts values into a text, and takes them out, and leaves all else as it is. What it returns is looked at
// by the parser: nil, or a text that says something else, means that the whole has to be written anew.
type splicer struct {
	text []byte
	o    *outline // of the keys that are edited
	eol  string
}

// A body is what is put: a value, and the lines in which somebody has written it, if they can stand in YAML as
// they are.
type body struct {
	n     *node
	lead  string // comment lines before the first
	lines string
}

func newSplicer(text []byte, o *outline) *splicer {
	s := &splicer{text: text, o: o, eol: "\n"}
	if bytes.Contains(text, []byte("\r\n")) {
		s.eol = "\r\n"
	}
	return s
}

// replaced is the text with another part from one place to another.
func (s *splicer) replaced(from, to int, with string) []byte {
	made := make([]byte, 0, len(s.text)+len(with))
	made = append(made, s.text[:from]...)
	made = append(made, with...)
	return append(made, s.text[to:]...)
}

// inFlow is a value in braces or on one line, behind what is before it.
func (s *splicer) inFlow(n *node, before string) string {
	var w writer
	i := strings.LastIndexByte(before, '\n')
	switch {
	case s.o.json && i >= 0:
		w.indented(n, before[i+1:])
	case s.o.json:
		w.flow(n, JSON)
	default:
		w.flow(n, YAML)
	}
	return w.String()
}

// element is a value as an element whose dash has col blanks before it, without a line break at the end.
func (s *splicer) element(b body, col int, flow bool) string {
	indent := strings.Repeat(" ", col)
	var w writer
	switch {
	case b.n.form != fieldsNode && b.n.form != listNode:
		w.WriteString(indent + "- " + scalarText(b.n, YAML, false))
	case flow || b.n.form != fieldsNode || len(b.n.of) == 0:
		w.WriteString(indent + "- ")
		w.flow(b.n, YAML)
	case b.lines != "":
		if b.lead != "" {
			w.WriteString(indent + reindent(b.lead, 0, indent, s.eol) + s.eol)
		}
		w.WriteString(indent + "- " + reindent(b.lines, 0, indent+"  ", s.eol))
	default:
		w.WriteString(indent + "- ")
		w.lines(b.n, indent+"  ", s.eol)
	}
	return w.String()
}

// putItem puts an element of the list of a key: in the place of the one at i, or, if i is -1, as the last.
func (s *splicer) putItem(key string, i int, b body) []byte {
	e := s.o.entry(key)
	if e == nil {
		list := node{form: listNode, of: []node{*b.n}}
		if s.o.flow {
			return s.putEntry(key, body{n: &list})
		}
		return s.addLines(strings.Repeat(" ", s.o.col) + key + ":" + s.eol + s.element(b, s.listCol(), false))
	}
	l := e.listed(s.text)
	switch {
	case l == nil:
		return nil
	case i >= 0 && l.flow:
		return s.replaced(l.items[i].from, l.items[i].to, s.inFlow(b.n, s.before(l.items[i].from)))
	case i >= 0:
		from, to, flow := s.extent(l, l.items[i])
		return s.replaced(from, to, s.element(b, l.col, flow && b.lines == ""))
	case l.flow && len(l.items) > 0:
		last := l.items[len(l.items)-1]
		before := s.before(last.from)
		if before == "" && (!s.o.json || len(l.items) > 1 && s.text[last.from-1] == ' ') {
			before = " "
		}
		return s.replaced(last.to, last.to, ","+before+s.inFlow(b.n, before))
	case l.flow && (s.o.flow || len(bytes.TrimSpace(s.text[l.open+1:l.close-1])) > 0):
		return s.replaced(l.open+1, l.open+1, s.inFlow(b.n, ""))
	case l.flow:
		end := lineEnd(s.text, l.close)
		rest := strings.TrimRight(string(s.text[l.close:end]), " \r")
		from := trimmedEnd(s.text, l.open)
		return s.replaced(from, l.close+len(rest), rest+s.eol+s.element(b, s.listCol(), false))
	}
	last := l.items[len(l.items)-1]
	_, _, flow := s.extent(l, last)
	return s.replaced(last.to, last.to, s.eol+s.element(b, l.col, flow && b.lines == ""))
}

// extent is the range of an element of lines, without a comment behind one that is in braces.
func (s *splicer) extent(l *listing, it span) (from, to int, flow bool) {
	begin := s.o.begin(s.text, l, it)
	if begin < it.to && (s.text[begin] == '{' || s.text[begin] == '[') {
		r := flowReader{text: s.text[:it.to], at: begin}
		if r.value() {
			return it.from, r.at, true
		}
	}
	return it.from, it.to, false
}

// before are the blanks before a place in brackets, up to what they stand behind; empty if that is no
// comma or bracket.
func (s *splicer) before(at int) string {
	from := trimmedEnd(s.text, at)
	if from > 0 && strings.IndexByte(",[{", s.text[from-1]) >= 0 {
		return string(s.text[from:at])
	}
	return ""
}

// listCol is how many blanks are before dashes here.
func (s *splicer) listCol() int {
	for _, e := range s.o.entries {
		if e.list != nil && !e.list.flow {
			return e.list.col
		}
	}
	return s.o.col + 2
}

// cutItem takes an element out of the list of a key.
func (s *splicer) cutItem(key string, i int) []byte {
	e := s.o.entry(key)
	if e == nil {
		return nil
	}
	l := e.listed(s.text)
	switch {
	case l == nil:
		return nil
	case l.flow:
		return s.cutFlow(l.items, i)
	case len(l.items) == 1:
		made := s.cutLines(l.items[i].from, l.items[i].to)
		return (&splicer{text: made}).replaced(e.colon, e.colon, " []")
	}
	return s.cutLines(l.items[i].from, l.items[i].to)
}

// cutLines takes whole lines out.
func (s *splicer) cutLines(from, to int) []byte {
	return s.replaced(from, min(lineEnd(s.text, to)+1, len(s.text)), "")
}

// lineEnd is the end of the line of a place, without its line break.
func lineEnd(text []byte, at int) int {
	if i := bytes.IndexByte(text[at:], '\n'); i >= 0 {
		return at + i
	}
	return len(text)
}

// cutFlow takes one of several parts out that have commas between them, with its comma.
func (s *splicer) cutFlow(parts []span, i int) []byte {
	p := parts[i]
	hash := func(from, to int) bool { return bytes.IndexByte(s.text[from:to], '#') >= 0 }
	switch {
	case i+1 < len(parts) && !hash(p.to, parts[i+1].from):
		return s.replaced(p.from, parts[i+1].from, "")
	case i+1 == len(parts) && i > 0 && !hash(parts[i-1].to, p.from):
		return s.replaced(parts[i-1].to, p.to, "")
	}
	r := flowReader{text: s.text, at: p.to}
	comma := r.blank() == ',' // there may be comments before it, which stay
	made := s.text
	if comma {
		made = s.replaced(r.at, r.at+1, "")
	}
	made = (&splicer{text: made}).replaced(p.from, p.to, "")
	if comma || i == 0 {
		return made
	}
	before := flowReader{text: s.text, at: parts[i-1].to}
	if before.blank() != ',' {
		return nil
	}
	return (&splicer{text: made}).replaced(before.at, before.at+1, "")
}

// addLines puts lines behind all others of a mapping; those of a whole document come last in the text.
func (s *splicer) addLines(lines string) []byte {
	if len(s.o.entries) == 0 {
		return nil
	}
	at := s.o.entries[len(s.o.entries)-1].to
	if rest := s.text[at:]; s.o.col == 0 && !bytes.Contains(rest, []byte("\n...")) && !bytes.Contains(rest, []byte("\n---")) {
		made := s.text
		if len(made) > 0 && made[len(made)-1] != '\n' {
			made = s.replaced(len(made), len(made), s.eol)
		}
		return (&splicer{text: made}).replaced(len(made), len(made), lines+s.eol)
	}
	return s.replaced(at, at, s.eol+lines)
}

// putEntry puts the value of a key, in the place of the one that it has or with the key as the last.
func (s *splicer) putEntry(key string, b body) []byte {
	e := s.o.entry(key)
	switch {
	case s.o.flow && e != nil:
		before := string(s.text[e.colon:e.value])
		if s.o.json { // how deep the braces are in which it stands
			before = s.before(e.from)
		}
		return s.replaced(e.value, e.to, s.inFlow(b.n, before))
	case s.o.flow:
		return s.addFlow(key, b)
	case e == nil:
		return s.addLines(strings.Repeat(" ", s.o.col) + keyText(key, YAML) + ":" + s.valueLines(b, s.o.col+2))
	case e.value >= 0:
		to := e.to
		if r := (flowReader{text: s.text[:e.to], at: e.value}); (s.text[e.value] == '{' || s.text[e.value] == '[') && r.value() {
			to = r.at
		}
		if b.lines == "" {
			var w writer
			w.flow(b.n, YAML)
			return s.replaced(e.value, to, w.String())
		}
		rest := strings.TrimSpace(string(s.text[to:e.to]))
		if rest != "" {
			rest = " " + rest
		}
		return s.replaced(e.colon, e.to, rest+s.valueLines(b, s.o.col+2))
	}
	end := trimmedEnd(s.text, lineEnd(s.text, e.colon))
	value := s.valueLines(b, s.o.col+2)
	if strings.HasPrefix(value, " ") {
		return s.replaced(e.colon, e.to, value+string(s.text[e.colon:end]))
	}
	return s.replaced(end, e.to, value)
}

// valueLines is a value behind the colon of its key, with what is between.
func (s *splicer) valueLines(b body, col int) string {
	indent := strings.Repeat(" ", col)
	if b.lines != "" {
		text := b.lines
		if b.lead != "" {
			text = b.lead + "\n" + text
		}
		return s.eol + indent + reindent(text, 0, indent, s.eol)
	}
	var w writer
	w.inner(b.n, indent, s.eol, false)
	return w.String()
}

// addFlow puts a key with its value behind all others in braces.
func (s *splicer) addFlow(key string, b body) []byte {
	f := YAML
	if s.o.json {
		f = JSON
	}
	colon := ": "
	before := " "
	at := s.o.open + 1
	if n := len(s.o.entries); n > 0 {
		last := s.o.entries[n-1]
		if at, before = last.to, s.before(last.from); before == "" && f == YAML {
			before = " "
		}
		if f == JSON && last.value == last.colon {
			colon = ":"
		}
		return s.replaced(at, at, ","+before+keyText(key, f)+colon+s.inFlow(b.n, before))
	}
	return s.replaced(at, at, keyText(key, f)+colon+s.inFlow(b.n, ""))
}

// cutEntry takes a key with its value out.
func (s *splicer) cutEntry(key string) []byte {
	var parts []span
	at := -1
	for i, e := range s.o.entries {
		parts = append(parts, span{from: e.from, to: e.to})
		if e.key == key {
			at = i
		}
	}
	switch {
	case at < 0:
		return nil
	case s.o.flow:
		return s.cutFlow(parts, at)
	}
	return s.cutLines(parts[at].from, parts[at].to)
}
