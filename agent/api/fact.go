package api

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// A Fact is one thing that a device, a store or a transport says of itself. The API has it as a
// field beside those that all have, a table perhaps as a column, metrics as a number.
type Fact struct {
	Name  string // of the field, in lower camel case; empty: it is only a column
	Value any    // as encoding/json takes it

	Column string // the head of the column in tables; empty: it is in none
	Text   string // what stands there
	Wide   bool   // only wide tables have the column
}

// A Cell is a column of a table with what stands in it.
type Cell struct {
	Column string `json:"column"`
	Text   string `json:"text"`
	Wide   bool   `json:"wide,omitempty"` // only wide tables have it
}

// Facts are what one thing says of itself, in order. Of two with one name the first counts.
type Facts []Fact

// Value is that of the fact of the name; nil: there is none.
func (f Facts) Value(name string) any {
	for _, x := range f {
		if x.Name == name {
			return x.Value
		}
	}
	return nil
}

// Cells are the facts that tables show.
func (f Facts) Cells() []Cell {
	var all []Cell
	for _, x := range f {
		if x.Column != "" && !slices.ContainsFunc(all, func(c Cell) bool { return c.Column == x.Column }) {
			all = append(all, Cell{x.Column, x.Text, x.Wide})
		}
	}
	return all
}

// withFacts encodes v, which is a structure, with the facts as fields behind its own.
func withFacts(v any, facts Facts) ([]byte, error) {
	var own map[string]json.RawMessage
	text, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(text, &own); err != nil {
		return nil, err
	}
	b := bytes.NewBuffer(text[:len(text)-1])
	for _, f := range facts {
		if own[f.Name] != nil || f.Name == "" {
			continue
		}
		value, err := json.Marshal(f.Value)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", f.Name, err)
		}
		own[f.Name] = value
		fmt.Fprintf(b, ",%q:%s", f.Name, value)
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}

// readFacts decodes text into v, which is a structure, and returns the fields that it has not,
// sorted. Numbers among them are a [json.Number].
func readFacts(text []byte, v any) (Facts, error) {
	if err := json.Unmarshal(text, v); err != nil {
		return nil, err
	}
	var all map[string]any
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber() // a float64 has no room for every size
	if err := d.Decode(&all); err != nil {
		return nil, err
	}
	own, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	var known map[string]any
	if err := json.Unmarshal(own, &known); err != nil {
		return nil, err
	}
	var facts Facts
	for name, value := range all {
		if _, ok := known[name]; !ok {
			facts = append(facts, Fact{Name: name, Value: value})
		}
	}
	slices.SortFunc(facts, func(a, b Fact) int { return strings.Compare(a.Name, b.Name) })
	return facts, nil
}
