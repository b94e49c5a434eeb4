package main

import (
	"errors"
	"fmt"
	"slices"

	"github.com/lunette-io/lunette/agent/api"
	"github.com/lunette-io/lunette/agent/client"
	"github.com/lunette-io/lunette/agent/plan"
)

// Exit statuses.
const (
	exitOK       = 0
	exitFailed   = 1 // the command was right, and did not work out
	exitUsage    = 2 // what was asked for is wrong
	exitConfirm  = 3 // it has to be confirmed
	exitConflict = 4 // the document, or an object of it, is another one meanwhile
)

// conflicts reports that err says that a change is tried, or that it is too late to take one back.
func conflicts(err error) bool {
	var e *client.Error
	return errors.As(err, &e) && (e.Reason == api.ReasonTry || e.Reason == api.ReasonLate)
}

// statusOf is the exit status of a command with an error.
func statusOf(err error) int {
	switch {
	case err == nil:
		return exitOK
	case errors.As(err, new(*unconfirmed)), errors.As(err, new(*client.NeedsConfirmError)):
		return exitConfirm
	case errors.As(err, new(*client.ConflictError)), errors.As(err, new(*client.ExistsError)), errors.As(err, new(*otherError)), conflicts(err):
		return exitConflict
	case errors.As(err, new(usageError)), errors.As(err, new(*client.ProblemsError)):
		return exitUsage
	}
	return exitFailed
}

// otherError says that an object is there already, and is another one.
type otherError struct{ message string }

func (e *otherError) Error() string { return e.message }

// lacks reports that a plan needs more confirmations than those that are given.
func lacks(p *plan.Plan, given []plan.Confirm) bool {
	return slices.ContainsFunc(p.Confirms(), func(c plan.Confirm) bool { return !slices.Contains(given, c) })
}

// documentError is what is wrong with a document of this name.
type documentError struct {
	name string
	err  *client.ProblemsError
}

func (e *documentError) Error() string { return e.name + ": " + e.err.Error() }
func (e *documentError) Unwrap() error { return e.err }

// inDocument gives what is wrong with a document its name.
func inDocument(name string, err error) error {
	var p *client.ProblemsError
	if errors.As(err, &p) {
		return &documentError{name, p}
	}
	return err
}

// lines are what is said of an error: one line, or one for each problem of a document.
func lines(err error) []string {
	var p *client.ProblemsError
	if !errors.As(err, &p) || len(p.Problems) == 0 {
		return []string{err.Error()}
	}
	name := ""
	if d := (*documentError)(nil); errors.As(err, &d) {
		name = d.name + ":"
	}
	var all []string
	for _, x := range p.Problems {
		if len(all) == mostProblems {
			return append(all, fmt.Sprintf("and %d more", len(p.Problems)-len(all)))
		}
		text := x.String()
		if name != "" && x.Line == 0 {
			text = " " + text
		}
		all = append(all, name+text)
	}
	return all
}
