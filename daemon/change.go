package daemon

import (
	"context"
	"errors"
	"slices"
)

// A change of what a daemon serves was prepared: all that can fail has been done, and nobody sees
// it yet. It ends with publish and then retire, or with cancel.
type change struct {
	undo    undo                            // takes the preparation back
	publish func()                          // shows it; it cannot fail
	retire  func(ctx context.Context) error // ends what is not served any more; nil: there is nothing
}

// do publishes the change, and ends what has become unused: an error is about that alone.
func (c *change) do(ctx context.Context) error {
	c.publish()
	if c.retire == nil {
		return nil
	}
	return c.retire(ctx)
}

// cancel takes the preparation back, after the error because of which nothing is published.
func (c *change) cancel(why error) error { return errors.Join(why, c.undo.run()) }

// undo is what takes something back, last things first.
type undo []func() error

func (u *undo) add(f func() error) { *u = append(*u, f) }

func (u *undo) run() error {
	var errs []error
	for _, f := range slices.Backward(*u) {
		errs = append(errs, f())
	}
	*u = nil
	return errors.Join(errs...)
}
