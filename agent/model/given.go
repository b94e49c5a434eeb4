package model

import "slices"

// A Form is how a value is written.
type Form uint8

// Forms of values.
const (
	Scalar Form = iota
	List
	Fields // keys and values
)

// Given is one option as it is written.
type Given struct {
	Name string // empty: an element of a list
	Form Form
	Text string  // of a Scalar
	Of   []Given // the elements of a List, or the Fields

	as string // what a Scalar in a file looks like, if that is no string: "a number"
}

// Text is an option that is a scalar.
func Text(name, text string) Given { return Given{Name: name, Text: text} }

// Texts is an option that is a list of scalars.
func Texts(name string, all ...string) Given {
	g := Given{Name: name, Form: List}
	for _, text := range all {
		g.Of = append(g.Of, Given{Text: text})
	}
	return g
}

// Grouped is an option that has options of its own; an element of a list has no name.
func Grouped(name string, of ...Given) Given { return Given{Name: name, Form: Fields, Of: of} }

// Listed is an option that is a list of groups.
func Listed(name string, of ...Given) Given { return Given{Name: name, Form: List, Of: of} }

// Settings are options as they are written, in order.
type Settings []Given

// Put sets g: it takes the place of what has its name, but that groups of one name are put together.
// The receiver's elements are not changed: who has a copy of s keeps what they see.
func (s Settings) Put(g Given) Settings {
	i := slices.IndexFunc(s, func(o Given) bool { return o.Name == g.Name })
	s = slices.Clone(s)
	switch {
	case i < 0:
		return append(s, g)
	case g.Form == Fields && s[i].Form == Fields:
		of := Settings(s[i].Of)
		for _, f := range g.Of {
			of = of.Put(f)
		}
		s[i].Of = of
	default:
		s[i] = g
	}
	return s
}

// form names how g is written.
func (g Given) form() string {
	switch {
	case g.Form == List:
		return "a list"
	case g.Form == Fields:
		return "keys and values"
	case g.as != "":
		return g.as
	}
	return "a string"
}
