// Package agent is what management is made of: what can be said about plugins, as a document
// and as pages for people. It knows schemas, never a plugin by name.
package agent

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/lunette-io/lunette/agent/model"
)

// A Page is a page of the reference: kinds of an axis, and options that stand elsewhere.
type Page struct {
	Title, Intro string
	Kinds        []model.Kind
	Sections     []Section
}

// A Section is a table of options.
type Section struct {
	Title, Intro string
	Options      []model.Option
}

// Write writes the page as Markdown.
func (p Page) Write(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "# %s\n\n<!-- Made by \"go test ./daemon -run Reference -update\" from the plugins of daemon/builtin.go. -->\n\n%s\n", p.Title, p.Intro)
	for _, k := range p.Kinds {
		fmt.Fprintf(&b, "\n## %s\n\n%s\n", k.Name, k.Help)
		table(&b, k.Options)
		actions(&b, k.Actions)
	}
	for _, s := range p.Sections {
		fmt.Fprintf(&b, "\n## %s\n\n%s\n", s.Title, s.Intro)
		table(&b, s.Options)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// actions writes what can be done with a unit of a kind.
func actions(b *strings.Builder, all []model.Action) {
	if len(all) == 0 {
		return
	}
	b.WriteString("\n### Actions\n\nWhat can be done with such a unit, beside changing the document (`POST /v1/units/UNIT/actions/ACTION`). Those that only look are there for everybody who has the socket.\n\n| action | argument | value | default | |\n|---|---|---|---|---|\n")
	for _, a := range all {
		looks := " It changes nothing."
		if a.Changes {
			looks = ""
		}
		fmt.Fprintf(b, "| `%s` | | | | %s%s |\n", a.Name, a.Help, looks)
		for _, line := range Flat(a.Arguments) {
			fmt.Fprintf(b, "| | `%s` | %s | %s | %s |\n", line.Path, describe(line.Option), byDefault(line.Option), line.Help)
		}
	}
}

func table(b *strings.Builder, options []model.Option) {
	if len(options) == 0 {
		return
	}
	b.WriteString("\n| option | value | default | |\n|---|---|---|---|\n")
	for _, line := range Flat(options) {
		fmt.Fprintf(b, "| `%s` | %s | %s | %s |\n", line.Path, describe(line.Option), byDefault(line.Option), line.Help)
	}
}

// A Line is an option at its place among others, such as srp.initiators.
type Line struct {
	Path string
	model.Option
}

// Flat are options and those in them, in order. A list has "[]" behind its name, and what the user
// names in a map is "NAME".
func Flat(options []model.Option) []Line {
	var all []Line
	var walk func(path string, o model.Option)
	walk = func(path string, o model.Option) {
		if o.List {
			path += "[]"
		}
		if o.Help != "" {
			all = append(all, Line{path, o})
		}
		for _, inner := range o.Options {
			name := inner.Name
			if o.Type == model.Map {
				name = "NAME"
			}
			walk(path+"."+name, inner)
		}
	}
	for _, o := range options {
		walk(o.Name, o)
	}
	return all
}

func describe(o model.Option) string {
	words := append(append([]string{}, o.Words...), o.Values...)
	if len(o.Values) > 0 {
		return "`" + strings.Join(words, "`, `") + "`"
	}
	text := o.Type.String()
	if o.Short != "" {
		text = "the `" + o.Short + "`, or " + text
	}
	if len(words) > 0 {
		text = "`" + strings.Join(words, "`, `") + "`, " + text
	}
	show := func(n int64) string { return fmt.Sprint(n) }
	switch o.Type {
	case model.Bytes:
		show = func(n int64) string { return model.Size(n).String() }
	case model.Duration:
		show = func(n int64) string { return time.Duration(n).String() }
	}
	if o.Min != 0 {
		text += ", from " + show(o.Min)
	}
	if o.Max != 0 {
		text += ", up to " + show(o.Max)
	}
	if o.Multiple != 0 {
		text += fmt.Sprintf(", a multiple of %d", o.Multiple)
	}
	return text
}

func byDefault(o model.Option) string {
	switch {
	case o.Required:
		return "(required)"
	case o.Default != "":
		return "`" + o.Default + "`"
	case o.Type == model.Bool:
		return "`false`"
	}
	return ""
}
