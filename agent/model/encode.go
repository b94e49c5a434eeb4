package model

import (
	"bytes"
	"strings"
)

// A writer writes nodes. Comments and places are not theirs.
type writer struct{ bytes.Buffer }

// scalarText is a scalar as a format has it, in braces or on a line of its own. What is no string is written
// as it was, if it is plain enough to be the same everywhere.
func scalarText(n *node, f Format, flow bool) string {
	switch n.form {
	case nullNode:
		return "null"
	case boolNode:
		if n.text == "true" || n.text == "false" {
			return n.text
		}
	case numberNode:
		if wholeNumber(n.text) {
			return n.text
		}
	case stringNode:
		if f == YAML && plainText(n.text) && !(flow && strings.Contains(n.text, ":")) { // which some readers take for a key
			return n.text
		}
	}
	return quoted(n.text)
}

// keyText is a key as a format has it.
func keyText(name string, f Format) string {
	if f == YAML && (plainText(name) && !strings.Contains(name, ":") || wholeNumber(name)) {
		return name
	}
	return quoted(name)
}

// flow writes n on one line: as JSON, or as YAML in braces.
func (w *writer) flow(n *node, f Format) {
	comma, colon := ",", ":"
	if f == YAML {
		comma, colon = ", ", ": "
	}
	begin, end := byte('['), byte(']')
	switch n.form {
	case fieldsNode:
		begin, end = '{', '}'
	case listNode:
	default:
		w.WriteString(scalarText(n, f, true))
		return
	}
	w.WriteByte(begin)
	for i := range n.of {
		if i > 0 {
			w.WriteString(comma)
		}
		if n.form == fieldsNode {
			w.WriteString(keyText(n.of[i].name, f) + colon)
		}
		w.flow(&n.of[i], f)
	}
	w.WriteByte(end)
}

// indented writes n as JSON on lines, those after the first behind an indent.
func (w *writer) indented(n *node, indent string) {
	if len(n.of) == 0 || scalars(n) && n.form == listNode {
		w.flow(n, JSON)
		return
	}
	begin, end := byte('['), byte(']')
	if n.form == fieldsNode {
		begin, end = '{', '}'
	}
	w.WriteByte(begin)
	for i := range n.of {
		if i > 0 {
			w.WriteByte(',')
		}
		w.WriteString("\n" + indent + "  ")
		if n.form == fieldsNode {
			w.WriteString(quoted(n.of[i].name) + ": ")
		}
		w.indented(&n.of[i], indent+"  ")
	}
	w.WriteString("\n" + indent)
	w.WriteByte(end)
}

// scalars reports that n has no values in its values.
func scalars(n *node) bool {
	for i := range n.of {
		if n.of[i].form == listNode || n.of[i].form == fieldsNode {
			return false
		}
	}
	return true
}

// lines writes the keys and values, or elements, of n on lines of their own, each behind an indent; the
// first is where the writer is. There is no line break after the last.
func (w *writer) lines(n *node, indent, eol string) {
	for i := range n.of {
		if i > 0 {
			w.WriteString(eol + indent)
		}
		v := &n.of[i]
		if n.form == listNode {
			w.WriteString("- ")
			w.inner(v, indent+"  ", eol, true)
			continue
		}
		w.WriteString(keyText(v.name, YAML) + ":")
		w.inner(v, indent+"  ", eol, false)
	}
}

// inner writes what is behind a dash, or behind the colon of a key, with its blank.
func (w *writer) inner(v *node, indent, eol string, dash bool) {
	const short = 100
	if line := w.short(v, short); line != "" {
		if !dash {
			w.WriteByte(' ')
		}
		w.WriteString(line)
		return
	}
	if !dash {
		w.WriteString(eol + indent)
	}
	w.lines(v, indent, eol)
}

// short is what is written on the line of its key: scalars, what is empty, and short lists of scalars.
func (w *writer) short(v *node, most int) string {
	var line writer
	switch {
	case v.form != listNode && v.form != fieldsNode:
		return scalarText(v, YAML, false)
	case len(v.of) == 0:
		line.flow(v, YAML)
	case v.form == listNode && scalars(v) && len(v.of) < most:
		if line.flow(v, YAML); line.Len() > most {
			return ""
		}
	}
	return line.String()
}

// encode writes a value as a text of its own.
func encode(n *node, f Format) []byte {
	var w writer
	switch {
	case f == JSON:
		w.indented(n, "")
	case n.form == fieldsNode && len(n.of) > 0, n.form == listNode && len(n.of) > 0:
		w.lines(n, "", "\n")
	default:
		w.WriteString(w.short(n, 0))
	}
	w.WriteByte('\n')
	return w.Bytes()
}

// same reports that two values mean the same, whatever they look like.
func same(a, b *node) bool {
	_, plainA := a.scalar()
	_, plainB := b.scalar()
	if plainA && plainB {
		return a.text == b.text
	}
	if a.form != b.form || len(a.of) != len(b.of) {
		return false
	}
	for i := range a.of {
		if a.of[i].name != b.of[i].name || !same(&a.of[i], &b.of[i]) {
			return false
		}
	}
	return true
}

// reindent takes an indent from the lines of a text, and puts another in its place, but for the first.
func reindent(text string, blanks int, indent, eol string) string {
	var b strings.Builder
	for i, line := range strings.Split(strings.TrimRight(text, "\n"), "\n") {
		line = strings.TrimRight(line, " \r")
		lead := len(line) - len(strings.TrimLeft(line, " "))
		line = line[min(lead, blanks):]
		if i > 0 {
			b.WriteString(eol)
			if line != "" {
				b.WriteString(indent)
			}
		}
		b.WriteString(line)
	}
	return b.String()
}
