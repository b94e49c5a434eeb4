package model

import (
	"bytes"
	"strings"
)

// An outline is where the keys of a mapping stand in a text, and the elements of those of its values that
// are lists. The text is parsed in pieces by it, so that what a parser needs is gone when a piece has been
// read, and edited in pieces, so that nothing else in it changes.
type outline struct {
	json bool // all of it is JSON
	// flow: it stands in braces, which are at open and before close; else each key begins a line, col
	// blanks after its begin.
	flow        bool
	open, close int
	col         int
	entries     []entry
}

// An entry is a key with its value. In braces its range is exact; else it is of whole lines, from the
// begin of the first to the end of the last, without the line break.
type entry struct {
	key      string
	from, to int
	at       Position // of the key
	colon    int      // what is behind the colon
	value    int      // where the value begins; -1: on a line of its own
	list     *listing // if the value is one that was looked into
}

// A listing is where the elements of a list stand.
type listing struct {
	flow        bool // in brackets, which are at open and before close
	open, close int
	col         int // else: how many blanks are before the dashes
	items       []span
}

// A span is the range of an element: exact, or of whole lines, as those of an [entry].
type span struct {
	from, to int
	at       Position // of the element, or of its dash
}

// entry finds a key.
func (o *outline) entry(key string) *entry {
	for i := range o.entries {
		if o.entries[i].key == key {
			return &o.entries[i]
		}
	}
	return nil
}

// newOutline looks at the keys of a whole document; nil: it is not written in a way that can be taken in
// pieces.
func newOutline(text []byte) *outline {
	if at := bytes.TrimLeft(text, " \t\r\n"); len(at) > 0 && at[0] == '{' {
		r := newJSONReader(text, 0, Position{1, 1})
		if o := r.outline(); o != nil && len(o.entries) > 0 && r.blank() == 0 && r.at == len(text) {
			return o
		}
		return nil
	}
	o := outlineBlock(text, 0, len(text), 0, 0, 1)
	if o == nil || len(o.entries) == 0 {
		return nil
	}
	return o
}

// root is the value of the whole text, in pieces.
func (o *outline) root(text []byte) node {
	root := node{form: fieldsNode, at: Position{1, 1}}
	for i := range o.entries {
		e := &o.entries[i]
		n := node{name: e.key, keyAt: e.at, keyForm: stringNode, at: e.at}
		if e.list != nil {
			n.form = listNode
			n.of = make([]node, len(e.list.items))
			for j, s := range e.list.items {
				n.of[j] = node{form: pieceNode, at: s.at, load: o.item(text, e.list, s)}
			}
			if len(n.of) > 0 {
				n.at = n.of[0].at
			}
		} else {
			n.form, n.load = pieceNode, o.single(text, e)
		}
		root.of = append(root.of, n)
	}
	if len(root.of) > 0 && !o.flow {
		root.at = root.of[0].keyAt
	}
	return root
}

// item reads an element of a list.
func (o *outline) item(text []byte, l *listing, s span) func() (node, *Problem) {
	return func() (node, *Problem) {
		if o.json {
			n, _ := newJSONReader(text[:s.to], s.from, s.at).value(true)
			return n, nil
		}
		n, p := parsePiece(text[s.from:lineAfter(text, s.to)], s.at)
		if p == nil && (n.form != listNode || len(n.of) != 1) {
			p = &Problem{At: s.at, Err: errPiece}
		}
		if p != nil {
			return n, p
		}
		return n.of[0], nil
	}
}

// single reads the value of a key.
func (o *outline) single(text []byte, e *entry) func() (node, *Problem) {
	return func() (node, *Problem) {
		if o.json {
			r := newJSONReader(text[:e.to], e.from, e.at)
			r.quoted(false)
			r.take(':')
			n, _ := r.value(true)
			return n, nil
		}
		n, p := parsePiece(text[e.from:lineAfter(text, e.to)], e.at)
		if p == nil && (n.form != fieldsNode || len(n.of) != 1 || n.of[0].name != e.key) {
			p = &Problem{At: e.at, Err: errPiece}
		}
		if p != nil {
			return n, p
		}
		return n.of[0], nil
	}
}

// lineAfter is where the line after that of a place begins.
func lineAfter(text []byte, at int) int { return min(lineEnd(text, at)+1, len(text)) }

// parsePiece reads a part of a document in YAML that begins at a place.
func parsePiece(text []byte, at Position) (node, *Problem) {
	if len(text) > maxPiece {
		return node{}, tooLong(at)
	}
	return parseYAML(text, at.Line)
}

// outline looks at the keys and values that come next, and at their lists; nil: it is not JSON.
func (r *jsonReader) outline() *outline {
	if r.blank() != '{' {
		return nil
	}
	o := &outline{json: true, flow: true, open: r.at}
	for r.at++; !r.take('}'); {
		if len(o.entries) > 0 && !r.take(',') {
			return nil
		}
		if r.blank() != '"' {
			return nil
		}
		e := entry{from: r.at, at: r.position()}
		key, ok := r.quoted(true)
		if !ok || !r.take(':') {
			return nil
		}
		e.key, e.colon = key, r.at
		if r.blank() == '[' {
			e.value = r.at
			e.list = r.list()
			ok = e.list != nil
		} else {
			e.value = r.at
			_, ok = r.value(false)
		}
		if !ok {
			return nil
		}
		e.to = r.at
		o.entries = append(o.entries, e)
	}
	o.close = r.at
	return o
}

// list looks at the elements of the list that comes next.
func (r *jsonReader) list() *listing {
	l := &listing{flow: true, open: r.at}
	for r.at++; !r.take(']'); {
		if len(l.items) > 0 && !r.take(',') {
			return nil
		}
		r.blank()
		s := span{from: r.at, at: r.position()}
		if _, ok := r.value(false); !ok {
			return nil
		}
		s.to = r.at
		l.items = append(l.items, s)
	}
	l.close = r.at
	return l
}

// outlineBlock looks at keys that each begin a line, in text[from:to], whose first line has a number. The first key
// is at first, and all have col blanks before them (or, on its line, something else). nil: it is written in
// another way, or wrong.
func outlineBlock(text []byte, from, to, first, col, line int) *outline {
	b := blockReader{o: &outline{col: col}, text: text}
	for at := from; at < to; line++ {
		end := to
		if i := bytes.IndexByte(text[at:to], '\n'); i >= 0 {
			end = at + i
		}
		next := end + 1
		content := text[at:end]
		if at == from {
			content = text[first:end]
		}
		trimmed := bytes.TrimRight(content, " \t\r")
		end -= len(content) - len(trimmed)
		blanks := len(trimmed) - len(bytes.TrimLeft(trimmed, " "))
		trimmed = trimmed[blanks:]
		if at == from {
			blanks += first - from
		}
		switch {
		case bytes.IndexByte(trimmed, '\r') >= 0: // a line break to YAML, not to us
			return nil
		case len(trimmed) == 0 || trimmed[0] == '#':
		case col == 0 && len(b.o.entries) == 0 && string(trimmed) == "---":
		case trimmed[0] == '\t' || !b.line(trimmed, blanks, at, end, line):
			return nil
		}
		at = next
	}
	return b.o
}

// A blockReader takes lines that are not blank.
type blockReader struct {
	o    *outline
	text []byte
	body int // how many blanks are before the lines of the last entry's value; 0: there was none
}

// line takes a line that begins at a place; its content is behind some blanks. false: it is none that
// can stand here.
func (b *blockReader) line(content []byte, blanks, at, end, number int) bool {
	col := b.o.col
	var cur *entry
	if n := len(b.o.entries); n > 0 {
		cur = &b.o.entries[n-1]
	}
	dash := content[0] == '-' && (len(content) == 1 || content[1] == ' ')
	switch {
	case blanks < col, blanks > col && cur == nil:
		return false
	case blanks == col && !dash:
		key, colon := blockKey(content)
		if colon == 0 || col == 0 && (key == "---" || key == "...") {
			return false
		}
		start := end - len(content)
		e := entry{key: key, from: at, to: end, at: Position{number, blanks + 1}, colon: start + colon, value: -1}
		if rest := bytes.TrimLeft(content[colon:], " "); len(rest) > 0 && rest[0] != '#' {
			e.value = end - len(rest)
		}
		b.o.entries = append(b.o.entries, e)
		b.body = 0
		return true
	case cur == nil:
		return false
	case cur.value >= 0: // what goes on behind the key
		if blanks == col || strings.IndexByte("{[\"'", b.text[cur.value]) < 0 { // a plain text of several lines
			return false
		}
	case cur.list == nil && b.body == 0 && dash:
		cur.list = &listing{col: blanks}
		b.item(cur, content, blanks, at, end, number)
	case cur.list != nil && blanks == cur.list.col && dash:
		b.item(cur, content, blanks, at, end, number)
	case blanks == col:
		return false
	case cur.list == nil && b.body == 0:
		b.body = blanks
	default: // what goes on in the value, or in an element
		if blanks < b.body || cur.list != nil && blanks <= cur.list.col {
			return false
		}
	}
	cur.to = end
	if cur.list != nil {
		cur.list.items[len(cur.list.items)-1].to = end
	}
	return true
}

// item begins an element. The lines of its value begin where its first does.
func (b *blockReader) item(e *entry, content []byte, blanks, at, end, number int) {
	e.list.items = append(e.list.items, span{from: at, to: end, at: Position{number, blanks + 1}})
	rest := bytes.TrimLeft(content[1:], " ")
	b.body = blanks + 1
	if len(rest) > 0 && rest[0] != '#' {
		b.body = blanks + len(content) - len(rest)
	}
}

// blockKey is the key with which a line begins, and how many bytes it has with its colon; 0: it begins
// with none, or with one that is written as few are.
func blockKey(content []byte) (key string, colon int) {
	if content[0] == '"' {
		end := bytes.IndexByte(content[1:], '"')
		if end < 0 || bytes.IndexByte(content[:end+1], '\\') >= 0 {
			return "", 0
		}
		key, colon = string(content[1:end+1]), end+2
	} else {
		colon = bytes.IndexByte(content, ':')
		if colon <= 0 {
			return "", 0
		}
		key = string(content[:colon])
		if strings.Trim(strings.ToLower(key), letters+decimals+"._-") != "" {
			return "", 0
		}
	}
	if len(content) <= colon || content[colon] != ':' || len(content) > colon+1 && content[colon+1] != ' ' {
		return "", 0
	}
	return key, colon + 1
}
