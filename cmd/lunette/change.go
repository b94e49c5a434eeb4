package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/lunette-io/lunette/agent/apply"
	"github.com/lunette-io/lunette/agent/client"
	"github.com/lunette-io/lunette/agent/plan"
)

// at is where a daemon is asked.
type at struct {
	Socket string `default:"${socket}" placeholder:"PATH" help:"Socket of the daemon. Default: ${where}."`
}

// changing is what commands have that change the document.
type changing struct {
	DryRun      bool          `group:"Change" help:"Show what would be done, and change nothing."`
	Yes         bool          `short:"y" group:"Change" help:"Ask nothing: what has to be confirmed is, by its flag, or is not done."`
	EndSessions bool          `group:"Change" help:"Allow what ends sessions of initiators."`
	Replace     bool          `group:"Change" help:"Allow what replaces a unit by another: initiators see a new disk in its place."`
	DeleteData  bool          `group:"Change" help:"Allow what loses data."`
	Restart     bool          `group:"Change" help:"Allow what counts only when the daemon is started again."`
	Try         time.Duration `placeholder:"DURATION" group:"Change" help:"Take the change back after this time, such as 60s, unless \"lunette confirm\" keeps it."`
	Comment     string        `placeholder:"TEXT" group:"Change" help:"Why, for \"lunette history\"."`
	output
	at
}

// options are what the flags say.
func (c *changing) options() client.Options {
	o := client.Options{DryRun: c.DryRun, Try: c.Try, Comment: c.Comment}
	for _, f := range []struct {
		given bool
		what  plan.Confirm
	}{
		{c.EndSessions, plan.ConfirmEndSessions}, {c.Replace, plan.ConfirmReplace},
		{c.DeleteData, plan.ConfirmDeleteData}, {c.Restart, plan.ConfirmRestart},
	} {
		if f.given {
			o.Confirm = append(o.Confirm, f.what)
		}
	}
	return o
}

// A sender asks a daemon for a change.
type sender func(context.Context, client.Options) (*apply.Result, error)

// unconfirmed is the error of a change that nobody has confirmed.
type unconfirmed struct{ flags []string }

func (u *unconfirmed) Error() string {
	return fmt.Sprintf("nothing was changed, since it has to be confirmed: add %s", strings.Join(u.flags, " "))
}

// do asks for a change, and for what it has to be confirmed; it prints the plan, and what has become of it.
func (c *changing) do(e *env, o client.Options, send sender) error {
	result, err := send(e.ctx, o)
	var wants *client.NeedsConfirmError
	if !errors.As(err, &wants) {
		if err != nil {
			return err
		}
		return c.outcome(e, result, true)
	}
	if err := c.confirm(e, &o, wants.Plan); err != nil {
		return err
	}
	o.Digest = wants.Plan.Digest
	if result, err = send(e.ctx, o); err != nil {
		return err
	}
	return c.outcome(e, result, false)
}

// confirm shows a plan that hurts, and puts what it wants confirmed into o if that is wanted.
func (c *changing) confirm(e *env, o *client.Options, p *plan.Plan) error {
	var missing []plan.Confirm
	var flags []string
	for _, x := range p.Confirms() {
		if !slices.Contains(o.Confirm, x) {
			missing = append(missing, x)
			flags = append(flags, "--"+string(x))
		}
	}
	if shown, err := c.show(e, apply.Result{Plan: p}); shown || err != nil {
		return errors.Join(err, &unconfirmed{flags})
	}
	if err := writePlan(e.stdout, p, o.Confirm); err != nil {
		return err
	}
	if c.Yes || !e.terminal {
		return &unconfirmed{flags}
	}
	yes, err := e.ask("Do it? [y/N] ")
	if err != nil {
		return err
	}
	if !yes {
		return &unconfirmed{flags}
	}
	o.Confirm = append(o.Confirm, missing...)
	return nil
}

// ask asks people for a yes.
func (e *env) ask(question string) (bool, error) {
	if _, err := io.WriteString(e.stdout, question); err != nil {
		return false, err
	}
	line, err := within(e.ctx, func() (string, error) { return bufio.NewReader(e.stdin).ReadString('\n') })
	if err != nil && !errors.Is(err, io.EOF) {
		return false, err
	}
	answer := strings.ToLower(strings.TrimSpace(line))
	return answer == "y" || answer == "yes", nil
}

// outcome prints what has become of a change, with its plan if nobody has seen that.
func (c *changing) outcome(e *env, r *apply.Result, withPlan bool) error {
	r.Plan = listed(r.Plan)
	if shown, err := c.show(e, r); shown || err != nil {
		return err
	}
	if withPlan && !(r.Plan.Empty() && len(r.Plan.Notes) == 0) {
		if err := writePlan(e.stdout, r.Plan, c.options().Confirm); err != nil {
			return err
		}
	}
	out := page{coloured: coloured(e.stdout)}
	switch {
	case c.DryRun && r.Plan.Empty():
		out.write("Nothing would change: generation %d says the same.\n", r.Generation)
	case c.DryRun:
		out.write("Nothing is done, as --dry-run wants it.\n")
	case !r.Changed:
		out.write("Nothing changes: generation %d says the same.\n", r.Generation)
	case !r.TryUntil.IsZero():
		out.in(yellow, "It is tried, and taken back at %s, unless \"lunette confirm\" keeps it.", clock(r.TryUntil))
		out.write("\n")
	default:
		out.in(green, "Generation %d is served.", r.Generation)
		out.write("\n")
	}
	for _, x := range r.Conditions {
		out.in(red, "%s: %s", objectName(x.Key), x.Type)
		out.write(": %s\n", x.Message)
	}
	_, err := io.WriteString(e.stdout, out.b.String())
	return err
}

// listed is a plan whose steps are a list in JSON, also if there are none.
func listed(p *plan.Plan) *plan.Plan {
	if p == nil {
		p = &plan.Plan{}
	}
	if p.Steps == nil {
		p.Steps = []plan.Step{}
	}
	return p
}

// clock is a time for people of this machine.
func clock(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.Local().Format(time.DateTime)
}
