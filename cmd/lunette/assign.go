package main

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// An assignment is one KEY=VALUE: where a value is in an object, and what it is to be; empty: it goes.
type assignment struct {
	path []string
	text string
}

// placeMark begins a part of a path that is a place in a list, whatever there is.
const placeMark = "["

// assignments reads KEY=VALUE, KEY with dots where one is in another: store.size=20G. A dot of a name is
// written \. there; a place in a list is .0 or [0].
func assignments(args []string) ([]assignment, error) {
	var all []assignment
	for _, arg := range args {
		key, text, ok := strings.Cut(arg, "=")
		if !ok || key == "" {
			return nil, fmt.Errorf("%q is not KEY=VALUE, such as store.size=20G; KEY= takes the value away", arg)
		}
		path := []string{""}
		for i := 0; i < len(key); i++ {
			switch last := len(path) - 1; {
			case key[i] == '\\' && i+1 < len(key) && key[i+1] == '.':
				i++
				path[last] += "."
			case key[i] == '.':
				path = append(path, "")
			case key[i] == '[' && path[last] != "":
				path = append(path, placeMark)
			case key[i] == ']' && last > 0 && (i+1 == len(key) || key[i+1] == '.' || key[i+1] == '['): // of a place in a list
			default:
				path[last] += key[i : i+1]
			}
		}
		for _, name := range path {
			if name == "" || name == placeMark {
				return nil, fmt.Errorf("%q: a name is missing beside a dot", key)
			}
		}
		all = append(all, assignment{path, text})
	}
	return all, nil
}

// assigned is the JSON merge patch (RFC 7396) that makes the assignments in an object, whose values are as
// the schema wants them.
func assigned(s shape, object fields, all []assignment) (fields, error) {
	patch := fields{}
	for _, a := range all {
		var value any
		if a.text != "" {
			var err error
			if value, err = s.valueAt(object, a); err != nil {
				return nil, fmt.Errorf("%s: %w", strings.Join(a.path, "."), err)
			}
		}
		p, err := patchAt(object, s.listed(object, a.path), value)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", strings.Join(a.path, "."), err)
		}
		of, ok := p.(fields)
		if !ok {
			return nil, errors.New("the object is a list") // none is
		}
		patch, _ = merged(patch, of, true).(fields)
		object, _ = merged(object, of, false).(fields)
	}
	return patch, nil
}

// patchAt is the merge patch that sets what is at path in v; a nil value takes it away. Lists are
// replaced as a whole, as merge patches have it.
func patchAt(v any, path []string, value any) (any, error) {
	if len(path) == 0 {
		return value, nil
	}
	place, isPlace := strings.CutPrefix(path[0], placeMark)
	if list, ok := v.([]any); ok || v == nil && isPlace {
		return elementSet(list, place, path[1:], value)
	}
	var inner any
	if of, ok := v.(fields); ok {
		inner, _ = of.get(path[0])
	}
	p, err := patchAt(inner, path[1:], value)
	if err != nil {
		return nil, err
	}
	return fields{{path[0], p}}, nil
}

// elementSet is a list with another value in the element at a place, below path; the number behind the last
// adds one.
func elementSet(list []any, place string, path []string, value any) (any, error) {
	i, err := strconv.Atoi(place)
	if err != nil || i < 0 || i > len(list) {
		return nil, fmt.Errorf("%q is no place in a list of %s: 0 is the first, %d adds one", place, count(len(list), "element"), len(list))
	}
	all := append([]any{}, list...)
	if len(path) == 0 && value == nil {
		if i < len(all) {
			all = append(all[:i], all[i+1:]...)
		}
		return all, nil
	}
	if i == len(all) {
		all = append(all, nil)
	}
	p, err := patchAt(all[i], path, value)
	if err != nil {
		return nil, err
	}
	all[i] = merged(all[i], p, false)
	return all, nil
}

// merged is what a merge patch makes of v; with keep what it takes away is a nil, so that the result is a
// patch as well.
func merged(v, patch any, keep bool) any {
	p, ok := patch.(fields)
	if !ok {
		return patch
	}
	of, _ := v.(fields)
	if of == nil {
		of = fields{}
	}
	for _, f := range p {
		if f.value == nil && !keep {
			of = of.without(f.name)
			continue
		}
		old, _ := of.get(f.name)
		of = of.with(f.name, merged(old, f.value, keep))
	}
	return of
}
