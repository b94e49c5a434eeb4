package model

import (
	"errors"
	"fmt"
	"strings"
	"sync"
)

// A Position is a place in a file, from 1.
type Position struct{ Line, Column int }

// A Problem is one thing that is wrong with a document.
type Problem struct {
	Source string   // the file; empty for a document that was not read from one
	At     Position // zero when it is not known
	Path   string   // of the value, such as units[0].store.size; or its label
	Err    error

	where string // the value's path, whatever its label
	key   bool   // it is about a key that should not be there
}

func (p *Problem) Error() string {
	var b strings.Builder
	if p.Source != "" {
		b.WriteString(p.Source)
		if p.At.Line > 0 {
			fmt.Fprintf(&b, ":%d:%d", p.At.Line, p.At.Column)
		}
		b.WriteString(": ")
	}
	text := p.Err.Error()
	if p.Path != "" && !strings.HasPrefix(text, p.Path+": ") { // the label of a file is its name
		b.WriteString(p.Path + ": ")
	}
	b.WriteString(text)
	return b.String()
}

func (p *Problem) Unwrap() error { return p.Err }

// Problems are all that is wrong with a document, never none.
type Problems []*Problem

// Error is one line: the first problem, and how many there are.
func (p Problems) Error() string {
	if len(p) == 1 {
		return p[0].Error()
	}
	return fmt.Sprintf("%v (and %d more)", p[0], len(p)-1)
}

// All returns the problems that err is, one error each.
func All(err error) []error {
	var some Problems
	if !errors.As(err, &some) {
		return []error{err}
	}
	all := make([]error, len(some))
	for i, p := range some {
		all[i] = p
	}
	return all
}

// follows reports that p is probably a consequence of others: they are about the same value, or one
// inside of the other.
func (p *Problem) follows(others Problems) bool {
	inside := func(in, out string) bool {
		rest, ok := strings.CutPrefix(in, out)
		return ok && (out == "" || rest == "" || rest[0] == '.' || rest[0] == '[')
	}
	for _, o := range others {
		if p.where == o.where || !p.key && !o.key && (inside(p.where, o.where) || inside(o.where, p.where)) {
			return true
		}
		if o.key && !p.key && o.where != "" && inside(p.where, o.where) {
			return true
		}
	}
	return false
}

// source knows where the values of a document came from.
type source struct {
	name   string
	text   []byte // all of it
	labels map[string]string
	flags  map[string]string // of what the schema's flags say: the text has none of it
	// outline is how the text is taken in pieces; nil: it is not, and whole is the value of all of it.
	outline *outline
	whole   *node
	recent  *recent // of outline
	// device and transport are the kinds that are meant where none is written; portals: the document
	// has none, and got the one by default.
	device, transport string
	portals           bool
	valid             bool // it was validated, and nothing was wrong
}

// edges is an outline of the whole text also if it is not read by it; nil: it has none.
func (s *source) edges() *outline {
	if s.outline != nil {
		return s.outline
	}
	r := flowReader{text: s.text}
	return r.outline(1)
}

// Label names the value at path, and everything in it, for errors: the argument that
// it came from.
func (d *Document) Label(path, label string) {
	if d.source.labels == nil {
		d.source.labels = make(map[string]string)
	}
	d.source.labels[path] = label
}

// Problem makes a problem of the value at path, such as units[0].store.
func (d *Document) Problem(path string, err error) *Problem { return d.source.problem(path, err) }

// problem makes a Problem of the value at path.
func (s *source) problem(path string, err error) *Problem {
	p := &Problem{Source: s.name, Path: path, Err: err, where: path}
	for at := path; len(s.labels)+len(s.flags) > 0; {
		label, ok := s.labels[at]
		if !ok {
			label, ok = s.flags[at]
		}
		if ok {
			p.Path = label
			return p
		}
		if at == "" {
			break
		}
		at = at[:max(strings.LastIndexByte(at, '.'), strings.LastIndexByte(at, '['), 0)]
	}
	n, _ := s.find(path)
	p.At = n.at
	return p
}

// find returns the value at path, or the innermost around it that there is.
func (s *source) find(path string) (*node, bool) {
	if s.whole != nil {
		return s.whole.follow(path)
	}
	if s.outline == nil {
		return &node{}, false
	}
	var e *entry
	for i := range s.outline.entries {
		after, ok := strings.CutPrefix(path, s.outline.entries[i].key)
		if ok && (after == "" || after[0] == '.' || after[0] == '[') {
			e = &s.outline.entries[i]
			path = strings.TrimPrefix(after, ".")
			break
		}
	}
	if e == nil {
		return &node{at: s.outline.entries[0].at}, false
	}
	load, at := s.outline.single(s.text, e), e.at
	if e.list != nil {
		i, rest, ok := cutIndex(path)
		if !ok || i >= len(e.list.items) {
			return &node{at: e.at, keyAt: e.at}, path == ""
		}
		path = rest
		load, at = s.outline.item(s.text, e.list, e.list.items[i]), e.list.items[i].at
	}
	n := s.recent.piece(s.outline, at, load)
	if n == nil {
		return &node{at: at}, false
	}
	return n.follow(path)
}

// A recent keeps the piece that was looked into last: problems come one after the other.
type recent struct {
	mu sync.Mutex
	// of and at say which piece it is; mu guards all.
	of *outline
	at Position
	n  *node
}

// piece returns a piece of an outline, which load reads; nil: it cannot be read. Nobody changes it.
func (r *recent) piece(of *outline, at Position, load func() (node, *Problem)) *node {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.of == of && r.at == at {
		return r.n
	}
	n, p := load()
	r.of, r.at, r.n = of, at, &n
	if p != nil {
		r.n = nil
	}
	return r.n
}
