package server

import (
	"context"
	"iter"

	"github.com/lunette-io/lunette/agent/api"
	"github.com/lunette-io/lunette/agent/apply"
	"github.com/lunette-io/lunette/agent/model"
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
}

// An Agent has the document and changes it: an [apply.Engine]. Its methods may be called by many goroutines.
//
// Its errors are [model.Problems], [*model.NoObjectError], [*model.ObjectThereError], [*apply.ConflictError],
// [*apply.NeedsConfirmError] and [*apply.NotFoundError], or others.
type Agent interface {
	Changer
	Reader
	Worker
}

// A Changer changes the document, and waits for the end of that.
type Changer interface {
	Apply(ctx context.Context, r apply.Request) (*apply.Result, error)
	// Rollback makes the document of a generation the one that counts. Of the request only what goes with every
	// change counts: confirmations, who asks, and so on.
	Rollback(ctx context.Context, generation uint64, r apply.Request) (*apply.Result, error)
	// Confirm keeps the change that is tried, and Revert takes it back.
	Confirm(ctx context.Context, author string) error
	Revert(ctx context.Context, author string) error
}

// A Reader knows the document and what has become of it.
type Reader interface {
	// Current is the document now. Nobody changes it.
	Current() *model.Document
	Status() apply.Status
	History() ([]state.Meta, error)
	Load(generation uint64) (state.Stored, error)
	// Events are those that have happened and are still kept, from a sequence number on.
	Events(from uint64) []apply.Event
	// Watch are the same, and then those that happen, until ctx is done. The last may be an error.
	Watch(ctx context.Context, from uint64) iter.Seq2[apply.Event, error]
}

// A Worker has the changes under way.
type Worker interface {
	// Start begins what Apply does. The change goes on when ctx is done.
	Start(ctx context.Context, r apply.Request) (apply.Operation, error)
	// Operations are those at work and the last that were, the newest first.
	Operations() []apply.Operation
	// Cancel takes one back that can still be taken back.
	Cancel(id string) error
}
