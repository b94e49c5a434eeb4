package main

import (
	"errors"
	"fmt"
	account "os/user"
	"strings"

	"github.com/lunette-io/lunette/agent/state"
)

// offline goes back to a generation in a state directory that no daemon has.
func (c *rollbackCmd) offline(e *env) error {
	if c.DryRun || c.Try > 0 || c.Comment != "" || c.EndSessions || c.Replace || c.DeleteData || c.Restart {
		return usageError{errors.New("with --state nothing runs that could be shown, tried or confirmed: leave the other flags of changes out")}
	}
	m, err := state.Repair(c.State, c.Generation, author())
	if err != nil {
		return err
	}
	if shown, err := c.show(e, m); shown || err != nil {
		return err
	}
	_, err = fmt.Fprintf(e.stdout, "Generation %d has the document of generation %d: \"lunette serve --state %s\" serves it.\n", m.Generation, c.Generation, printable(c.State))
	return err
}

// author is who runs this, as the history has it.
func author() string {
	u, err := account.Current()
	if err != nil {
		return "unknown"
	}
	return strings.TrimSpace(u.Username)
}
