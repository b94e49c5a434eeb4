// Package filter is what the filters, its folders, have in common.
package filter

import (
	"context"
	"fmt"

	"github.com/lunette-io/lunette/buffer"
	"github.com/lunette-io/lunette/store"
)

// Beneath is a store with its capabilities, found once. None of them is nil: one that
// the store does not have answers [store.ErrNotSupported]. (Nobody should ask: since
// [store.As] looks beneath, it does not find such a capability in the filter.)
type Beneath struct {
	store.Store
	Lender        store.Lender
	Tryer         store.Tryer
	Submitter     store.Submitter
	Trimmer       store.Trimmer
	Zeroer        store.Zeroer
	Mapper        store.Mapper
	CompareWriter store.CompareWriter
	Resizer       store.Resizer
	LiveResizer   store.LiveResizer
}

// Over finds the capabilities of s.
func Over(s store.Store) Beneath {
	return Beneath{
		Store:         s,
		Lender:        find[store.Lender](s),
		Tryer:         find[store.Tryer](s),
		Submitter:     find[store.Submitter](s),
		Trimmer:       find[store.Trimmer](s),
		Zeroer:        find[store.Zeroer](s),
		Mapper:        find[store.Mapper](s),
		CompareWriter: find[store.CompareWriter](s),
		Resizer:       find[store.Resizer](s),
		LiveResizer:   find[store.LiveResizer](s),
	}
}

func find[T any](s store.Store) T {
	if c, ok := store.As[T](s); ok {
		return c
	}
	return any(none{}).(T)
}

// none has every capability, and can do nothing.
type none struct{}

func refuse(what string) error {
	return fmt.Errorf("%s: %w by the store beneath the filter", what, store.ErrNotSupported)
}

func (none) Lend(int64, int64, store.Access) (*buffer.Lease, error)         { return nil, refuse("lend") }
func (none) TryReadAt(*buffer.Lease, int64) (bool, error)                   { return false, nil }
func (none) TryWriteAt(*buffer.Lease, int64) (bool, error)                  { return false, nil }
func (none) Submit(r *store.Request)                                        { r.Done(r, refuse("submit")) }
func (none) Cancel(*store.Request)                                          {}
func (none) Trim(context.Context, int64, int64) error                       { return refuse("trim") }
func (none) Zero(context.Context, int64, int64, store.Flags) error          { return refuse("zero") }
func (none) Extent(context.Context, int64, int64) (e store.Extent, _ error) { return e, refuse("map") }
func (none) Resize(context.Context, int64) error                            { return refuse("resize") }
func (none) ResizeLive(context.Context, int64) error                        { return refuse("resize") }
func (none) CompareAndWrite(context.Context, *buffer.Lease, *buffer.Lease, int64, store.Flags) error {
	return refuse("compare and write")
}
