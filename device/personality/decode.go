package personality

import (
	"errors"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml/ast"
)

// A builder makes a set of files.
type builder struct {
	set0 Set
	// at is where the entries of the files were read, by what they are and their name.
	at       map[string]place
	problems []error
}

// A place is where something stands in a file.
type place struct {
	file         string
	line, column int
}

func (p place) String() string {
	if p.line == 0 {
		return p.file
	}
	return fmt.Sprintf("%s:%d:%d", p.file, p.line, p.column)
}

func (s Set) builder() *builder {
	return &builder{
		set0: Set{slices.Clone(s.Libraries), slices.Clone(s.Drives), slices.Clone(s.Formats)},
		at:   make(map[string]place),
	}
}

// maxProblems is how many problems are told of files.
const maxProblems = 20

// fail notes a problem.
func (b *builder) fail(at place, format string, args ...any) {
	if len(b.problems) < maxProblems {
		b.problems = append(b.problems, fmt.Errorf("%v: %w", at, fmt.Errorf(format, args...)))
	}
}

// set is what was read, if all of it is right.
func (b *builder) set() (Set, error) {
	if len(b.problems) == 0 {
		b.check()
	}
	if len(b.problems) > 0 {
		return Set{}, errors.Join(b.problems...)
	}
	return b.set0, nil
}

// Keys of a file: each is a list of such things.
const (
	keyLibraries = "libraries"
	keyDrives    = "drives"
	keyFormats   = "formats"
	keyLike      = "like" // in each of them: the name of another, whose values are its own where it says nothing
)

// read adds what is in a file.
func (b *builder) read(file string, text []byte) {
	root, at, err := parse(file, text)
	if err != nil {
		b.fail(at, "%w", err)
		return
	}
	if root == nil {
		return
	}
	for _, v := range b.fields(file, root) {
		switch v.key {
		case keyFormats:
			entries(b, file, v.value, "media format", &b.set0.Formats, func(f *Format) *string { return &f.Name })
		case keyDrives:
			entries(b, file, v.value, "drive", &b.set0.Drives, func(d *Drive) *string { return &d.Name })
		case keyLibraries:
			entries(b, file, v.value, "library", &b.set0.Libraries, func(l *Library) *string { return &l.Name })
		default:
			b.fail(v.at, "there is no key %.60q here: the keys of a file are %s, %s and %s", v.key, keyLibraries, keyDrives, keyFormats)
		}
	}
}

// A field is a key with its value.
type field struct {
	key   string
	at    place
	value ast.Node
}

// fields are the keys and values of n, whose keys are words that stand there once.
func (b *builder) fields(file string, n ast.Node) []field {
	var values []*ast.MappingValueNode
	switch m := n.(type) {
	case *ast.MappingNode:
		values = m.Values
	case *ast.MappingValueNode:
		values = []*ast.MappingValueNode{m}
	default:
		b.fail(placeOf(file, n), "keys and values are wanted here, not %s", form(n))
		return nil
	}
	all := make([]field, 0, len(values))
	for _, v := range values {
		at := placeOf(file, v.Key)
		key, ok := v.Key.(*ast.StringNode)
		if !ok {
			b.fail(at, "a word is wanted as the key")
			continue
		}
		if slices.ContainsFunc(all, func(f field) bool { return f.key == key.Value }) {
			b.fail(at, "the key %.60q is here twice", key.Value)
			continue
		}
		all = append(all, field{key.Value, at, v.Value})
	}
	return all
}

// entries reads a list of libraries, drives or formats, whose names are at name.
func entries[T any](b *builder, file string, n ast.Node, what string, into *[]T, name func(*T) *string) {
	list, ok := n.(*ast.SequenceNode)
	if !ok {
		b.fail(placeOf(file, n), "a list is wanted here (\"- name: …\"), not %s", form(n))
		return
	}
	for _, e := range list.Values {
		var v T
		before := len(b.problems)
		fields := b.fields(file, e)
		given := make([]string, 0, len(fields))
		for _, f := range fields { // what it is like comes first, wherever it stands
			if f.key != keyLike {
				continue
			}
			var like string
			b.value(file, f.value, reflect.ValueOf(&like).Elem(), f.key)
			base, err := find(*into, what, like, func(x T) string { return *name(&x) })
			if err != nil {
				b.fail(f.at, "like: %w", err)
			}
			v = base
			*name(&v) = ""
		}
		hasLike := false
		for _, f := range fields {
			if f.key == keyLike {
				hasLike = true
				continue
			}
			given = append(given, f.key)
			b.field(file, f, reflect.ValueOf(&v).Elem(), "")
		}
		at := placeOf(file, e)
		if len(b.problems) > before {
			continue
		}
		for _, must := range required(reflect.TypeFor[T]()) {
			if (!hasLike || must == "name") && !slices.Contains(given, must) {
				b.fail(at, "a %s needs %s", what, must)
			}
		}
		own := *name(&v)
		key := what + " " + own
		if first, ok := b.at[key]; ok {
			b.fail(at, "the %s %q is at %v already", what, own, first)
			continue
		}
		b.at[key] = at
		if i := slices.IndexFunc(*into, func(x T) bool { return *name(&x) == own }); i >= 0 {
			(*into)[i] = v
		} else {
			*into = append(*into, v)
		}
	}
}

// key is what a field of a structure is called in files, and whether it may be left out.
func key(f reflect.StructField) (name string, optional bool) {
	name, rest, _ := strings.Cut(f.Tag.Get("yaml"), ",")
	return name, rest == "omitempty"
}

// required are the keys that cannot be left out.
func required(t reflect.Type) (all []string) {
	for i := range t.NumField() {
		if name, optional := key(t.Field(i)); !optional {
			all = append(all, name)
		}
	}
	return all
}

// field reads the value of a key into a structure.
func (b *builder) field(file string, f field, v reflect.Value, path string) {
	t := v.Type()
	var names []string
	for i := range t.NumField() {
		name, _ := key(t.Field(i))
		if name == f.key {
			b.value(file, f.value, v.Field(i), path+name)
			return
		}
		names = append(names, name)
	}
	b.fail(f.at, "there is no key %.60q here%s", path+f.key, near(f.key, names))
}

// value reads a value.
func (b *builder) value(file string, n ast.Node, v reflect.Value, path string) {
	at := placeOf(file, n)
	switch v.Kind() {
	case reflect.String:
		s, ok := n.(*ast.StringNode)
		if !ok {
			if l, is := n.(*ast.LiteralNode); is {
				s, ok = l.Value, l.Value != nil
			}
		}
		if !ok {
			b.fail(at, "%s: a string is wanted, not %s%s", path, form(n), quoted(n))
			return
		}
		v.SetString(strings.TrimRight(s.Value, "\n"))
	case reflect.Bool:
		s, ok := n.(*ast.BoolNode)
		if !ok {
			b.fail(at, "%s: true or false is wanted, not %s", path, form(n))
			return
		}
		v.SetBool(s.Value)
	case reflect.Int, reflect.Int64, reflect.Uint8, reflect.Uint16, reflect.Uint32:
		b.number(at, n, v, path)
	case reflect.Struct:
		if v.Type() == reflect.TypeFor[DriveFormat]() {
			v.SetZero()
		}
		fields := b.fields(file, n)
		for _, f := range fields {
			b.field(file, f, v, path+".")
		}
		for _, must := range required(v.Type()) {
			if !slices.ContainsFunc(fields, func(f field) bool { return f.key == must }) && v.FieldByIndex(fieldIndex(v.Type(), must)).IsZero() {
				b.fail(at, "%s needs %s", path, must)
			}
		}
	case reflect.Slice:
		list, ok := n.(*ast.SequenceNode)
		if !ok {
			b.fail(at, "%s: a list is wanted, not %s", path, form(n))
			return
		}
		all := reflect.MakeSlice(v.Type(), len(list.Values), len(list.Values))
		for i, e := range list.Values {
			b.value(file, e, all.Index(i), path+"["+strconv.Itoa(i)+"]")
		}
		v.Set(all)
	}
}

func fieldIndex(t reflect.Type, name string) []int {
	for i := range t.NumField() {
		if own, _ := key(t.Field(i)); own == name {
			return []int{i}
		}
	}
	return nil
}

// number reads a whole number from 0 on, which fits into v.
func (b *builder) number(at place, n ast.Node, v reflect.Value, path string) {
	var most uint64 = math.MaxInt32
	switch v.Kind() {
	case reflect.Int64:
		most = math.MaxInt64
	case reflect.Uint8, reflect.Uint16, reflect.Uint32:
		most = 1<<v.Type().Bits() - 1
	}
	s, ok := n.(*ast.IntegerNode)
	var x uint64
	var err error
	if ok {
		x, err = strconv.ParseUint(strings.ReplaceAll(s.GetToken().Value, "_", ""), 0, 64)
	}
	switch {
	case !ok:
		b.fail(at, "%s: a whole number is wanted, not %s", path, form(n))
	case err != nil || x > most:
		b.fail(at, "%s: %.40s is not a number from 0 to %d", path, s.GetToken().Value, most)
	case v.CanUint():
		v.SetUint(x)
	default:
		v.SetInt(int64(x))
	}
}
