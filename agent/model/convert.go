package model

import (
	"fmt"
	"slices"
	"strconv"
)

// A converter turns options as they are written into values.
type converter struct {
	*checker
	// strict: strings that look like numbers stand in quotes, and empty ones mean the default.
	strict bool
	// unknown reports an option that there is not.
	unknown func(path string, g Given, names []string)
}

// options converts all options at a place. Those that are not given have their defaults.
func (c converter) options(path string, options []Option, given Settings) Values {
	v := make(Values)
	var names []string
	for _, o := range options {
		names = append(names, o.Name)
		if x, ok := c.byDefault(path, o); ok {
			v[o.Name] = x
		}
	}
	for _, g := range given {
		i := slices.Index(names, g.Name)
		if i < 0 {
			c.unknown(path, g, names)
			continue
		}
		if x, ok := c.value(join(path, g.Name), options[i], g); ok {
			v[g.Name] = x
		}
	}
	return v
}

// byDefault is the value of an option that is not given, if it has one.
func (c converter) byDefault(path string, o Option) (any, bool) {
	switch {
	case o.Default != "":
		x, err := o.Parse(o.Default)
		if err != nil { // the kind is wrong, not the document: its test finds it
			c.fail(path, "the default of %s: %w", o.Name, err)
		}
		return x, err == nil
	case o.Type == Group && !o.List:
		v := make(Values)
		for _, inner := range o.Options {
			if x, ok := c.byDefault(path, inner); ok {
				v[inner.Name] = x
			}
		}
		return v, len(v) > 0
	}
	return nil, false
}

// value converts one option.
func (c converter) value(path string, o Option, g Given) (any, bool) {
	if o.List {
		if g.Form != List {
			c.fail(path, "%s is %s: a list is wanted (\"- …\" on lines of their own, or [ … ])", g.excerpt(), g.form())
			return nil, false
		}
		if len(g.Of) == 0 && o.Empty != "" {
			c.fail(path, "the list is empty: %s", o.Empty)
			return nil, false
		}
		one := o
		one.List = false
		all := make([]any, 0, len(g.Of))
		for i, e := range g.Of {
			if x, ok := c.value(path+"["+strconv.Itoa(i)+"]", one, e); ok {
				all = append(all, x)
			}
		}
		return all, true
	}
	switch o.Type {
	case Group:
		if i := slices.IndexFunc(o.Options, func(in Option) bool { return in.Name == o.Short }); i >= 0 && g.Form == Scalar {
			x, ok := c.value(path, o.Options[i], g)
			return Values{o.Short: x}, ok
		}
		if g.Form != Fields {
			c.fail(path, "%s is %s: keys and values are wanted", g.excerpt(), g.form())
			return nil, false
		}
		return c.group(path, o, g), true
	case Map:
		return c.names(path, o, g)
	}
	if g.Form != Scalar {
		c.fail(path, "%s is %s: a single value is wanted", g.excerpt(), g.form())
		return nil, false
	}
	if c.strict && g.as != "" && (o.Type == String || o.Type == Path) {
		c.fail(path, "%s is %s: a string is wanted (in quotes: %.40q)", g.excerpt(), g.form(), g.Text)
		return nil, false
	}
	if c.strict && g.Text == "" && o.Default != "" {
		return c.byDefault(path, o)
	}
	x, err := o.Parse(g.Text)
	if err != nil {
		c.fail(path, "%w", err)
	}
	return x, err == nil
}

// group converts the options of a group, each of which is known and there if it must be.
func (c converter) group(path string, o Option, g Given) Values {
	inner := c
	inner.unknown = func(path string, g Given, names []string) {
		c.failKey(path, g.Name, "%s", noKey(g.Name, names))
	}
	v := inner.options(path, o.Options, g.Of)
	for _, must := range o.Options {
		if must.Required && !slices.ContainsFunc(g.Of, func(f Given) bool { return f.Name == must.Name }) {
			c.fail(path, "it needs %s: %s", must.Name, must.Help)
		}
	}
	return v
}

// names converts the values of a map, whose names are free.
func (c converter) names(path string, o Option, g Given) (any, bool) {
	if g.Form != Fields || len(o.Options) == 0 {
		c.fail(path, "%s is %s: names and values are wanted", g.excerpt(), g.form())
		return nil, false
	}
	v := make(Values)
	for _, f := range g.Of {
		if x, ok := c.value(join(path, f.Name), o.Options[0], f); ok {
			v[f.Name] = x
		}
	}
	return v, true
}

// plugin converts the options of a plugin; axis is the word for what it is.
func (c *checker) plugin(path, axis string, p Plugin, kind Kind) Values {
	conv := converter{checker: c, unknown: func(path string, g Given, names []string) {
		c.fail(path, "a %s %s has no option %q: it has %s%s", p.Kind, axis, g.Name, list(names), meant(g.Name, names))
	}}
	v := conv.options(path, kind.Options, p.Given)
	for _, o := range kind.Options {
		given := slices.ContainsFunc(p.Given, func(g Given) bool { return g.Name == o.Name })
		if o.Required && !given {
			c.fail(path, "a %s %s needs %s: %s", p.Kind, axis, o.Name, o.Help)
		}
	}
	return v
}

// section converts options that stand beside the keys of a document or a target.
func (c *checker) section(path string, keys []string, options []Option, given Settings) Values {
	conv := converter{checker: c, strict: true, unknown: func(path string, g Given, names []string) {
		c.failKey(path, g.Name, "%s", noKey(g.Name, slices.Concat(keys, names)))
	}}
	return conv.options(path, options, given)
}

// unknownHint is for keys that people may well expect.
func unknownHint(key string) string {
	if key == "secret" || key == "password" {
		return " (secrets are not part of the document: they lie in a file of their own, mode 0600, that secret-file names)"
	}
	return ""
}

// excerpt is the beginning of a scalar.
func (g Given) excerpt() string {
	if g.Form == Scalar {
		return fmt.Sprintf("%.40q", g.Text)
	}
	return "this"
}
