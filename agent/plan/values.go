package plan

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/lunette-io/lunette/agent/model"
)

// equal reports that two values mean the same whatever their option is. Values that were not changed are
// the same maps in both documents, mostly.
func equal(a, b any) bool {
	switch x := a.(type) {
	case model.Values:
		y, ok := b.(model.Values)
		return ok && equalValues(x, y)
	case []any:
		y, ok := b.([]any)
		return ok && slices.EqualFunc(x, y, equal)
	}
	return a == b
}

func equalValues(a, b model.Values) bool {
	if len(a) != len(b) {
		return false
	}
	if reflect.ValueOf(a).Pointer() == reflect.ValueOf(b).Pointer() {
		return true
	}
	for name, x := range a {
		if y, ok := b[name]; !ok || !equal(x, y) {
			return false
		}
	}
	return true
}

// zero reports that a value says as much as none: the zero value of its type is what an option without a
// default has. A group is there or not, whatever is in it.
func zero(v any) bool {
	switch x := v.(type) {
	case nil:
		return true
	case []any:
		return len(x) == 0
	case model.Values:
		return false
	}
	return reflect.ValueOf(v).IsZero()
}

// canonical is a value as it is compared.
func canonical(o *model.Option, v any) any {
	if text, ok := v.(string); ok && o.Canon != nil && text != "" {
		return o.Canon(text)
	}
	return v
}

// text is a value as people read it.
func text(v any) string {
	switch x := v.(type) {
	case nil:
		return ""
	case string:
		return x
	case model.Size:
		return x.String()
	case time.Duration:
		return x.String()
	case bool:
		return strconv.FormatBool(x)
	case []any:
		all := make([]string, len(x))
		for i, e := range x {
			all[i] = text(e)
		}
		return strings.Join(all, ", ")
	case model.Values:
		var all []string
		for _, name := range slices.Sorted(maps.Keys(x)) {
			all = append(all, name+": "+text(x[name]))
		}
		return "{" + strings.Join(all, ", ") + "}"
	}
	return fmt.Sprint(v)
}

// A change is one field, and what its change does.
type change struct {
	Field
	how      model.Change
	old, new any
}

// options finds what is different in values, in the order of the options.
func options(path string, all []model.Option, old, new model.Values, inherited model.Change) []change {
	var changes []change
	for i := range all {
		o := &all[i]
		changes = append(changes, option(join(path, o.Name), o, old[o.Name], new[o.Name], inherited)...)
	}
	return changes
}

// option finds what is different in the value of one. What a group says of its change is for those of its
// options that say nothing.
func option(path string, o *model.Option, old, new any, inherited model.Change) []change {
	if equal(old, new) || zero(old) && zero(new) {
		return nil
	}
	how := o.Change
	if how == model.Renewed {
		how = inherited
	}
	one := *o
	one.List = false
	switch {
	case o.List && o.Type == model.Group:
		a, _ := old.([]any)
		b, _ := new.([]any)
		var changes []change
		for i := range max(len(a), len(b)) {
			changes = append(changes, option(path+"["+strconv.Itoa(i)+"]", &one, at(a, i), at(b, i), how)...)
		}
		return changes
	case o.List:
		a, _ := old.([]any)
		b, _ := new.([]any)
		if slices.EqualFunc(a, b, func(a, b any) bool { return equal(canonical(o, a), canonical(o, b)) }) {
			return nil
		}
	case o.Type == model.Group || o.Type == model.Map:
		a, _ := old.(model.Values)
		b, _ := new.(model.Values)
		var changes []change
		if o.Type == model.Group {
			changes = options(path, o.Options, a, b, how)
		} else if len(o.Options) > 0 {
			names := slices.Collect(maps.Keys(a))
			names = append(names, slices.Collect(maps.Keys(b))...)
			slices.Sort(names)
			for _, name := range slices.Compact(names) {
				changes = append(changes, option(join(path, name), &o.Options[0], a[name], b[name], how)...)
			}
		}
		if len(changes) > 0 || (a == nil) == (b == nil) {
			return changes
		}
	case equal(canonical(o, old), canonical(o, new)):
		return nil
	}
	return []change{{Field: Field{Path: path, Old: text(old), New: text(new)}, how: how, old: old, new: new}}
}

func at(list []any, i int) any {
	if i < len(list) {
		return list[i]
	}
	return nil
}

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}

// written are the values of an object that comes or goes, but for those that it would have anyway.
func written(path string, all []model.Option, v model.Values) []change {
	defaults := make(model.Values)
	for i := range all {
		if x, ok := byDefault(&all[i]); ok {
			defaults[all[i].Name] = x
		}
	}
	return options(path, all, defaults, v, model.Renewed)
}

// byDefault is the value that an option has which is not written.
func byDefault(o *model.Option) (any, bool) {
	if o.Default != "" {
		x, err := o.Parse(o.Default)
		return x, err == nil
	}
	if o.Type != model.Group || o.List {
		return nil, false
	}
	v := make(model.Values)
	for i := range o.Options {
		if x, ok := byDefault(&o.Options[i]); ok {
			v[o.Options[i].Name] = x
		}
	}
	return v, len(v) > 0
}

// value is a field that is not an option; what its change does is told where it is found.
func value(path, old, new string) []change {
	if old == new {
		return nil
	}
	return []change{{Field: Field{Path: path, Old: old, New: new}, how: model.Live}}
}

// come and gone make the fields of an object that was not there, or is not any more, of those that it has.
func come(changes []change) []Field {
	var all []Field
	for _, c := range changes {
		all = append(all, Field{Path: c.Path, New: c.New})
	}
	return all
}

func gone(changes []change) []Field {
	var all []Field
	for _, c := range changes {
		all = append(all, Field{Path: c.Path, Old: c.New})
	}
	return all
}

func fields(changes []change) []Field {
	var all []Field
	for _, c := range changes {
		all = append(all, c.Field)
	}
	return all
}
