package personality

import (
	"reflect"
	"slices"

	"github.com/goccy/go-yaml/ast"
)

// A shelf has all of one sort that were read: libraries, drives or formats.
type shelf[T any] struct {
	what    string
	base    []T
	name    func(*T) *string
	entries []*entry[T]
	named   map[string]*entry[T]
}

// An entry is one of them, as it stands in a file.
type entry[T any] struct {
	at     place
	fields []field
	keys   map[string]place // where each value stands
	name   string
	like   *field // of another's name; nil: it is like none
	value  T
	state  state
}

// A state is how far an entry is.
type state uint8

const (
	unread state = iota
	reading
	done
	wrong
)

// read notes the entries of a list. They are decoded when all files were read: what one is like may stand behind it.
func (s *shelf[T]) read(b *builder, file string, n ast.Node) {
	list, ok := n.(*ast.SequenceNode)
	if !ok {
		b.fail(placeOf(file, n), "a list is wanted here (\"- name: …\"), not %s", form(n))
		return
	}
	for _, v := range list.Values {
		e := &entry[T]{at: placeOf(file, v), keys: make(map[string]place)}
		before := len(b.problems)
		for _, f := range b.fields(file, v) {
			e.keys[f.key] = placeOf(file, f.value)
			switch f.key {
			case keyLike:
				e.like = &f
			case "name":
				b.value(file, f.value, reflect.ValueOf(&e.name).Elem(), f.key)
				fallthrough
			default:
				e.fields = append(e.fields, f)
			}
		}
		if _, ok := e.keys["name"]; !ok && len(b.problems) == before {
			b.fail(e.at, "a %s needs name", s.what)
		}
		if len(b.problems) > before {
			continue
		}
		if first, ok := s.named[e.name]; ok {
			b.fail(e.at, "the %s %q is at %v already", s.what, e.name, first.at)
			continue
		}
		if s.named == nil {
			s.named = make(map[string]*entry[T])
		}
		s.named[e.name] = e
		s.entries = append(s.entries, e)
	}
}

// decode makes the value of an entry, and of what it is like before.
func (s *shelf[T]) decode(b *builder, e *entry[T]) bool {
	switch e.state {
	case done, wrong:
		return e.state == done
	case reading:
		b.fail(e.at, "the %s %q is like itself, perhaps by way of others", s.what, e.name)
		e.state = wrong
		return false
	}
	e.state = reading
	before := len(b.problems)
	if e.like != nil {
		var like string
		b.value(e.at.file, e.like.value, reflect.ValueOf(&like).Elem(), keyLike)
		base, missing := find(s.base, s.what, like, func(x T) string { return *s.name(&x) })
		switch o := s.named[like]; {
		case len(b.problems) > before:
		case o != nil && (o != e || missing != nil): // one that is like what it takes the place of means that
			if !s.decode(b, o) {
				e.state = wrong // what that is like was told
				return false
			}
			e.value = o.value
		case missing != nil:
			b.fail(e.like.at, "like: %w", missing)
		default:
			e.value = base
		}
	}
	b.whole = e.like == nil
	for _, f := range e.fields {
		b.field(e.at.file, f, reflect.ValueOf(&e.value).Elem(), "")
	}
	if e.like == nil && len(b.problems) == before {
		for _, must := range required(reflect.TypeFor[T]()) {
			if _, ok := e.keys[must]; !ok {
				b.fail(e.at, "the %s %q needs %s", s.what, e.name, must)
			}
		}
	}
	e.state = done
	if len(b.problems) > before {
		e.state = wrong
	}
	return e.state == done
}

// all are those before the files and those of the files, which take the place of others of their names.
func (s *shelf[T]) all(b *builder) []T {
	all := slices.Clone(s.base)
	at := make(map[string]int, len(all))
	for i := range all {
		at[*s.name(&all[i])] = i
	}
	for _, e := range s.entries {
		if !s.decode(b, e) {
			continue
		}
		if i, ok := at[e.name]; ok {
			all[i] = e.value
		} else {
			all = append(all, e.value)
		}
	}
	return all
}
