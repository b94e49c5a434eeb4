package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/lunette-io/lunette/agent/apply"
	"github.com/lunette-io/lunette/agent/client"
)

// historyCmd lists generations.
type historyCmd struct {
	output
	at
}

// Run lists them, the newest first.
func (c *historyCmd) Run(e *env) error {
	all, err := e.daemon(c.Socket).History(e.ctx)
	if err != nil {
		return err
	}
	if shown, err := c.show(e, all); shown || err != nil {
		return err
	}
	rows := make([][]string, len(all))
	for i, m := range all {
		rows[i] = []string{fmt.Sprint(m.Generation), clock(m.Time), m.Author, amount(int64(m.Size)), m.Comment}
	}
	return writeTable(e.stdout, []column{{"GENERATION", never}, {"TIME", never}, {"BY", back}, {"SIZE", never}, {"COMMENT", back}}, rows, narrow)
}

// rollbackCmd goes back to a generation.
type rollbackCmd struct {
	Generation uint64 `arg:"" complete:"generation" help:"The generation whose document is to be served again: see \"lunette history\"."`
	State      string `placeholder:"DIR" complete:"dir" help:"Do it in this state directory, while no daemon runs on it: what starts next serves that generation."`
	changing
}

// Run shows the plan first.
func (c *rollbackCmd) Run(e *env) error {
	if c.State != "" {
		return c.offline(e)
	}
	send := func(ctx context.Context, o client.Options) (*apply.Result, error) {
		return e.daemon(c.Socket).Rollback(ctx, c.Generation, o)
	}
	dry := c.options()
	dry.DryRun, dry.Try = true, 0
	result, err := send(e.ctx, dry)
	if err != nil {
		return noGeneration(c.Generation, err)
	}
	if c.DryRun {
		return c.outcome(e, result, true)
	}
	return c.shown(e, result.Plan, send)
}

// noGeneration says what to do about a generation that is not there.
func noGeneration(n uint64, err error) error {
	if errors.As(err, new(*client.NotFoundError)) {
		return fmt.Errorf("there is no generation %d: \"lunette history\" lists those that are kept", n)
	}
	return err
}

// reloadCmd has secrets read again.
type reloadCmd struct{ changing }

// Run asks for it.
func (c *reloadCmd) Run(e *env) error {
	return c.do(e, c.options(), e.daemon(c.Socket).Reload)
}

// deciding are commands about a change that is tried.
type deciding struct {
	output
	at
}

type (
	confirmCmd struct{ deciding }
	revertCmd  struct{ deciding }
)

// Run keeps it.
func (c *confirmCmd) Run(e *env) error {
	return c.decided(e, e.daemon(c.Socket).Confirm, "is kept.")
}

// Run takes it back.
func (c *revertCmd) Run(e *env) error {
	return c.decided(e, e.daemon(c.Socket).Revert, "is served, and what was tried is taken back.")
}

func (c *deciding) decided(e *env, ask func(context.Context) (*apply.Result, error), what string) error {
	s, err := ask(e.ctx)
	if err != nil {
		return err
	}
	if shown, err := c.show(e, s); shown || err != nil {
		return err
	}
	_, err = fmt.Fprintf(e.stdout, "Generation %d %s\n", s.Generation, what)
	return err
}

// statusCmd says how it stands.
type statusCmd struct {
	output
	at
}

// Run prints it.
func (c *statusCmd) Run(e *env) error {
	s, err := e.daemon(c.Socket).Status(e.ctx)
	if err != nil {
		return err
	}
	if shown, err := c.show(e, s); shown || err != nil {
		return err
	}
	out := page{coloured: coloured(e.stdout)}
	out.write("Generation %d", s.Meta.Generation)
	if !s.Meta.Time.IsZero() {
		out.write(", of %s", clock(s.Meta.Time))
	}
	if s.Meta.Author != "" {
		out.write(", by %s", s.Meta.Author)
	}
	if s.Meta.Comment != "" {
		out.write(": %s", s.Meta.Comment)
	}
	out.write(".\n")
	if s.Directory == "" {
		out.write("It is kept for as long as the daemon runs: --state DIR of \"lunette serve\" keeps it for longer.\n")
	} else {
		out.write("It is kept in %s.\n", s.Directory)
	}
	if !s.TryUntil.IsZero() {
		out.write("A change is tried, and taken back at %s, unless \"lunette confirm\" keeps it.\n", clock(s.TryUntil))
	}
	if s.Applying != "" {
		out.write("A change is being made: operation %s of \"lunette operations\".\n", s.Applying)
	}
	if len(s.Conditions) == 0 {
		out.in(green, "All is as the document wants it.")
		out.write("\n")
	}
	if _, err := io.WriteString(e.stdout, out.b.String()); err != nil || len(s.Conditions) == 0 {
		return err
	}
	rows := make([][]string, len(s.Conditions))
	for i, x := range s.Conditions {
		rows[i] = []string{objectName(x.Key), x.Type, clock(x.Since), x.Message}
	}
	fmt.Fprintln(e.stdout)
	return writeTable(e.stdout, []column{{"OBJECT", front}, {"CONDITION", never}, {"SINCE", never}, {"WHY", never}}, rows, 0)
}

// eventsCmd shows what happens.
type eventsCmd struct {
	Follow bool   `short:"f" help:"Wait for what happens next, until a signal ends it."`
	From   uint64 `placeholder:"N" help:"Begin with the event of this number. Default: 1, or with --follow what comes."`
	output
	at
}

// Run prints an event a line, or a document of YAML each.
func (c *eventsCmd) Run(e *env) error {
	if c.From == 0 && !c.Follow {
		c.From = 1
	}
	for event, err := range e.daemon(c.Socket).Events(e.ctx, c.From, c.Follow) {
		var gap *apply.GapError
		if errors.As(err, &gap) {
			fmt.Fprintf(e.stderr, "lunette: %v\n", gap)
			continue
		}
		if err != nil {
			return err
		}
		if err := c.event(e, event); err != nil {
			return err
		}
	}
	return nil
}

func (c *eventsCmd) event(e *env, x apply.Event) error {
	switch c.Output {
	case "json":
		return encodeLine(e.stdout, x)
	case "yaml":
		if _, err := io.WriteString(e.stdout, "---\n"); err != nil {
			return err
		}
		_, err := c.show(e, x)
		return err
	}
	what := ""
	if x.Key.Kind != "" {
		what = " " + objectName(x.Key) + ":"
	}
	_, err := io.WriteString(e.stdout, printable(fmt.Sprintf("%s  %d  %s:%s %s\n", clock(x.Time), x.Sequence, x.Type, what, x.Message)))
	return err
}

// operationsCmd shows changes at work.
type operationsCmd struct {
	Cancel string `placeholder:"ID" help:"Take this one back, which is possible until it is committed."`
	output
	at
}

// Run lists them, or cancels one.
func (c *operationsCmd) Run(e *env) error {
	d := e.daemon(c.Socket)
	if c.Cancel != "" {
		err := d.CancelOperation(e.ctx, c.Cancel)
		if err == nil && c.Output == "table" {
			_, err = fmt.Fprintf(e.stdout, "Operation %s is taken back.\n", printable(c.Cancel))
		}
		return err
	}
	all, err := d.Operations(e.ctx)
	if err != nil {
		return err
	}
	if shown, err := c.show(e, all); shown || err != nil {
		return err
	}
	rows := make([][]string, len(all))
	for i, o := range all {
		done := ""
		if o.Total > 0 {
			done = fmt.Sprintf("%d/%d", o.Done, o.Total)
		}
		rows[i] = []string{o.ID, o.Kind, o.Author, clock(o.Started), o.Phase, done, o.Error}
	}
	return writeTable(e.stdout, []column{{"ID", never}, {"KIND", never}, {"BY", back}, {"STARTED", never}, {"PHASE", never}, {"STEPS", never}, {"ERROR", back}}, rows, narrow)
}
