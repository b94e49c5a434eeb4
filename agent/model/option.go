package model

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A Type is what the value of an option can be.
type Type uint8

// Types of options.
const (
	String Type = iota
	Path
	Bytes // a Size
	Bool
	Int
	Duration
)

// String is the word for t in help and reference pages.
func (t Type) String() string {
	return [...]string{"string", "path", "size", "bool", "number", "duration"}[t]
}

// An Option is one thing that can be said about a plugin. It is data, from which
// validation, help and reference pages come.
type Option struct {
	Name     string
	Type     Type
	Default  string // as it would be written; empty: the zero value
	Required bool
	Values   []string // the only values, if there are any
	Min, Max int64    // of Bytes, Int and Duration (in nanoseconds); Max 0: no bound
	Multiple int64    // of Bytes: the value is a multiple of it
	Help     string
}

// A Kind is one plugin: its name, and what can be said about it.
type Kind struct {
	Axis, Name, Help string
	Options          []Option
	Listen           // of the axis "transport"
}

// Listen says how a transport listens.
type Listen struct {
	// Port is that of a portal which names none.
	Port uint16
	// Space is the kind of port: two portals cannot have the same address and port of a space.
	Space string
	// Names is how initiators are known there.
	Names Names
}

// Names are how a transport knows initiators.
type Names uint8

// Kinds of names.
const (
	ISCSINames Names = iota // by iSCSI names, which CHAP proves
	SRPNames                // by identifiers of SRP ports
)

// A Schema is what there is to choose from. Axes are "store", "filter", "device" and
// "transport"; the names of transports are TRANSPORT+PROVIDER.
type Schema []Kind

// Names are the kinds of an axis, in order.
func (s Schema) Names(axis string) []string {
	var all []string
	for _, k := range s {
		if k.Axis == axis {
			all = append(all, k.Name)
		}
	}
	return all
}

// Find returns a kind; the error lists those that there are.
func (s Schema) Find(axis, name string) (Kind, error) {
	for _, k := range s {
		if k.Axis == axis && k.Name == name {
			return k, nil
		}
	}
	return Kind{}, fmt.Errorf("there is no %s %q: there is %s", axis, name, list(s.Names(axis)))
}

// Values are the options of one plugin: checked, converted, and with their defaults.
type Values map[string]any

// String returns a String or Path.
func (v Values) String(name string) string { s, _ := v[name].(string); return s }

// Size returns a Bytes option, in bytes.
func (v Values) Size(name string) int64 { s, _ := v[name].(Size); return int64(s) }

// Bool returns a Bool.
func (v Values) Bool(name string) bool { b, _ := v[name].(bool); return b }

// Int returns an Int.
func (v Values) Int(name string) int64 { n, _ := v[name].(int64); return n }

// Duration returns a Duration.
func (v Values) Duration(name string) time.Duration { d, _ := v[name].(time.Duration); return d }

// Parse converts and checks a value of the option.
func (o Option) Parse(text string) (any, error) {
	if len(o.Values) > 0 && !slices.Contains(o.Values, text) {
		return nil, fmt.Errorf("%q is not %s", text, list(o.Values))
	}
	switch o.Type {
	case Bytes:
		n, err := ParseSize(text)
		if err == nil && o.Multiple > 0 && int64(n)%o.Multiple != 0 {
			return nil, fmt.Errorf("%s is not a multiple of %d bytes", text, o.Multiple)
		}
		if err == nil && (int64(n) < o.Min || (o.Max > 0 && int64(n) > o.Max)) {
			return nil, fmt.Errorf("%s is not %s", text, o.between(func(n int64) string { return Size(n).String() }))
		}
		return n, err
	case Bool:
		switch text {
		case "true":
			return true, nil
		case "false":
			return false, nil
		}
		return nil, fmt.Errorf("%q is neither true nor false", text)
	case Int:
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			return nil, fmt.Errorf("%q is not a whole number", text)
		}
		if n < o.Min || (o.Max > 0 && n > o.Max) {
			return nil, fmt.Errorf("%s is not %s", text, o.between(func(n int64) string { return fmt.Sprint(n) }))
		}
		return n, nil
	case Duration:
		d, err := time.ParseDuration(text)
		if err != nil || d < 0 {
			return nil, fmt.Errorf("%q is not a duration such as 250us, 10ms or 1m30s", text)
		}
		if int64(d) < o.Min || (o.Max > 0 && int64(d) > o.Max) {
			return nil, fmt.Errorf("%s is not %s", text, o.between(func(n int64) string { return time.Duration(n).String() }))
		}
		return d, nil
	default:
		if text == "" && o.Required {
			return nil, fmt.Errorf("it is empty")
		}
		return text, nil
	}
}

func (o Option) between(show func(int64) string) string {
	if o.Max == 0 {
		return "at least " + show(o.Min)
	}
	return "from " + show(o.Min) + " to " + show(o.Max)
}

// list writes words as a sentence has them: "a", "a or b", "a, b or c".
func list(words []string) string {
	switch n := len(words); n {
	case 0:
		return "none"
	case 1:
		return words[0]
	default:
		return strings.Join(words[:n-1], ", ") + " or " + words[n-1]
	}
}
