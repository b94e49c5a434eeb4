package plan

import (
	"bufio"
	"fmt"
	"io"
	"slices"
	"strings"
)

// signs are what steps begin with.
var signs = map[Op]string{Create: "+", Change: "~", Remove: "-", Rename: ">"}

// Write writes the plan for people: what comes (+), changes (~), is renamed (>) and goes (-), what initiators
// notice, and at the end what confirms it.
func (p *Plan) Write(w io.Writer) error {
	b := bufio.NewWriter(w)
	if p.Empty() {
		fmt.Fprintln(b, "Nothing changes.")
	}
	for i := range p.Steps {
		p.Steps[i].write(b)
	}
	for _, n := range p.Notes {
		fmt.Fprintf(b, "Note: %s\n", n)
	}
	if !p.Empty() {
		fmt.Fprintf(b, "\n%s\n", p.Summary())
	}
	if confirms := p.Confirms(); len(confirms) > 0 {
		fmt.Fprintf(b, "It needs your confirmation:")
		for _, c := range confirms {
			fmt.Fprintf(b, " --%s", c)
		}
		fmt.Fprintln(b)
	}
	return b.Flush()
}

// Summary counts the steps: "1 created, 2 changed".
func (p *Plan) Summary() string {
	var all []string
	for _, c := range []struct {
		op   Op
		word string
	}{{Create, "created"}, {Change, "changed"}, {Rename, "renamed"}, {Remove, "removed"}} {
		n := 0
		for _, s := range p.Steps {
			if s.Op == c.op {
				n++
			}
		}
		if n > 0 {
			all = append(all, fmt.Sprintf("%d %s", n, c.word))
		}
	}
	if len(all) == 0 {
		return "nothing changes"
	}
	return strings.Join(all, ", ")
}

func (s *Step) write(w io.Writer) {
	fmt.Fprintf(w, "%s %s ", signs[s.Op], s.Key.Kind)
	if s.Op == Rename {
		fmt.Fprintf(w, "%s → ", s.From.Name)
	}
	fmt.Fprintf(w, "%s\n", s.Key.Name)
	if s.Op != Remove { // what goes is known
		for _, f := range s.Fields {
			if s.Op != Rename || f.Path != "name" {
				f.write(w, s.Op)
			}
		}
	}
	if s.Op != Rename && s.From.Name != "" {
		fmt.Fprintf(w, "      it takes over what %s %s has\n", s.From.Kind, s.From.Name)
	}
	if s.Notice != "" {
		for _, notice := range strings.Split(s.Notice, "; ") {
			fmt.Fprintf(w, "      %s\n", notice)
		}
	}
}

func (f *Field) write(w io.Writer, op Op) {
	switch {
	case op == Create:
		fmt.Fprintf(w, "    %s: %s\n", f.Path, f.New)
	case f.Old == "":
		fmt.Fprintf(w, "    %s: (none) → %s\n", f.Path, f.New)
	case f.New == "":
		fmt.Fprintf(w, "    %s: %s → (none)\n", f.Path, f.Old)
	default:
		fmt.Fprintf(w, "    %s: %s → %s\n", f.Path, f.Old, f.New)
	}
}

// DeleteData notes that the data of some units that go is removed with them. The error is about a unit
// that does not go.
func (p *Plan) DeleteData(units []string) error {
	for _, name := range units {
		i := slices.IndexFunc(p.Steps, func(s Step) bool {
			return s.Op == Remove && s.Key.Kind == "unit" && s.Key.Name == name
		})
		if i < 0 {
			return fmt.Errorf("the unit %q is not removed: only with it can its data be deleted", name)
		}
		s := &p.Steps[i]
		notices := slices.DeleteFunc(strings.Split(s.Notice, "; "), func(n string) bool { return n == "" || n == dataStays })
		s.Effect, s.Confirm, s.Notice = LosesData, ConfirmDeleteData, strings.Join(append(notices, "its data is deleted"), "; ")
	}
	return nil
}
