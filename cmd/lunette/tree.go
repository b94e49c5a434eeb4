package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
)

// A fields is an object of JSON with its keys in their order.
type fields []field

type field struct {
	name  string
	value any // fields, []any, string, json.Number, bool or nil
}

// get is the value of a key; false: there is none.
func (f fields) get(name string) (any, bool) {
	i := slices.IndexFunc(f, func(x field) bool { return x.name == name })
	if i < 0 {
		return nil, false
	}
	return f[i].value, true
}

// text is the value of a key as a cell of a table has it.
func (f fields) text(name string) string {
	v, _ := f.get(name)
	return inline(v)
}

// with returns f with another value of a key, at its place if it is there. f is not changed.
func (f fields) with(name string, value any) fields {
	f = slices.Clone(f)
	if i := slices.IndexFunc(f, func(x field) bool { return x.name == name }); i >= 0 {
		f[i].value = value
		return f
	}
	return append(f, field{name, value})
}

// without returns f without a key. f is not changed.
func (f fields) without(name string) fields {
	return slices.DeleteFunc(slices.Clone(f), func(x field) bool { return x.name == name })
}

// MarshalJSON implements [json.Marshaler].
func (f fields) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	b.WriteByte('{')
	for i, x := range f {
		if i > 0 {
			b.WriteByte(',')
		}
		name, err := json.Marshal(x.name)
		if err != nil {
			return nil, err
		}
		value, err := json.Marshal(x.value)
		if err != nil {
			return nil, err
		}
		b.Write(name)
		b.WriteByte(':')
		b.Write(value)
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}

// maxDepth is how deep values may be in others.
const maxDepth = 1000

// readTree reads JSON, with the keys of objects in their order.
func readTree(text []byte) (any, error) {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	v, err := readValue(d, maxDepth)
	if err != nil {
		return nil, err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("there is something behind the value")
	}
	return v, nil
}

// treeOf is what v is in JSON.
func treeOf(v any) (any, error) {
	text, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	return readTree(text)
}

// readValue reads the next value, which may be so deep.
func readValue(d *json.Decoder, depth int) (any, error) {
	token, err := d.Token()
	if err != nil {
		return nil, err
	}
	if depth == 0 {
		return nil, errors.New("there are too many values in each other")
	}
	switch token {
	case json.Delim('{'):
		of := fields{}
		for d.More() {
			name, err := d.Token()
			if err != nil {
				return nil, err
			}
			value, err := readValue(d, depth-1)
			if err != nil {
				return nil, err
			}
			of = append(of, field{fmt.Sprint(name), value})
		}
		_, err = d.Token()
		return of, err
	case json.Delim('['):
		all := []any{}
		for d.More() {
			value, err := readValue(d, depth-1)
			if err != nil {
				return nil, err
			}
			all = append(all, value)
		}
		_, err = d.Token()
		return all, err
	}
	return token, nil
}

// inline is a value on one line, for people.
func inline(v any) string {
	switch v := v.(type) {
	case nil:
		return ""
	case string:
		return v
	case fields:
		var b bytes.Buffer
		for i, f := range v {
			if i > 0 {
				b.WriteByte(' ')
			}
			b.WriteString(f.name + "=" + nested(f.value))
		}
		return b.String()
	case []any:
		var b bytes.Buffer
		for i, x := range v {
			if i > 0 {
				b.WriteByte(' ')
			}
			b.WriteString(nested(x))
		}
		return b.String()
	}
	return fmt.Sprint(v)
}

// nested is a value in another one, on one line.
func nested(v any) string {
	switch v.(type) {
	case fields:
		return "{" + inline(v) + "}"
	case []any:
		return "[" + inline(v) + "]"
	}
	return inline(v)
}

// flat lists the values in v that have no others in them, by their paths.
func flat(path string, v any) [][]string {
	var rows [][]string
	at := func(name string) string {
		if path == "" {
			return name
		}
		return path + "." + name
	}
	switch v := v.(type) {
	case fields:
		for _, f := range v {
			rows = append(rows, flat(at(f.name), f.value)...)
		}
	case []any:
		for i, x := range v {
			rows = append(rows, flat(at(strconv.Itoa(i)), x)...)
		}
	default:
		rows = append(rows, []string{path, inline(v)})
	}
	return rows
}
