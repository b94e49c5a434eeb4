package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/lunette-io/lunette/agent/model"
	"github.com/lunette-io/lunette/agent/plan"
)

// marks are what a step of a plan begins with.
var marks = map[plan.Op]struct {
	mark   string
	colour colour
}{
	plan.Create: {"+", green}, plan.Change: {"~", yellow}, plan.Remove: {"-", red}, plan.Rename: {">", yellow},
}

// notices are what steps come to, where the plan has no sentence of its own.
var notices = map[plan.Effect]string{
	plan.Told: "initiators are told", plan.EndsSessions: "sessions of the target end", plan.Replaces: "the unit is replaced",
	plan.LosesData: "data is lost", plan.NeedsRestart: "it counts when the daemon is started again",
}

// writePlan prints a plan for people: a line for each object, what changes in it, and what is noticed.
func writePlan(w io.Writer, p *plan.Plan) error {
	out := page{coloured: coloured(w)}
	for _, s := range p.Steps {
		out.step(s)
	}
	for _, n := range p.Notes {
		out.write("note: %s\n", n)
	}
	_, err := io.WriteString(w, out.b.String())
	return err
}

func (p *page) step(s plan.Step) {
	m := marks[s.Op]
	p.in(m.colour, "%s %s", m.mark, objectName(s.Key))
	if s.Op == plan.Rename {
		p.write(", which was %s", s.From.Name)
	}
	p.write("\n")
	if s.Op == plan.Change || s.Op == plan.Rename {
		for _, f := range s.Fields {
			p.write("    %s\n", change(f))
		}
	}
	notice := s.Notice
	if notice == "" {
		notice = notices[s.Effect]
	}
	switch {
	case notice == "":
	case s.Confirm != plan.ConfirmNothing:
		p.in(red, "    %s", notice)
		p.write(" (--%s)\n", s.Confirm)
	default:
		p.write("    %s\n", notice)
	}
	for _, x := range s.Sessions {
		p.write("      %s session %s: %s\n", x.Transport, x.ID, x.Initiator)
	}
}

// change is one value that changes, on one line.
func change(f plan.Field) string {
	short := func(text string) string {
		if text == "" {
			return "nothing"
		}
		if all := []rune(text); len(all) > 100 {
			text = string(all[:99]) + "…"
		}
		return strings.ReplaceAll(text, "\n", `\n`)
	}
	return fmt.Sprintf("%s: %s -> %s", f.Path, short(f.Old), short(f.New))
}

// objectName is an object in words.
func objectName(k model.Key) string { return string(k.Kind) + " " + k.Name }

// summary is how many objects a plan changes, in words.
func summary(p *plan.Plan) string {
	var parts []string
	for _, x := range []struct {
		op   plan.Op
		verb string
	}{{plan.Create, "made"}, {plan.Change, "changed"}, {plan.Rename, "renamed"}, {plan.Remove, "removed"}} {
		n := 0
		for _, s := range p.Steps {
			if s.Op == x.op {
				n++
			}
		}
		if n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, x.verb))
		}
	}
	return strings.Join(parts, ", ")
}
