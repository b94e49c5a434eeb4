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
	Group // named options of its own: see Option.Options
	Map   // names of the user's choice, each with a value as the first of Option.Options says
)

// String is the word for t in help and reference pages.
func (t Type) String() string {
	return [...]string{"string", "path", "size", "bool", "number", "duration", "keys and values", "names and values"}[t]
}

// An Option is one thing that can be said about a plugin, a target or the whole of the document.
// It is data, from which validation, help and reference pages come.
type Option struct {
	Name string
	Type Type
	List bool // the value is a list of what the type says
	// Empty, of a List: what is wrong with one that has nothing in it; empty: such a list is as
	// good as none.
	Empty string
	// Short, of a Group: the option in it that is meant where a single value is written instead.
	Short    string
	Default  string // as it would be written; empty: the zero value
	Required bool
	Values   []string // the only values, if there are any
	Words    []string // what may stand instead of a value of the type, such as auto
	Min, Max int64    // of Bytes, Int and Duration (in nanoseconds); Max 0: no bound
	Multiple int64    // of Bytes: the value is a multiple of it
	Options  []Option // of a Group or a Map
	// Exclusive, of a store or a device: no two units can have the same value. Canon is how two
	// values compare; nil: as they are.
	Exclusive bool
	Canon     func(text string) string
	// Check says what else is wrong with a value of the type String or Path; nil: nothing is.
	Check func(text string) error
	// Change is what another value does to what runs with the old one.
	Change Change
	// Normal, of the type String, returns a value in the form that counts, or what is wrong with it;
	// nil: it counts as it is written.
	Normal func(text string) (string, error)
	Help   string
}

// A Change is what another value of an option does to what runs with the old one.
type Change uint8

// Changes.
const (
	// Renewed is the least that is safe where the option stands: a store, filter or device with another
	// value is another unit, a portal is bound anew, a target has it for who logs in next, and what is
	// of the whole document counts when the daemon is started again.
	Renewed Change = iota
	// Live: it counts at once, or for who comes next, and nobody notices.
	Live
	// Telling: it counts at once, and initiators who see the unit are told.
	Telling
	// Growing, of Bytes: as Telling if it is more than before; if it is less, data is lost.
	Growing
	// Restarted: it counts when the daemon is started again.
	Restarted
)

// Auto is what an option is called that the program sets by itself, by convention.
const Auto = "auto"

// Parse converts and checks a value of the option. One of Words stays a string.
func (o Option) Parse(text string) (any, error) {
	if slices.Contains(o.Words, text) {
		return text, nil
	}
	if len(o.Values) > 0 && !slices.Contains(o.Values, text) {
		return nil, fmt.Errorf("%.70q is not %s", text, list(o.Values))
	}
	switch o.Type {
	case Bytes:
		return o.parseSize(text)
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
		return o.parseDuration(text)
	default:
		if text == "" && o.Required {
			return nil, fmt.Errorf("it is empty")
		}
		if o.Check != nil {
			if err := o.Check(text); err != nil {
				return nil, err
			}
		}
		if o.Normal != nil {
			return normal(o.Normal(text))
		}
		return text, nil
	}
}

// normal keeps a string that is none from being a value.
func normal(text string, err error) (any, error) {
	if err != nil {
		return nil, err
	}
	return text, nil
}

func (o Option) parseSize(text string) (any, error) {
	n, err := ParseSize(text)
	switch {
	case err != nil && len(o.Words) > 0:
		return nil, fmt.Errorf("%.70q is %s a size: %s", text, o.neither(), SizeRule)
	case err != nil:
		return nil, err
	case o.Multiple > 0 && int64(n)%o.Multiple != 0:
		return nil, fmt.Errorf("%s is not a multiple of %d bytes", text, o.Multiple)
	case int64(n) < o.Min || (o.Max > 0 && int64(n) > o.Max):
		return nil, fmt.Errorf("%s is not %s", text, o.between(func(n int64) string { return Size(n).String() }))
	}
	return n, nil
}

func (o Option) parseDuration(text string) (any, error) {
	d, err := time.ParseDuration(text)
	switch {
	case err != nil && len(o.Words) > 0:
		return nil, fmt.Errorf("%.70q is %s a duration such as 50us or 0s", text, o.neither())
	case err != nil || (d < 0 && o.Min >= 0 && o.Max == 0):
		return nil, fmt.Errorf("%q is not a duration such as 250us, 10ms or 1m30s", text)
	case int64(d) < o.Min || (o.Max > 0 && int64(d) > o.Max):
		return nil, fmt.Errorf("%s is not %s", text, o.between(func(n int64) string { return time.Duration(n).String() }))
	}
	return d, nil
}

// neither begins what a value is not: "neither auto nor none nor".
func (o Option) neither() string { return "neither " + strings.Join(o.Words, " nor ") + " nor" }

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

// listMost is how many words a sentence lists.
const listMost = 20

// listOnce is list with each word once, and not more of them than people read.
func listOnce(words []string) string {
	var once []string
	seen := make(map[string]bool)
	for _, w := range words {
		if w == "" || seen[w] {
			continue
		}
		seen[w] = true
		if once = append(once, w); len(once) > listMost {
			return strings.Join(once[:listMost], ", ") + " …"
		}
	}
	return list(once)
}

// some is a list of names, and not more of them than people read.
func some(names []string) string {
	if len(names) > listMost {
		return fmt.Sprintf("%s … (%d)", strings.Join(names[:listMost], ", "), len(names))
	}
	return strings.Join(names[:len(names)-1], ", ") + " and " + names[len(names)-1]
}
