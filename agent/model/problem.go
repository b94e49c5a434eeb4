package model

import (
	"errors"
	"fmt"
	"strings"
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
	text   []byte              // all of it
	at     map[string]Position // of values, by their paths
	keys   map[string]Position // of keys, by the paths of their values
	labels map[string]string
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
	for at := path; ; {
		if label, ok := s.labels[at]; ok {
			p.Path = label
			return p
		}
		if pos, ok := s.at[at]; ok && p.At.Line == 0 {
			p.At = pos
		}
		if at == "" {
			return p
		}
		at = at[:max(strings.LastIndexByte(at, '.'), strings.LastIndexByte(at, '['), 0)]
	}
}
