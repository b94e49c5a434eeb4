package main

import (
	"cmp"
	"fmt"
	"io"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/lunette-io/lunette/agent"
	"github.com/lunette-io/lunette/agent/model"
)

// kindsCmd shows what a document can choose from.
type kindsCmd struct {
	Axis string `arg:"" optional:"" enum:"store,filter,device,transport," default:"" help:"store, filter, device or transport; all of them without it."`
	output
}

// A shownKind is a kind for programs.
type shownKind struct {
	Axis    string        `json:"axis"` // "target" and "document": what is said beside the kinds
	Name    string        `json:"name,omitempty"`
	Help    string        `json:"help,omitempty"`
	Options []shownOption `json:"options"`
}

type shownOption struct {
	Path     string `json:"path"`
	Value    string `json:"value"`
	Default  string `json:"default,omitempty"`
	Required bool   `json:"required"`
	Help     string `json:"help"`
}

// forPrograms are the kinds that c is about.
func (c *kindsCmd) forPrograms(schema model.Schema) []shownKind {
	all := []shownKind{}
	add := func(k shownKind, options []model.Option) {
		k.Options = []shownOption{}
		for _, o := range agent.Flat(options) {
			k.Options = append(k.Options, shownOption{o.Path, optionValue(o.Option), o.Default, o.Required, o.Help})
		}
		all = append(all, k)
	}
	for _, k := range schema.Kinds {
		if c.Axis == "" || k.Axis == c.Axis {
			add(shownKind{Axis: k.Axis, Name: k.Name, Help: k.Help}, k.Options)
		}
	}
	if c.Axis == "" || c.Axis == "transport" {
		add(shownKind{Axis: "target"}, schema.Target)
		add(shownKind{Axis: "document"}, schema.Document)
	}
	return all
}

// Run prints kinds and options.
func (c *kindsCmd) Run(e *env) error {
	if shown, err := c.show(e, c.forPrograms(e.registry.Schema())); shown || err != nil {
		return err
	}
	w := tabwriter.NewWriter(e.stdout, 0, 0, 2, ' ', 0)
	for _, k := range e.registry.Schema().Kinds {
		if c.Axis != "" && k.Axis != c.Axis {
			continue
		}
		fmt.Fprintf(w, "%s %s\n  %s\n", k.Axis, k.Name, k.Help)
		printOptions(w, k.Options)
	}
	if c.Axis == "" || c.Axis == "transport" {
		for _, s := range []struct {
			title   string
			options []model.Option
		}{{"in a target", e.registry.Schema().Target}, {"in the document", e.registry.Schema().Document}} {
			fmt.Fprintf(w, "%s\n", s.title)
			printOptions(w, s.options)
		}
	}
	return w.Flush()
}

func printOptions(w io.Writer, options []model.Option) {
	for _, o := range agent.Flat(options) {
		fmt.Fprintf(w, "    %s\t%s\t%s\t%s\n", o.Path, optionValue(o.Option), optionDefault(o.Option), o.Help)
	}
}

func optionValue(o model.Option) string {
	all := slices.Concat(o.Words, o.Values)
	if len(o.Values) == 0 {
		all = append(all, o.Type.String())
	}
	return strings.Join(all, "|")
}

func optionDefault(o model.Option) string {
	if o.Required {
		return "required"
	}
	return orDash(o.Default)
}

// versionCmd prints the version of this program.
type versionCmd struct{ output }

// Run prints it.
func (c *versionCmd) Run(e *env) error {
	v := map[string]string{"version": version(), "go": runtime.Version()}
	if shown, err := c.show(e, v); shown || err != nil {
		return err
	}
	fmt.Fprintf(e.stdout, "lunette %s (%s %s/%s)\n", version(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
	return nil
}

// stamp is the version that the linker is told of: see build in the Makefile.
var stamp string

// version is what the build has noted: the go command, or else, where it knows nothing, the linker.
func version() string {
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" && info.Main.Version != "(devel)" {
		return info.Main.Version
	}
	return cmp.Or(stamp, "devel")
}
