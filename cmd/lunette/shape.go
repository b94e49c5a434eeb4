package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/lunette-io/lunette/agent/model"
)

// A shape is what the JSON Schema of documents says of one value: the schemas that it may be of. Without
// any, whatever is written is taken for what it looks like.
type shape struct {
	root fields
	any  []fields
}

// maxNested is how deep schemas are followed into each other.
const maxNested = 32

// shapeOf is the shape of objects of a kind.
func shapeOf(schema []byte, k model.Key) (shape, error) {
	tree, err := readTree(schema)
	if err != nil {
		return shape{}, err
	}
	root, ok := tree.(fields)
	if !ok {
		return shape{}, errors.New("the schema is no object")
	}
	s := shape{root: root, any: []fields{root}}
	path := map[model.ObjectKind][]string{
		model.UserObject: {"users", "0"}, model.UnitObject: {"units", "0"}, model.TargetObject: {"targets", "0"},
		model.AccessObject: {"targets", "0", "access", "0"}, model.PortalObject: {"portals", "0"}, model.SectionObject: {k.Name},
	}[k.Kind]
	return s.at(nil, path), nil
}

// at is the shape of what is at path in v, which may be nil: what is known of it decides between schemas.
func (s shape) at(v any, path []string) shape {
	for _, name := range path {
		name = strings.TrimPrefix(name, placeMark)
		of, _ := v.(fields)
		kind := of.text("kind")
		next := shape{root: s.root}
		for _, x := range s.expanded(kind) {
			next.any = append(next.any, inside(x, name)...)
		}
		s = next
		v = childOf(v, name)
	}
	return s
}

func childOf(v any, name string) any {
	switch v := v.(type) {
	case fields:
		inner, _ := v.get(name)
		return inner
	case []any:
		if i, err := strconv.Atoi(name); err == nil && i >= 0 && i < len(v) {
			return v[i]
		}
	}
	return nil
}

// inside are the schemas of a key, or of an element, of what x is about.
func inside(x fields, name string) []fields {
	if of, ok := x.get("properties"); ok {
		if p, ok := of.(fields); ok {
			if y, ok := p.get(name); ok {
				return schemas(y)
			}
		}
	}
	var all []fields
	if of, ok := x.get("patternProperties"); ok {
		patterns, _ := of.(fields)
		for _, p := range patterns {
			if fits, err := regexp.MatchString(p.name, name); err == nil && fits {
				all = append(all, schemas(p.value)...)
			}
		}
	}
	if len(all) > 0 {
		return all
	}
	if y, ok := x.get("additionalProperties"); ok {
		all = append(all, schemas(y)...)
	}
	if _, err := strconv.Atoi(name); err == nil {
		if y, ok := x.get("items"); ok {
			all = append(all, schemas(y)...)
		}
	}
	return all
}

func schemas(v any) []fields {
	if of, ok := v.(fields); ok {
		return []fields{of}
	}
	return nil
}

// expanded are the schemas with those that they refer to and are made of, but for those of another kind.
func (s shape) expanded(kind string) []fields {
	var all []fields
	var walk func(x fields, depth int)
	walk = func(x fields, depth int) {
		if depth > maxNested || kind != "" && otherKind(x, kind) {
			return
		}
		all = append(all, x)
		if ref := x.text("$ref"); ref != "" {
			for _, y := range schemas(s.pointed(ref)) {
				walk(y, depth+1)
			}
		}
		for _, key := range []string{"allOf", "anyOf", "oneOf"} {
			list, _ := x.get(key)
			some, _ := list.([]any)
			for _, y := range some {
				for _, z := range schemas(y) {
					walk(z, depth+1)
				}
			}
		}
		s.conditional(x, kind, func(y fields) { walk(y, depth+1) })
	}
	for _, x := range s.any {
		walk(x, 0)
	}
	return all
}

// conditional walks what an if of x leads to.
func (s shape) conditional(x fields, kind string, walk func(fields)) {
	condition, _ := x.get("if")
	of, isIf := condition.(fields)
	then, _ := x.get("then")
	other, _ := x.get("else")
	is := !isIf || kind == "" || !otherKind(of, kind)
	if is {
		for _, y := range schemas(then) {
			walk(y)
		}
	}
	if !is || kind == "" {
		for _, y := range schemas(other) {
			walk(y)
		}
	}
}

// otherKind reports that x is about what has another "kind".
func otherKind(x fields, kind string) bool {
	for _, y := range inside(x, "kind") {
		if c, ok := y.get("const"); ok && inline(c) != kind {
			return true
		}
		if list, ok := y.get("enum"); ok {
			some, _ := list.([]any)
			if !slices.ContainsFunc(some, func(v any) bool { return inline(v) == kind }) {
				return true
			}
		}
	}
	return false
}

// pointed is what a reference in the document itself points at (RFC 6901); nil: nothing.
func (s shape) pointed(ref string) any {
	path, ok := strings.CutPrefix(ref, "#/")
	if !ok {
		return nil
	}
	var v any = s.root
	for part := range strings.SplitSeq(path, "/") {
		v = childOf(v, strings.NewReplacer("~1", "/", "~0", "~").Replace(part))
	}
	return v
}

// types are the words for what the value may be; none: nobody knows.
func (s shape) types() []string {
	var all []string
	for _, x := range s.expanded("") {
		switch t, _ := x.get("type"); t := t.(type) {
		case string:
			all = append(all, t)
		case []any: // where a string may be without quotes, it is still one
			text := slices.Contains(t, any("string"))
			for _, one := range t {
				if word := inline(one); !text || word != "number" && word != "boolean" {
					all = append(all, word)
				}
			}
		}
		for _, key := range []string{"const", "enum"} {
			v, ok := x.get(key)
			if !ok {
				continue
			}
			some, isList := v.([]any)
			if !isList {
				some = []any{v}
			}
			for _, one := range some {
				switch one.(type) {
				case string:
					all = append(all, "string")
				case bool:
					all = append(all, "boolean")
				case json.Number:
					all = append(all, "number")
				}
			}
		}
	}
	return all
}

// listed is a path in v with the mark at what are places in lists, also in those that are not there yet.
func (s shape) listed(v any, path []string) []string {
	path = slices.Clone(path)
	for i, name := range path {
		types := s.types()
		if slices.Contains(types, "array") && !slices.Contains(types, "object") && !strings.HasPrefix(name, placeMark) {
			path[i] = placeMark + name
		}
		s = s.at(v, path[i:i+1])
		v = childOf(v, strings.TrimPrefix(path[i], placeMark))
	}
	return path
}

// valueAt is what is assigned in v. Where the schema says nothing, a list stays one.
func (s shape) valueAt(v any, a assignment) (any, error) {
	at := s.at(v, a.path)
	for _, name := range a.path {
		v = childOf(v, strings.TrimPrefix(name, placeMark))
	}
	if _, list := v.([]any); list && len(at.types()) == 0 {
		at.any = []fields{{{"type", "array"}}}
	}
	return at.value(a.text)
}

// value is what a text of the command line is.
func (s shape) value(text string) (any, error) {
	types := s.types()
	may := func(words ...string) bool {
		return len(types) == 0 || slices.ContainsFunc(words, func(w string) bool { return slices.Contains(types, w) })
	}
	switch {
	case (text[0] == '[' || text[0] == '{') && may("array", "object"):
		v, err := readTree([]byte(text))
		if err != nil && !may("string") {
			return nil, fmt.Errorf("%s is not JSON: %w", text, err)
		}
		if err == nil {
			return v, nil
		}
	case (text == "true" || text == "false") && may("boolean"):
		return text == "true", nil
	case numeric.MatchString(text) && may("number", "integer"):
		return json.Number(text), nil
	case may("string"):
		return text, nil
	case may("array"):
		list := []any{}
		of := s.at(nil, []string{"0"})
		for part := range strings.SplitSeq(text, ",") {
			if part = strings.TrimSpace(part); part == "" {
				continue
			}
			v, err := of.value(part)
			if err != nil {
				return nil, err
			}
			list = append(list, v)
		}
		return list, nil
	}
	return text, nil
}

// numeric are the numbers of JSON.
var numeric = regexp.MustCompile(`^-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?$`)
