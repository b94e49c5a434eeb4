package reserve

import (
	"context"
	"errors"
)

// A Step is one change that has been made to a state: the state after it, and what else it
// means. The rules run once, on the host that has the command; the other hosts of a cluster
// take the step as it is.
type Step struct {
	// After has the version that follows that of the state before.
	After   Snapshot
	Effects Effects
}

// ErrStale is what Commit ends with if another host's step came first.
var ErrStale = errors.New("reservations: another change came first")

// ErrUnavailable is what Commit ends with, or wraps, if it might do better a little later: the
// command is answered with BUSY.
var ErrUnavailable = errors.New("reservations: what keeps them is not available for now")

// A Keeper keeps the state of one logical unit outside this process: on a disk, so that it
// survives a loss of power, or with other hosts that have the same unit, so that they agree.
// Its methods may take time and may fail; no lock is held when they are called. They may be
// called by several goroutines, but there is one Commit at a time.
type Keeper interface {
	// Load returns the state to start from: the zero Snapshot if nothing was kept. A keeper
	// that knows that the unit has been without power applies [PowerOn] to what it has; that of
	// a cluster does not while another host runs the unit.
	Load(ctx context.Context) (Snapshot, error)

	// Commit makes s the next step for everybody, if s.After.Version is one more than the
	// version that is kept. When it returns nil the step is kept, and each other host that has
	// the unit has called done for it (see Watch) or cannot reach the unit any more. ErrStale
	// says that another step came first; by then Watch's f has been called with it. After any
	// other error the step was not made, or it comes by Watch. Canceling ctx may end it early.
	Commit(ctx context.Context, s Step) error

	// Watch lets the keeper call f with every step that other hosts commit after the version
	// after, one at a time and in order; a step whose After is more than one version ahead
	// stands for those that were left out. f does not wait: done is called, on any goroutine,
	// when the unit on this host lets no command pass that the new state denies, and when the
	// tasks that the step aborts have ended. An error of f says that the step is not valid; then
	// done is not called. When stop has returned f is not running and is not called any more.
	Watch(after uint64, f func(s Step, done func()) error) (stop func())

	// PersistsThroughPowerLoss reports that what is committed survives a loss of power, so
	// that initiators may ask for it by APTPL (PTPL_C).
	PersistsThroughPowerLoss() bool
}
