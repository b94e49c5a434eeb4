package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/lunette-io/lunette/agent/apply"
	"github.com/lunette-io/lunette/agent/client"
	"github.com/lunette-io/lunette/agent/plan"
)

// applyCmd makes a document the one that is served.
type applyCmd struct {
	Plan string `arg:"" optional:"" complete:"file" help:"A plan that --plan-out has saved: it is done as it was shown, or not at all."`

	File    string `short:"f" placeholder:"FILE" complete:"file" help:"The document, YAML or JSON; - is standard input."`
	PlanOut string `placeholder:"FILE" complete:"file" help:"Save the plan, and change nothing."`
	changing
}

// A savedPlan is what --plan-out writes: the digest of the plan holds for this document, on the generation
// that the plan begins with.
type savedPlan struct {
	Lunette  string     `json:"lunette"` // isSavedPlan
	Document string     `json:"document"`
	Name     string     `json:"name"` // of the document, for messages
	Plan     *plan.Plan `json:"plan"`
}

const isSavedPlan = "plan 1"

// Run shows the plan first, and does what was shown.
func (c *applyCmd) Run(e *env) error {
	switch {
	case (c.Plan == "") == (c.File == ""):
		return usageError{errors.New("name one document, as \"lunette apply -f FILE\", or one saved plan, as \"lunette apply PLAN\"")}
	case c.Plan != "":
		return c.saved(e)
	}
	text, err := readText(c.File)
	if err != nil {
		return err
	}
	return c.whole(e, text, shownName(c.File))
}

// sender sends a document.
func (c *changing) sender(e *env, text []byte) sender {
	return func(ctx context.Context, o client.Options) (*apply.Result, error) {
		return e.daemon(c.Socket).Apply(ctx, client.ApplyRequest{Text: text, Options: o})
	}
}

// whole makes text the document, and shows the plan before.
func (c *applyCmd) whole(e *env, text []byte, name string) error {
	send := c.sender(e, text)
	dry := c.options()
	dry.DryRun, dry.Try = true, 0
	result, err := send(e.ctx, dry)
	if err != nil {
		return inDocument(name, err)
	}
	if c.PlanOut != "" {
		return c.save(e, savedPlan{isSavedPlan, string(text), name, result.Plan})
	}
	if c.DryRun {
		return c.outcome(e, result, true)
	}
	return inDocument(name, c.shown(e, result.Plan, send))
}

// shown does what a plan says, which people are shown now.
func (c *changing) shown(e *env, p *plan.Plan, send sender) error {
	o := c.options()
	o.Digest = p.Digest
	switch {
	case lacks(p, o.Confirm):
		if err := c.confirm(e, &o, p); err != nil {
			return err
		}
	case c.Output == "table" && !p.Empty():
		if err := writePlan(e.stdout, p, o.Confirm); err != nil {
			return err
		}
	}
	result, err := send(e.ctx, o)
	if err != nil {
		return err
	}
	return c.outcome(e, result, false)
}

// save writes a plan to a file that appears when it is whole.
func (c *applyCmd) save(e *env, s savedPlan) error {
	if shown, err := c.show(e, s.Plan); err != nil {
		return err
	} else if !shown {
		if err := writePlan(e.stdout, s.Plan, c.options().Confirm); err != nil {
			return err
		}
	}
	if err := whole(c.PlanOut, func(w io.Writer) error { return json.NewEncoder(w).Encode(s) }); err != nil {
		return err
	}
	if c.Output == "table" {
		fmt.Fprintf(e.stdout, "Nothing is done: \"lunette apply %s\" does this, as long as generation %d is served.\n", printable(c.PlanOut), s.Plan.From)
	}
	return nil
}

// saved does what a plan in a file says, if it is still what would be done.
func (c *applyCmd) saved(e *env) error {
	text, err := readText(c.Plan)
	if err != nil {
		return err
	}
	var s savedPlan
	if json.Unmarshal(text, &s) != nil || s.Lunette != isSavedPlan || s.Plan == nil {
		return usageError{fmt.Errorf("%s is no plan that \"lunette apply --plan-out\" has saved; a document is applied by \"lunette apply -f %s\"", c.Plan, c.Plan)}
	}
	err = c.shown(e, s.Plan, c.sender(e, []byte(s.Document)))
	if errors.As(err, new(*client.ConflictError)) {
		return fmt.Errorf("%w: the plan in %s was made for generation %d: make another one", err, c.Plan, s.Plan.From)
	}
	return inDocument(s.Name, err)
}

// diffCmd shows in what a document differs from the one that is served.
type diffCmd struct {
	File string `short:"f" required:"" placeholder:"FILE" complete:"file" help:"The document, YAML or JSON; - is standard input."`
	output
	at
}

// Run prints the plan.
func (c *diffCmd) Run(e *env) error {
	text, err := readText(c.File)
	if err != nil {
		return err
	}
	result, err := e.daemon(c.Socket).Apply(e.ctx, client.ApplyRequest{Text: text, Options: client.Options{DryRun: true}})
	if err != nil {
		return inDocument(shownName(c.File), err)
	}
	if shown, err := c.show(e, listed(result.Plan)); shown || err != nil {
		return err
	}
	return writePlan(e.stdout, result.Plan, nil)
}

// maxText bounds what is read from a file: a document of the largest size in a saved plan.
const maxText = 64 << 20

// readText reads a file, or standard input if its name is "-".
func readText(name string) ([]byte, error) {
	var from io.Reader = os.Stdin
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return nil, usageError{fmt.Errorf("%s: %w", name, errors.Unwrap(err))}
		}
		defer f.Close()
		from = f
	}
	text, err := io.ReadAll(io.LimitReader(from, maxText+1))
	switch {
	case err != nil:
		return nil, usageError{fmt.Errorf("%s: %w", shownName(name), err)}
	case len(text) > maxText:
		return nil, usageError{fmt.Errorf("%s is longer than a document may be", shownName(name))}
	}
	return text, nil
}
