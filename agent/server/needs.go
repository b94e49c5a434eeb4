package server

import (
	"context"
	"iter"

	"github.com/lunette-io/lunette/agent/api"
	"github.com/lunette-io/lunette/agent/apply"
	"github.com/lunette-io/lunette/agent/state"
)

// A Source knows what a daemon serves. Its methods may be called by many goroutines.
type Source interface {
	Version() api.Version
	Targets() []api.Target
	Units() []api.Unit
	Sessions() []api.Session
}

// An Operator does what is asked for by hand, beside the document. Its methods may be called by many goroutines. A
// thing that is not there is an [*apply.NotFoundError].
type Operator interface {
	// DropSession ends a session, and does not wait for its end.
	DropSession(ctx context.Context, transport, id string) error
	// Reservations are the persistent reservations of a unit.
	Reservations(ctx context.Context, unit string) (api.Reservations, error)
	// ClearReservations removes them, with all registrations.
	ClearReservations(ctx context.Context, unit string) error
	// Actions are what can be done with a unit, which has the name of the document; they are its kind's.
	Actions(ctx context.Context, unit string) ([]api.Action, error)
	// Act does one of them. arguments are keys and values, YAML or JSON. What is wrong with them are [model.Problems]. It returns
	// what encoding/json takes, or nil.
	Act(ctx context.Context, r ActRequest) (result any, err error)
}

// An ActRequest asks for an action.
type ActRequest struct {
	Unit, Action string
	Arguments    []byte
	Author       string
}

// An Agent has the document and changes it: an [*apply.Engine]. Its methods may be called by many goroutines.
//
// Its errors are [model.Problems], [*model.NoObjectError], [*model.ObjectThereError], [*apply.ConflictError],
// [*apply.NeedsConfirmError], [*apply.NotFoundError] and [*apply.RequestError]; others say that it did not come
// about, and that nothing has changed.
type Agent interface {
	Changer
	Reader
}

// A Changer changes the document.
type Changer interface {
	// Apply returns when all of it has ended. If ctx is done before the commit, nothing has happened.
	Apply(ctx context.Context, r apply.Request) (*apply.Result, error)
	// Start is Apply in the background.
	Start(r apply.Request) apply.Operation
	// Confirm keeps the change that is tried, and Revert takes it back.
	Confirm(ctx context.Context, author string) (*apply.Result, error)
	Revert(ctx context.Context, author string) (*apply.Result, error)
	// Cancel takes an operation back; false: it is too late.
	Cancel(id string) bool
}

// A Reader knows the document and what becomes of it.
type Reader interface {
	Current() *apply.Snapshot
	Status() apply.Status
	// Operations are those at work and the last that were, the newest first.
	Operations() []apply.Operation
	Operation(id string) (apply.Operation, bool)
	// Watch are the events from one on, from 0 those that come from now on, until ctx is done. An
	// [*apply.GapError] stands for those that are not kept any more.
	Watch(ctx context.Context, from uint64) iter.Seq2[apply.Event, error]
}

// History has the documents that were: [state.Generations].
type History interface {
	History() ([]state.Meta, error)
	Load(generation uint64) (state.Stored, error)
}
