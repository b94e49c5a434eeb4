package apply

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"sync"
	"time"
)

// mostOperations is how many operations that have ended are kept, and mostWaiting how many can be at work: each
// may have a whole document.
const (
	mostOperations = 100
	mostWaiting    = 100
)

// ErrTooMany says that more changes wait than are taken.
var ErrTooMany = errors.New("too many changes are waiting: try again later")

// Phases of operations.
const (
	waiting    = "waiting"
	planning   = "planning"
	preparing  = "preparing"
	persisting = "persisting"
	publishing = "publishing"
	retiring   = "retiring"
	done       = "done"
	failed     = "failed"
	canceled   = "canceled"
)

// operations are the requests at work, and the last that were.
type operations struct {
	mu   sync.Mutex
	last uint64       // the number of the last
	all  []*operation // oldest first
	now  *operation   // that which has the turn
}

// An operation is one of them.
type operation struct {
	of     *operations
	cancel context.CancelCauseFunc

	// of.mu guards it.
	Operation
}

// errCanceled is why the context of an operation ends that somebody takes back.
var errCanceled = errors.New("it was canceled")

// begin notes an operation, and gives it a context that Cancel ends, or that has ended if there are too many.
func (s *operations) begin(ctx context.Context, kind, author string) (context.Context, *operation) {
	ctx, cancel := context.WithCancelCause(ctx)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.last++
	o := &operation{of: s, cancel: cancel, Operation: Operation{
		ID: strconv.FormatUint(s.last, 10), Kind: kind, Author: author, Started: time.Now(), Phase: waiting, Cancel: true,
	}}
	s.all = append(s.all, o)
	ended := 0
	defer func() {
		if len(s.all)-ended > mostWaiting {
			cancel(ErrTooMany)
		}
	}()
	for _, o := range s.all {
		if !o.Ended.IsZero() {
			ended++
		}
	}
	s.all = slices.DeleteFunc(s.all, func(o *operation) bool {
		if ended < mostOperations || o.Ended.IsZero() {
			return false
		}
		ended--
		return true
	})
	return ctx, o
}

// is notes a phase. Steps are known from the planning on.
func (o *operation) is(phase string) {
	o.of.mu.Lock()
	defer o.of.mu.Unlock()
	o.Phase = phase
	if phase != waiting {
		o.of.now = o
	}
}

// has notes how many steps there are, and how many are prepared.
func (o *operation) has(steps, total int) {
	o.of.mu.Lock()
	defer o.of.mu.Unlock()
	o.Total, o.Done = total, min(max(steps, o.Done), total)
}

// decides reports that the operation goes on to its end: nobody cancels it from now on.
func (o *operation) decides(ctx context.Context) bool {
	o.of.mu.Lock()
	defer o.of.mu.Unlock()
	o.Cancel = false
	return ctx.Err() == nil
}

// end notes what has become of it.
func (o *operation) end(r *Result, err error) {
	o.of.mu.Lock()
	defer o.of.mu.Unlock()
	o.Ended, o.Cancel, o.Phase, o.Result = time.Now(), false, done, r
	if o.of.now == o {
		o.of.now = nil
	}
	if err != nil {
		o.Phase, o.Error = failed, err.Error()
	}
	if errors.Is(err, errCanceled) || errors.Is(err, context.Canceled) {
		o.Phase = canceled
	}
	o.cancel(nil)
}

// view is a copy for others.
func (o *operation) view() Operation {
	o.of.mu.Lock()
	defer o.of.mu.Unlock()
	return o.Operation
}

// Operations are the last ones, the newest first.
func (e *Engine) Operations() []Operation {
	s := &e.operations
	s.mu.Lock()
	defer s.mu.Unlock()
	all := make([]Operation, 0, len(s.all))
	for _, o := range slices.Backward(s.all) {
		all = append(all, o.Operation)
	}
	return all
}

// Operation is one of the last.
func (e *Engine) Operation(id string) (Operation, bool) {
	s := &e.operations
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, o := range s.all {
		if o.ID == id {
			return o.Operation, true
		}
	}
	return Operation{}, false
}

// Cancel takes an operation back that can be: it is done when the operation has ended. false: there is
// none, or it is too late.
func (e *Engine) Cancel(id string) bool {
	s := &e.operations
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, o := range s.all {
		if o.ID == id && o.Operation.Cancel {
			o.cancel(errCanceled)
			return true
		}
	}
	return false
}
