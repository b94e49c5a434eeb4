package main

import (
	"fmt"
	"runtime"
	"runtime/debug"
	"strings"
	"text/tabwriter"

	"github.com/lunette-io/lunette/agent/model"
)

// checkCmd validates a document.
type checkCmd struct {
	Config string `required:"" placeholder:"FILE" help:"The document (YAML or JSON)."`
}

// Run prints all that is wrong, a line each.
func (c *checkCmd) Run(e *env) error {
	d, err := model.ReadFile(c.Config, e.registry.Schema())
	if err == nil {
		fmt.Fprintf(e.stdout, "%s is right: %d targets, %d units, %d portals\n", c.Config, len(d.Targets), len(d.Units), len(d.Portals))
		return nil
	}
	all := model.All(err)
	for _, p := range all[:len(all)-1] {
		fmt.Fprintf(e.stderr, "lunette: %v\n", p)
	}
	return usageError{all[len(all)-1]}
}

// kindsCmd shows what a document can choose from.
type kindsCmd struct {
	Axis string `arg:"" optional:"" enum:"store,filter,device,transport," default:"" help:"store, filter, device or transport; all of them without it."`
}

// Run prints kinds and options.
func (c *kindsCmd) Run(e *env) error {
	w := tabwriter.NewWriter(e.stdout, 0, 0, 2, ' ', 0)
	for _, k := range e.registry.Schema() {
		if c.Axis != "" && k.Axis != c.Axis {
			continue
		}
		fmt.Fprintf(w, "%s %s\n  %s\n", k.Axis, k.Name, k.Help)
		for _, o := range k.Options {
			fmt.Fprintf(w, "    %s\t%s\t%s\t%s\n", o.Name, optionValue(o), optionDefault(o), o.Help)
		}
	}
	return w.Flush()
}

func optionValue(o model.Option) string {
	if len(o.Values) > 0 {
		return strings.Join(o.Values, "|")
	}
	return o.Type.String()
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
	if c.Output == "json" {
		return encode(e.stdout, map[string]string{"version": version(), "go": runtime.Version()})
	}
	fmt.Fprintf(e.stdout, "lunette %s (%s %s/%s)\n", version(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
	return nil
}

// version is what the build has noted.
func version() string {
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" && info.Main.Version != "(devel)" {
		return info.Main.Version
	}
	return "devel"
}
