package model

import (
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
)

func indexed(i int) string { return "[" + strconv.Itoa(i) + "]" }

// section edits a key of the whole document.
func (e *editor) section(edit Edit) error {
	name := edit.Key.Name
	if listOf(ObjectKind(strings.TrimSuffix(name, "s"))) == name || name == "version" || name == "" {
		return &NoObjectError{edit.Key}
	}
	var old *node
	if n, ok := e.doc.find(edit.Key); ok {
		old = &n
	}
	b, err := e.object(edit, old)
	if err != nil {
		return err
	}
	at := slices.IndexFunc(e.doc.Given, func(g Given) bool { return g.Name == name })
	if edit.Op == DeleteObject {
		if name == "limits" {
			e.doc.Limits = Limits{}
		} else if at >= 0 {
			e.doc.Given = slices.Delete(e.doc.Given, at, at+1)
		}
		return e.retext(change{entry: name, count: -1, splice: func(s *splicer) []byte { return s.cutEntry(name) }, mutate: func(root *node) { root.drop(name) }})
	}
	if name == "limits" {
		var l Limits
		if err := e.decode(edit.Key, b.n, reflect.ValueOf(&l).Elem()); err != nil {
			return err
		}
		e.doc.Limits = l
	} else {
		dec := &decoder{source: &source{name: printable(edit.Key.String())}}
		g, _ := dec.given(b.n, name, "")
		switch {
		case len(dec.problems) > 0:
			return dec.problems
		case at >= 0:
			e.doc.Given[at] = g
		default:
			e.doc.Given = append(e.doc.Given, g)
		}
	}
	e.bodies = append(e.bodies, edited{key: edit.Key, name: name, root: b.n})
	put := named(name, *b.n)
	return e.retext(change{entry: name, count: -1, path: name, want: b.n, splice: func(s *splicer) []byte { return s.putEntry(name, b) }, mutate: func(root *node) { root.put(put) }})
}

// A change is an edit of the text.
type change struct {
	entry string // the key of the document in which it is
	count int    // how many elements that has then; -1: it is no list
	path  string // where there is want then; empty: something is gone
	want  *node
	// splice changes the text, and mutate the value of the whole.
	splice func(*splicer) []byte
	mutate func(*node)
}

// retext changes the text. If it cannot be changed in place, or what comes out is not what was meant, it is
// written anew, without comments.
func (e *editor) retext(c change) error {
	src := &e.doc.source
	if o := src.edges(); o != nil {
		if next, ok := c.spliced(src, o, c.splice(newSplicer(src.text, o))); ok {
			e.doc.source = next
			return nil
		}
	}
	root, p := e.doc.root()
	if p != nil {
		return Problems{p}
	}
	if root.of = slices.Clone(root.of); c.want == nil || c.count >= 0 {
		for i := range root.of {
			root.of[i].of = slices.Clone(root.of[i].of)
		}
	}
	c.mutate(&root)
	text := encode(&root, e.doc.Format())
	if len(text) > maxDocument {
		return Problems{{Source: src.name, Err: fmt.Errorf("the document would be longer than %v", Size(maxDocument))}}
	}
	next := *src
	next.text, next.outline, next.whole, next.recent = text, newOutline(text), nil, new(recent)
	if next.outline == nil {
		whole, p := parseWhole(text)
		if p != nil {
			return Problems{p}
		}
		next.whole = &whole
	}
	e.doc.source = next
	return nil
}

// spliced is the source of a text that was changed in place, if it is what was meant.
func (c *change) spliced(was *source, o *outline, text []byte) (source, bool) {
	next := *was
	if text == nil || len(text) > maxDocument {
		return next, false
	}
	next.text, next.whole, next.recent = text, nil, new(recent)
	if next.outline = newOutline(text); next.outline == nil {
		if was.outline != nil || len(text) > maxPiece {
			return next, false
		}
		whole, p := parseYAML(text, 1)
		if p != nil {
			return next, false
		}
		next.whole = &whole
	}
	keys := len(o.entries)
	has := o.entry(c.entry) != nil
	switch {
	case c.want != nil && !has:
		keys++
	case c.want == nil && c.count < 0:
		keys--
	}
	if now := next.edges(); now == nil || len(now.entries) != keys {
		return next, false
	}
	if c.count >= 0 {
		entry := next.edges().entry(c.entry)
		if entry == nil {
			return next, false
		}
		if l := entry.listed(text); l == nil || len(l.items) != c.count {
			return next, false
		}
	}
	if c.want == nil {
		return next, true
	}
	n, ok := next.find(c.path)
	return next, ok && same(n, c.want)
}

// done validates what has come out.
func (e *editor) done() (*Document, error) {
	d := e.doc
	problems := d.validateAll(e.schema, nil, e)
	if len(problems) == 0 {
		return d, nil
	}
	for _, p := range problems {
		e.locate(p)
	}
	return nil, problems
}

// locate puts a problem where it stands in the body of an edit. Elsewhere it has no place: nobody has seen
// the text in which it would be.
func (e *editor) locate(p *Problem) {
	path := p.where
	p.At = Position{}
	for i := len(e.bodies) - 1; i >= 0; i-- {
		b := &e.bodies[i]
		rest, ok := e.inside(b, path)
		if !ok {
			continue
		}
		n, _ := b.root.follow(rest)
		p.Source, p.Path, p.At = printable(b.key.String()), rest, n.at
		if p.key {
			p.At = n.keyAt
			if i := strings.LastIndexByte(rest, '.'); i >= 0 {
				p.Path = rest[:i]
			} else {
				p.Path = ""
			}
		}
		return
	}
}

// inside is the path in an object of a path in the document.
func (e *editor) inside(b *edited, path string) (string, bool) {
	if b.list == "" {
		rest, ok := strings.CutPrefix(path, b.name)
		if !ok || rest != "" && rest[0] != '.' {
			return "", false
		}
		return strings.TrimPrefix(rest, "."), true
	}
	list, rest, ok := strings.Cut(path, "[")
	if !ok {
		return "", false
	}
	i, rest, ok := cutIndex("[" + rest)
	if !ok {
		return "", false
	}
	if b.list != "access" {
		return rest, list == b.list && i < e.doc.count(b.key.Kind) && e.doc.nameOf(b.key.Kind, i) == b.name
	}
	after, ok := strings.CutPrefix(rest, "access")
	if !ok || list != "targets" || i >= len(e.doc.Targets) {
		return "", false
	}
	target := e.doc.Targets[i]
	j, rest, ok := cutIndex(after)
	return rest, ok && j < len(target.Access) && target.Access[j].Name == b.name && strings.HasPrefix(b.key.Name, target.Name+"/")
}
