package model

import (
	"bytes"
	"errors"
	"strings"
)

// parseBody reads the object of an edit.
func parseBody(e Edit) (body, *Problem) {
	text, p := checked(printable(e.Key.String()), e.Body)
	if p != nil {
		return body{}, p
	}
	rest := bytes.TrimLeft(text, " \t\r\n")
	if len(rest) > 0 && strings.IndexByte("{[\"", rest[0]) >= 0 {
		r := newJSONReader(text, 0, Position{1, 1})
		if n, ok := r.value(true); ok && r.blank() == 0 && r.at == len(text) {
			return body{n: &n}, nil
		}
	}
	n, p := parsePiece(text, Position{1, 1})
	if p == nil && n.form == nullNode {
		p = &Problem{At: n.at, Err: errors.New("the object is empty: write its keys and values, as they stand in a document")}
	}
	if p != nil {
		p.Source = printable(e.Key.String())
		return body{}, p
	}
	b := body{n: &n}
	if n.form == fieldsNode && len(n.of) > 0 && len(rest) > 0 && rest[0] != '{' {
		b.lead, b.lines = ownLines(text, n.of[0].keyAt)
	}
	return b, nil
}

// ownLines are the lines of a text in YAML whose first key is at a place, without their indent, and those of comments
// before them; empty: they mean something else in another text.
func ownLines(text []byte, at Position) (lead, lines string) {
	all := strings.Split(strings.TrimRight(string(text), " \r\n"), "\n")
	for i, line := range all {
		content := strings.TrimLeft(line, " ")
		blanks := len(line) - len(content)
		content = strings.TrimRight(content, " \r")
		switch {
		case content == "" || content[0] == '#':
		case content[0] == '\t' || i < at.Line-1 || blanks < at.Column-1, strings.HasPrefix(line, "---"), strings.HasPrefix(line, "..."):
			return "", ""
		}
	}
	if before := strings.Join(all[:at.Line-1], "\n"); strings.TrimSpace(before) != "" {
		lead = reindent(strings.Trim(before, " \r\n"), len(before), "", "\n")
	}
	first := strings.Repeat(" ", at.Column-1)
	if !strings.HasPrefix(all[at.Line-1], first) {
		return "", ""
	}
	return lead, reindent(strings.Join(all[at.Line-1:], "\n"), at.Column-1, "", "\n")
}

// merged is a value with a JSON merge patch (RFC 7396) on it.
func merged(old, patch *node) node {
	if patch.form != fieldsNode {
		return *patch
	}
	made := node{form: fieldsNode}
	if old != nil && old.form == fieldsNode {
		made.of = append(made.of, old.of...)
	}
	for i := range patch.of {
		p := &patch.of[i]
		if p.form == nullNode {
			made.drop(p.name)
			continue
		}
		v := merged(made.field(p.name), p)
		v.name, v.keyAt, v.keyForm = p.name, p.keyAt, p.keyForm
		made.put(v)
	}
	return made
}

// drop takes a key out, and leaves the values that others have of n as they are.
func (n *node) drop(name string) {
	of := make([]node, 0, len(n.of))
	for i := range n.of {
		if n.of[i].name != name {
			of = append(of, n.of[i])
		}
	}
	n.of = of
}

// long is an object with what may be written short written long, so that a patch finds the keys.
func long(kind ObjectKind, old, patch *node) *node {
	made := *old
	switch {
	case kind == PortalObject && old.form != fieldsNode:
		p, _ := splitPortal(old.text)
		made = node{form: fieldsNode}
		if p.Kind != "" {
			made.of = append(made.of, named("kind", textNode(p.Kind)))
		}
		made.of = append(made.of, named("address", textNode(p.Written)))
	case kind == TargetObject || kind == AccessObject:
		luns, change := old.field("luns"), patch.field("luns")
		if luns == nil || change == nil {
			break
		}
		made.of = append([]node(nil), old.of...)
		wide := *luns
		wide.of = append([]node(nil), luns.of...)
		for i := range wide.of {
			l := &wide.of[i]
			if c := change.field(l.name); c != nil && c.form == fieldsNode && l.form == stringNode {
				unit := named("unit", textNode(l.text))
				*l = named(l.name, fieldsOf(unit))
			}
		}
		made.put(wide)
	}
	return &made
}
