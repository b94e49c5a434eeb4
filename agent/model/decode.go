package model

import (
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"time"
)

// A decoder turns the values of a text into a document. It takes nothing it does not know,
// and goes on after a problem to find the others.
type decoder struct {
	source   *source
	problems Problems
	broken   bool // a piece could not be parsed
}

func valueOf(d *Document) reflect.Value { return reflect.ValueOf(d).Elem() }

// maxProblems is how many problems are told of a document: with more of them it is probably none.
const maxProblems = 200

// failAt notes a problem at n.
func (d *decoder) failAt(at Position, path, format string, args ...any) *Problem {
	p := &Problem{Source: d.source.name, At: at, Path: path, where: path, Err: fmt.Errorf(format, args...)}
	if len(d.problems) < maxProblems {
		d.problems = append(d.problems, p)
	}
	return p
}

// failKey notes a problem with the key of a value in path.
func (d *decoder) failKey(at Position, path, name, format string, args ...any) {
	p := d.failAt(at, path, format, args...)
	p.where, p.key = join(path, name), true
}

// loaded is n, or the piece that it stands for; false: it cannot be read.
func (d *decoder) loaded(n *node) (*node, bool) {
	if n.form != pieceNode {
		return n, true
	}
	piece, p := n.load()
	if p != nil {
		d.broken = true
		p.Source = d.source.name
		d.problems = append(d.problems, p)
		return nil, false
	}
	return &piece, true
}

// value decodes n into v.
func (d *decoder) value(n *node, v reflect.Value, path string) {
	n, ok := d.loaded(n)
	if !ok {
		return
	}
	switch n.form {
	case takenNode:
		d.failAt(n.at, path, notTaken)
		return
	case nullNode:
		d.failAt(n.at, path, "there is no value: leave the key out, or give it %s", want(v.Type()))
		return
	}
	switch into := v.Addr().Interface().(type) {
	case *Plugin:
		d.plugin(n, into, path)
	case *[]Named:
		d.named(n, into, path)
	case *[]LUN:
		d.luns(n, into, path)
	case *Portal:
		d.portal(n, into, path)
	case *Maintenance:
		d.maintenance(n, into, path)
	case *Size:
		parsed(d, n, into, path, ParseSize)
	case *time.Duration:
		parsed(d, n, into, path, func(text string) (time.Duration, error) {
			x, err := Option{Type: Duration}.Parse(text)
			t, _ := x.(time.Duration)
			return t, err
		})
	case *int:
		parsed(d, n, into, path, func(text string) (int, error) {
			x, err := Option{Type: Int, Max: 1 << 31}.Parse(text)
			i, _ := x.(int64)
			return int(i), err
		})
	case *bool:
		parsed(d, n, into, path, func(text string) (bool, error) {
			x, err := Option{Type: Bool}.Parse(text)
			b, _ := x.(bool)
			return b, err
		})
	case *string:
		if n.form != stringNode {
			d.failAt(n.at, path, "%s is %s: a string is wanted%s", n.excerpt(), n.form, n.quoteHint())
			return
		}
		*into = n.text
	default:
		d.composite(n, v, path)
	}
}

// composite decodes structures and lists.
func (d *decoder) composite(n *node, v reflect.Value, path string) {
	switch v.Kind() {
	case reflect.Slice:
		if n.form != listNode {
			d.failAt(n.at, path, "%s is %s: a list is wanted (\"- …\" on lines of their own, or [ … ])", n.excerpt(), n.form)
			return
		}
		v.Set(reflect.MakeSlice(v.Type(), len(n.of), len(n.of)))
		for i := range n.of {
			d.value(&n.of[i], v.Index(i), path+"["+strconv.Itoa(i)+"]")
		}
	case reflect.Struct:
		d.structure(n, v, path)
	}
}

// others is the tag of the field that takes the keys which no other field has: a schema says later
// which of them there are.
const others = "*"

// structure decodes keys and values into the fields that are tagged with the keys.
func (d *decoder) structure(n *node, v reflect.Value, path string) {
	t := v.Type()
	d.mapping(n, path, func(name string, val *node) {
		rest := -1
		for i := range t.NumField() {
			switch t.Field(i).Tag.Get("doc") {
			case others:
				rest = i
			case name:
				d.value(val, v.Field(i), join(path, name))
				return
			}
		}
		if rest < 0 {
			d.unknown(val, path, keys(v.Addr().Interface()))
			return
		}
		if g, ok := d.given(val, name, join(path, name)); ok {
			all, _ := v.Field(rest).Addr().Interface().(*Settings)
			*all = append(*all, g)
		}
	})
}

// unknown refuses the key of a value, which is none of those that there are.
func (d *decoder) unknown(val *node, path string, names []string) {
	d.failKey(val.keyAt, path, val.name, "%s", noKey(val.name, names))
}

// noKey says that a key is none of those that there are.
func noKey(key string, names []string) string {
	return fmt.Sprintf("there is no key %q here%s: the keys are %s%s", key, unknownHint(key), strings.Join(names, ", "), meant(key, names))
}

// keys are those that the fields of a structure are tagged with, in order.
func keys(structure any) []string {
	var names []string
	t := reflect.TypeOf(structure).Elem()
	for i := range t.NumField() {
		if name := t.Field(i).Tag.Get("doc"); name != "" && name != others {
			names = append(names, name)
		}
	}
	return names
}

const notTaken = "anchors, aliases, merges and tags are not taken here: write the value out"

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}

// mapping calls each for the values of n, whose keys are plain and occur once.
func (d *decoder) mapping(n *node, path string, each func(name string, val *node)) {
	if n.form != fieldsNode {
		d.failAt(n.at, path, "%s is %s: keys and values are wanted", n.excerpt(), n.form)
		return
	}
	const few = 16
	var seen map[string]bool
	if len(n.of) > few {
		seen = make(map[string]bool, len(n.of))
	}
	for i := range n.of {
		val := &n.of[i]
		twice := seen[val.name]
		for j := 0; seen == nil && j < i && !twice; j++ {
			twice = n.of[j].name == val.name && n.of[j].keyForm == stringNode
		}
		switch {
		case val.keyForm != stringNode:
			d.failAt(val.keyAt, path, "%s cannot be a key here", val.keyForm)
			continue
		case twice:
			d.failKey(val.keyAt, path, val.name, "the key %q is here twice", val.name)
			continue
		case seen != nil:
			seen[val.name] = true
		}
		each(val.name, val)
	}
}

// parsed decodes a scalar by its text.
func parsed[T any](d *decoder, n *node, into *T, path string, parse func(string) (T, error)) {
	text, ok := n.scalar()
	if !ok {
		d.failAt(n.at, path, "%s is %s: %s is wanted", n.excerpt(), n.form, want(reflect.TypeFor[T]()))
		return
	}
	x, err := parse(text)
	if err != nil {
		d.failAt(n.at, path, "%w", err)
		return
	}
	*into = x
}

// want says what a value of the type looks like.
func want(t reflect.Type) string {
	switch t {
	case reflect.TypeFor[Size]():
		return "a size such as 10G"
	case reflect.TypeFor[time.Duration]():
		return "a duration such as 10s"
	case reflect.TypeFor[Portal]():
		return "a portal such as 127.0.0.1:3260"
	case reflect.TypeFor[Maintenance]():
		return "true, false, or {redirect: ADDRESS}"
	}
	switch t.Kind() {
	case reflect.String:
		return "a string"
	case reflect.Int:
		return "a number"
	case reflect.Bool:
		return "true or false"
	case reflect.Slice:
		if t == reflect.TypeFor[[]LUN]() {
			return "LUNs with units, such as {0: UNIT}"
		}
		return "a list"
	default:
		return "keys and values"
	}
}
