// Package apply changes what runs to what a document says: by difference, and as a whole. One
// change is made at a time, and all of it or nothing; who looks sees a value that does not change.
package apply

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/lunette-io/lunette/agent/model"
	"github.com/lunette-io/lunette/agent/plan"
	"github.com/lunette-io/lunette/agent/state"
)

// A Runner is what runs: the daemon. Prepare, and what it returns, are called one at a time; the others at
// any time, also meanwhile.
type Runner interface {
	plan.Live
	// Prepare does all of a transition that can fail. Nobody sees any of it, and what it returns
	// ends it. After an error nothing is left of it.
	Prepare(ctx context.Context, t Transition) (Prepared, error)
	// Conditions are those of all objects now, but of those with which all is well.
	Conditions() []Condition
}

// A Transition is the way from one document to another.
type Transition struct {
	Old, New *model.Document
	Plan     *plan.Plan
	// Makes is called before something is made that outlives the process, such as a file, so that
	// it can be taken back after a crash. When it fails nothing may be made.
	Makes func(state.Made) error
	// Reload: secrets and the like are read again where nothing has changed in the document.
	Reload bool
	// Delete are the units that are removed whose data is to be removed with them.
	Delete []string
	// Progress may be called by Prepare, on any goroutine: how many steps of the plan are prepared.
	Progress func(steps int)
}

// Prepared is a transition that was prepared: it ends with Publish and then Retire, or with Cancel.
type Prepared interface {
	// Publish shows it: it cannot fail, and does not wait.
	Publish()
	// Retire ends what is not served any more, and waits for that until ctx is done; what is left
	// then ends by itself. Its errors are about that alone, and become conditions: an [*EndingError]
	// says of which object, and errors.Join makes one of several. After an error it is called again
	// later, until it returns nil.
	Retire(ctx context.Context) error
	// Cancel takes it back.
	Cancel() error
}

// A Request asks for a change.
type Request struct {
	// Of the next three there is one at most. Text is the whole document; Edits change objects of the
	// one that is there; Rollback is the generation whose text counts again.
	Text     []byte
	Edits    []model.Edit
	Rollback uint64
	// Reload reads again what the document names, such as secrets: with one of the above or alone.
	Reload bool

	// Match, if it is not empty, is the ETag that the object at MatchKey must have; that of the
	// whole document if MatchKey is zero. "*" means that it is there at all.
	Match    string
	MatchKey model.Key
	// Digest, if it is not empty, is that of the plan that was shown: with another plan nothing happens.
	Digest string

	Confirm []plan.Confirm // what may hurt
	Delete  []string       // see [Transition.Delete]
	DryRun  bool           // only the plan
	// Try, if it is not 0, is after which time the change is taken back, unless Confirm is called before.
	Try time.Duration

	Author  string // who asks: a user of this machine, SIGHUP, …
	Comment string
}

// A Result is what has become of a request.
type Result struct {
	Plan *plan.Plan `json:"plan"`
	// Generation is the last that was committed. What is tried is none yet.
	Generation uint64 `json:"generation"`
	// Changed: the document is another, though it may mean the same.
	Changed bool   `json:"changed"`
	ETag    string `json:"etag"`
	// Conditions are of what did not end as it should have, after the change was made.
	Conditions []Condition `json:"conditions,omitempty"`
	// TryUntil is when it is taken back, if it was tried.
	TryUntil time.Time `json:"tryUntil,omitzero"`
}

// A Condition says that an object is not as the document wants it.
type Condition struct {
	Key     model.Key `json:"key"`
	Type    string    `json:"type"` // see the constants below
	Message string    `json:"message"`
	Since   time.Time `json:"since"`
}

// Types of conditions.
const (
	// NotReady: it cannot be opened, and answers initiators NOT READY.
	NotReady = "NotReady"
	// Degraded: it is served, and something of it is not as it should be.
	Degraded = "Degraded"
	// Ending: it is not in the document any more, and not gone yet.
	Ending = "Ending"
	// PendingRestart: what the document says counts when the daemon is started again.
	PendingRestart = "PendingRestart"
)

// A ConflictError says that the document, or an object of it, is not what the request was made for.
type ConflictError struct {
	Key        model.Key // zero: the whole document
	Generation uint64    // now
	// Try: it is about a change that is tried. There is one, which must be confirmed or reverted first;
	// or there is none to confirm or revert.
	Try     bool
	Message string
}

func (e *ConflictError) Error() string { return e.Message }

// A NeedsConfirmError says that a plan hurts, and what allows it.
type NeedsConfirmError struct{ Plan *plan.Plan }

func (e *NeedsConfirmError) Error() string {
	var flags []string
	for _, c := range e.Plan.Confirms() {
		flags = append(flags, "--"+string(c))
	}
	return fmt.Sprintf("it needs your confirmation: %s", strings.Join(flags, " "))
}

// A NotFoundError says that there is no such object.
type NotFoundError struct {
	Key     model.Key
	Message string // what is not there, if it is something else than the object of Key; empty: it is that
}

func (e *NotFoundError) Error() string {
	if e.Message != "" {
		return e.Message
	}
	return fmt.Sprintf("there is no %s %q", e.Key.Kind, e.Key.Name)
}

// An EndingError says of which object something has not ended.
type EndingError struct {
	Key model.Key
	Err error
}

func (e *EndingError) Error() string { return fmt.Sprintf("%v: %v", e.Key, e.Err) }
func (e *EndingError) Unwrap() error { return e.Err }

// A RequestError says what is wrong with a request itself.
type RequestError struct{ Message string }

func (e *RequestError) Error() string { return e.Message }

// A GapError says that events between two are not kept any more. A watcher looks at the whole, and goes on.
type GapError struct {
	Wanted uint64 `json:"wanted"`
	Next   uint64 `json:"next"`
}

func (e *GapError) Error() string {
	return fmt.Sprintf("events from %d are not there any more: the next is %d", e.Wanted, e.Next)
}

// An Event is something that has happened. Sequence numbers have no gaps while the daemon runs.
type Event struct {
	Sequence   uint64    `json:"sequence"`
	Generation uint64    `json:"generation"`
	Time       time.Time `json:"time"`
	Type       string    `json:"type"` // applied, tried, confirmed, reverted, reloaded, failed, acted, condition, cleared, login, logout, …
	Key        model.Key `json:"key,omitzero"`
	Message    string    `json:"message"`
}

// A Status is how it stands.
type Status struct {
	Meta       state.Meta  `json:"generation"`
	ETag       string      `json:"etag"`
	Directory  string      `json:"directory,omitempty"` // where the state is kept; empty: nowhere
	Conditions []Condition `json:"conditions"`
	// Sequence is that of the last event: what happens from now on comes behind it.
	Sequence uint64    `json:"sequence"`
	TryUntil time.Time `json:"tryUntil,omitzero"`
	// Applying is the operation that is under way.
	Applying string `json:"applying,omitempty"`
}

// An Operation is a request at work, or one of the last that were.
type Operation struct {
	ID      string    `json:"id"`
	Kind    string    `json:"kind"` // apply, rollback, reload, …
	Author  string    `json:"author"`
	Started time.Time `json:"started"`
	Ended   time.Time `json:"ended,omitzero"`
	Phase   string    `json:"phase"` // waiting, planning, preparing, persisting, publishing, retiring, done, failed, canceled
	Done    int       `json:"done"`  // steps, of Total
	Total   int       `json:"total"`
	Error   string    `json:"error,omitempty"`
	Result  *Result   `json:"result,omitempty"`
	Cancel  bool      `json:"cancelable"` // it can still be taken back
}
