package daemon

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/user"

	"github.com/lunette-io/lunette/agent/apply"
	"github.com/lunette-io/lunette/agent/model"
	"github.com/lunette-io/lunette/agent/server"
	"github.com/lunette-io/lunette/agent/state"
)

// schema is what documents can say.
func (d *Daemon) schema() model.Schema {
	s := d.reg.Schema()
	s.Flags = d.opts.Flags
	return s
}

// startAgent makes what changes the document that runs, and lets people ask for it.
func (d *Daemon) startAgent(socket *server.Socket) error {
	kept := d.opts.Generations
	if kept == nil {
		kept = new(state.Memory)
	}
	engine, err := apply.New(apply.Config{
		Runner: d, Generations: kept, Schema: d.schema(), Document: d.doc(), Author: d.opts.Author,
		Directory: d.opts.Directory, Log: d.log,
	})
	if err != nil {
		return err
	}
	d.engine = engine
	d.current.Store(engine.Current().Document)
	d.api = server.Serve(socket, server.Config{
		Source: d, Agent: engine, History: kept, Operator: d, Schema: d.schema().JSONSchema, Reload: d.reloaded, Log: d.log,
	})
	return nil
}

// reloaded is the request of a reload with the file that the daemon was given as its document, if there is
// one.
func (d *Daemon) reloaded(r apply.Request) (apply.Request, error) {
	if d.opts.File == "" {
		return r, nil
	}
	text, err := model.FileText(d.opts.File)
	if err != nil {
		return r, err
	}
	r.Text = text
	return r, nil
}

// Reload reads secrets again, and applies the document that the daemon was given as a file. What needs a
// confirmation is refused.
func (d *Daemon) Reload(ctx context.Context, author string) error {
	r, err := d.reloaded(apply.Request{Reload: true, Author: author})
	if err != nil {
		return err
	}
	_, err = d.engine.Apply(ctx, r) // which tells the log what it has done
	switch {
	case errors.As(err, new(*apply.NeedsConfirmError)):
		return fmt.Errorf("nothing is changed: %w: use \"lunette apply -f %s\"", err, d.opts.File)
	case err != nil:
		return fmt.Errorf("nothing is changed: %w", err)
	}
	return nil
}

// Conditions implements [apply.Runner].
func (d *Daemon) Conditions() []apply.Condition { return d.units.conditions() }

// Author is the user of this process, for the generations that a start commits.
func Author() string {
	name := fmt.Sprintf("uid %d", os.Getuid())
	if u, err := user.Current(); err == nil {
		name = fmt.Sprintf("%s (uid %s)", u.Username, u.Uid)
	}
	return name
}
