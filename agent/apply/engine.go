package apply

import (
	"context"
	"errors"
	"iter"
	"log/slog"
	"time"

	"github.com/lunette-io/lunette/agent/model"
	"github.com/lunette-io/lunette/agent/state"
)

// Config is what an engine works with.
type Config struct {
	Runner      Runner
	Generations state.Generations
	Schema      model.Schema
	// Document is what runs: what Load has returned.
	Document *model.Document
	// Author is who the first generation is by, if there is none yet.
	Author string
	// Directory is where generations are kept, for Status; empty: nowhere.
	Directory string
	// Deadline is how long a transition may prepare; 0: a minute.
	Deadline time.Duration
	Log      *slog.Logger // nil: none
}

// A Snapshot is the document at one time. It does not change.
type Snapshot struct {
	state.Meta // of the last generation that was committed
	Document   *model.Document
	ETag       string
	// Tried: the document is not that of the generation, but one that is tried.
	Tried bool
}

// An Engine makes changes, one at a time.
type Engine struct{}

var errNotYet = errors.New("not yet")

// New returns an engine for what runs. The first generation is committed if there is none.
func New(c Config) (*Engine, error) { return nil, errNotYet }

// Current is the document that is served.
func (e *Engine) Current() *Snapshot { return nil }

// Apply does what a request asks for, and returns when all of it has ended. If ctx is done before the
// commit, nothing has happened.
func (e *Engine) Apply(ctx context.Context, r Request) (*Result, error) { return nil, errNotYet }

// Start is Apply in the background: the operation says how it goes on.
func (e *Engine) Start(r Request) Operation { return Operation{} }

// Confirm keeps the change that is tried.
func (e *Engine) Confirm(ctx context.Context, author string) (*Result, error) { return nil, errNotYet }

// Revert takes the change that is tried back, before its time.
func (e *Engine) Revert(ctx context.Context, author string) (*Result, error) { return nil, errNotYet }

// Operations are the last ones, the newest first.
func (e *Engine) Operations() []Operation { return nil }

// Operation is one of the last.
func (e *Engine) Operation(id string) (Operation, bool) { return Operation{}, false }

// Cancel takes an operation back that can be: it is done when the operation has ended. false: there is
// none, or it is too late.
func (e *Engine) Cancel(id string) bool { return false }

// Status is how it stands.
func (e *Engine) Status() Status { return Status{} }

// Note tells an event that the engine does not know of itself, such as a login. Its sequence number,
// generation, and time if it has none, are set.
func (e *Engine) Note(ev Event) {}

// Watch yields events, from one on; from 0: those that come from now on. Where some are not kept any more it
// yields a [*GapError], and goes on with the next. It ends with ctx.
func (e *Engine) Watch(ctx context.Context, from uint64) iter.Seq2[Event, error] { return nil }

// Close ends what the engine does by itself, and waits for it. A change that is tried is not kept: the
// next start serves what was before.
func (e *Engine) Close() {}
