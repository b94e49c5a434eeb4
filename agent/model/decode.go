package model

import (
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml/ast"
)

// A decoder turns a syntax tree into a document. It takes nothing it does not know,
// and goes on after a problem to find the others.
type decoder struct {
	source   *source
	problems Problems
}

func valueOf(d *Document) reflect.Value { return reflect.ValueOf(d).Elem() }

// failAt notes a problem at n.
func (d *decoder) failAt(n ast.Node, path, format string, args ...any) {
	p := d.source.problem(path, fmt.Errorf(format, args...))
	p.At = position(n)
	d.problems = append(d.problems, p)
}

// failKey notes a problem with the key of a value in path.
func (d *decoder) failKey(key ast.Node, path, name, format string, args ...any) {
	d.failAt(key, path, format, args...)
	p := d.problems[len(d.problems)-1]
	p.where, p.key = join(path, name), true
}

// value decodes n into v.
func (d *decoder) value(n ast.Node, v reflect.Value, path string) {
	d.source.at[path] = position(n)
	switch n.(type) {
	case *ast.AnchorNode, *ast.AliasNode, *ast.TagNode, *ast.MergeKeyNode:
		d.failAt(n, path, notTaken)
		return
	case *ast.NullNode:
		d.failAt(n, path, "there is no value: leave the key out, or give it %s", want(v.Type()))
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
		s, ok := n.(*ast.StringNode)
		if !ok {
			d.failAt(n, path, "%s is %s: a string is wanted%s", excerpt(n), form(n), quoteHint(n))
			return
		}
		*into = s.Value
	default:
		d.composite(n, v, path)
	}
}

// composite decodes structures, pointers to them, and lists.
func (d *decoder) composite(n ast.Node, v reflect.Value, path string) {
	switch v.Kind() {
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		d.value(n, v.Elem(), path)
	case reflect.Slice:
		list, ok := n.(*ast.SequenceNode)
		if !ok {
			d.failAt(n, path, "%s is %s: a list is wanted (\"- …\" on lines of their own, or [ … ])", excerpt(n), form(n))
			return
		}
		v.Set(reflect.MakeSlice(v.Type(), len(list.Values), len(list.Values)))
		for i, e := range list.Values {
			d.value(e, v.Index(i), path+"["+strconv.Itoa(i)+"]")
		}
	case reflect.Struct:
		d.structure(n, v, path)
	}
}

// others is the tag of the field that takes the keys which no other field has: a schema says later
// which of them there are.
const others = "*"

// structure decodes keys and values into the fields that are tagged with the keys.
func (d *decoder) structure(n ast.Node, v reflect.Value, path string) {
	known := make(map[string]reflect.Value)
	for i := range v.NumField() {
		if name := v.Type().Field(i).Tag.Get("doc"); name != "" {
			known[name] = v.Field(i)
		}
	}
	d.mapping(n, path, func(key ast.Node, name string, val ast.Node) {
		if field, ok := known[name]; ok && name != others {
			d.value(val, field, join(path, name))
			return
		}
		field, ok := known[others]
		if !ok {
			d.failKey(key, path, name, "there is no key %q here%s: the keys are %s", name, unknownHint(name), strings.Join(keys(v.Addr().Interface()), ", "))
			return
		}
		if g, ok := d.given(val, name, join(path, name)); ok {
			all, _ := field.Addr().Interface().(*Settings)
			*all = append(*all, g)
		}
	})
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

// mapping calls each for the entries of n, whose keys are plain and occur once.
func (d *decoder) mapping(n ast.Node, path string, each func(key ast.Node, name string, val ast.Node)) {
	var entries []*ast.MappingValueNode
	switch m := n.(type) {
	case *ast.MappingNode:
		entries = m.Values
	case *ast.MappingValueNode:
		entries = []*ast.MappingValueNode{m}
	default:
		d.failAt(n, path, "%s is %s: keys and values are wanted", excerpt(n), form(n))
		return
	}
	var seen []string
	for _, e := range entries {
		name, ok := keyText(e.Key)
		switch {
		case !ok:
			d.failAt(e.Key, path, "%s cannot be a key here", form(e.Key))
		case slices.Contains(seen, name):
			d.failKey(e.Key, path, name, "the key %q is here twice", name)
		default:
			seen = append(seen, name)
			d.source.keys[join(path, name)] = position(e.Key)
			each(e.Key, name, e.Value)
		}
	}
}

func keyText(key ast.MapKeyNode) (string, bool) {
	switch k := key.(type) {
	case *ast.StringNode:
		return k.Value, true
	case *ast.IntegerNode:
		return k.GetToken().Value, true
	}
	return "", false
}

// parsed decodes a scalar by its text.
func parsed[T any](d *decoder, n ast.Node, into *T, path string, parse func(string) (T, error)) {
	text, ok := scalar(n)
	if !ok {
		d.failAt(n, path, "%s is %s: %s is wanted", excerpt(n), form(n), want(reflect.TypeFor[T]()))
		return
	}
	x, err := parse(text)
	if err != nil {
		d.failAt(n, path, "%w", err)
		return
	}
	*into = x
}

// scalar is the text of a plain or quoted value.
func scalar(n ast.Node) (string, bool) {
	switch s := n.(type) {
	case *ast.StringNode:
		return s.Value, true
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode:
		return n.GetToken().Value, true
	}
	return "", false
}

// form names what n is.
func form(n ast.Node) string {
	switch n.(type) {
	case *ast.MappingNode, *ast.MappingValueNode:
		return "keys and values"
	case *ast.SequenceNode:
		return "a list"
	case *ast.StringNode, *ast.LiteralNode:
		return "a string"
	case *ast.IntegerNode, *ast.FloatNode, *ast.InfinityNode, *ast.NanNode:
		return "a number"
	case *ast.BoolNode:
		return "true or false"
	case *ast.NullNode:
		return "nothing"
	}
	return "something else"
}

func excerpt(n ast.Node) string {
	if text, ok := scalar(n); ok {
		return fmt.Sprintf("%.40q", text)
	}
	return "this"
}

func quoteHint(n ast.Node) string {
	if text, ok := scalar(n); ok {
		return fmt.Sprintf(" (in quotes: %.40q)", text)
	}
	return ""
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
