package model

import "time"

// Values are options that were checked, converted, and filled with their defaults. A value that
// was not given and has no default is not there: each method returns the zero value then, also of
// nil Values.
type Values map[string]any

// Has reports that there is a value.
func (v Values) Has(name string) bool { _, ok := v[name]; return ok }

// String returns a String or Path, or the word that stands instead of another value.
func (v Values) String(name string) string { s, _ := v[name].(string); return s }

// Size returns a Bytes option, in bytes; 0 if a word stands there.
func (v Values) Size(name string) int64 { s, _ := v[name].(Size); return int64(s) }

// Bool returns a Bool.
func (v Values) Bool(name string) bool { b, _ := v[name].(bool); return b }

// Int returns an Int; 0 if a word stands there.
func (v Values) Int(name string) int64 { n, _ := v[name].(int64); return n }

// Duration returns a Duration; 0 if a word stands there.
func (v Values) Duration(name string) time.Duration { d, _ := v[name].(time.Duration); return d }

// Group returns the values of a Group or Map.
func (v Values) Group(name string) Values { g, _ := v[name].(Values); return g }

// Strings returns a list of Strings or Paths.
func (v Values) Strings(name string) []string { return elements[string](v, name) }

// Groups returns a list of Groups.
func (v Values) Groups(name string) []Values { return elements[Values](v, name) }

func elements[T any](v Values, name string) []T {
	some, _ := v[name].([]any)
	var all []T
	for _, x := range some {
		if e, ok := x.(T); ok {
			all = append(all, e)
		}
	}
	return all
}
