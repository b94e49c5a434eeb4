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
	base      Set // what is there without the files
	libraries shelf[Library]
	drives    shelf[Drive]
	formats   shelf[Format]
	problems  []error
	whole     bool // the entry that is read is like no other: nothing may be missing
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
		base:      s,
		libraries: shelf[Library]{what: "library", base: s.Libraries, name: func(l *Library) *string { return &l.Name }},
		drives:    shelf[Drive]{what: "drive", base: s.Drives, name: func(d *Drive) *string { return &d.Name }},
		formats:   shelf[Format]{what: "media format", base: s.Formats, name: func(f *Format) *string { return &f.Name }},
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
	s := Set{Formats: b.formats.all(b), Drives: b.drives.all(b), Libraries: b.libraries.all(b)}
	if len(b.problems) == 0 {
		b.check(s)
	}
	if len(b.problems) > 0 {
		return Set{}, errors.Join(b.problems...)
	}
	return s, nil
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
			b.formats.read(b, file, v.value)
		case keyDrives:
			b.drives.read(b, file, v.value)
		case keyLibraries:
			b.libraries.read(b, file, v.value)
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
		fields := b.fields(file, n)
		for _, f := range fields {
			b.field(file, f, v, path+".")
		}
		for _, must := range required(v.Type()) {
			if b.whole && !slices.ContainsFunc(fields, func(f field) bool { return f.key == must }) {
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
			whole := b.whole
			b.whole = true // elements are like none
			b.value(file, e, all.Index(i), path+"["+strconv.Itoa(i)+"]")
			b.whole = whole
		}
		v.Set(all)
	}
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
