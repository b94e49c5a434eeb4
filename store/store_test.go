package store_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/lunette-io/lunette/buffer"
	"github.com/lunette-io/lunette/store"
)

// bare is a store without any capability.
type bare struct{}

func (bare) Info() store.Info                                                 { return store.Info{} }
func (bare) ReadAt(context.Context, *buffer.Lease, int64) error               { return nil }
func (bare) WriteAt(context.Context, *buffer.Lease, int64, store.Flags) error { return nil }
func (bare) Flush(context.Context) error                                      { return nil }
func (bare) Close() error                                                     { return nil }

// trimmer is a store that trims.
type trimmer struct{ bare }

func (trimmer) Trim(context.Context, int64, int64) error { return nil }

// chooser has the methods of a trimmer, and trims if it says so.
type chooser struct {
	trimmer
	can bool
}

func (c chooser) Can(what store.Capability) bool { return what != store.Trimming || c.can }

// opaque is a filter without capabilities; through passes Trim on.
type opaque struct{ store.Store }

func (f opaque) Unwrap() store.Store { return f.Store }

type through struct{ opaque }

func (through) Trim(context.Context, int64, int64) error { return nil }

func TestAs(t *testing.T) {
	for name, test := range map[string]struct {
		s    store.Store
		want bool
	}{
		"no capability":           {bare{}, false},
		"capability":              {trimmer{}, true},
		"filter passes it on":     {through{opaque{trimmer{}}}, true},
		"filter does not know it": {opaque{trimmer{}}, false},
		"filter cannot invent it": {through{opaque{bare{}}}, false},
		"one on top hides it":     {opaque{through{opaque{trimmer{}}}}, false},
		"one beneath hides it":    {through{opaque{opaque{trimmer{}}}}, false},
		"two pass it on":          {through{opaque{through{opaque{trimmer{}}}}}, true},

		"method and value":           {chooser{can: true}, true},
		"method without value":       {chooser{}, false},
		"filter on method and value": {through{opaque{chooser{can: true}}}, true},
		"filter on method alone":     {through{opaque{chooser{}}}, false},
	} {
		got, ok := store.As[store.Trimmer](test.s)
		if ok != test.want || ok != (got != nil) {
			t.Errorf("%s: %v, %v, want %v", name, got, ok, test.want)
		}
		if ok && got != test.s.(store.Trimmer) {
			t.Errorf("%s: not the outermost one", name)
		}
		if _, ok := store.As[store.Lender](test.s); ok {
			t.Errorf("%s: lends", name)
		}
	}
}

// TestCan: a value stands for each capability, and for that alone.
func TestCan(t *testing.T) {
	find := map[store.Capability]func(store.Store) bool{
		store.Lending:             has[store.Lender],
		store.Trying:              has[store.Tryer],
		store.Submitting:          has[store.Submitter],
		store.Trimming:            has[store.Trimmer],
		store.Zeroing:             has[store.Zeroer],
		store.Mapping:             has[store.Mapper],
		store.ComparingAndWriting: has[store.CompareWriter],
		store.Resizing:            has[store.Resizer],
		store.ResizingLive:        has[store.LiveResizer],
	}
	for c := range store.ResizingLive + 2 { // one that is none at the end
		for other, f := range find {
			if got := f(able{can: c}); got != (c == other) {
				t.Errorf("a store that can do %d alone: %d is %v", c, other, got)
			}
		}
	}
}

func has[T any](s store.Store) bool {
	_, ok := store.As[T](s)
	return ok
}

// able has all methods and one capability.
type able struct {
	bare
	can store.Capability
	store.Lender
	store.Tryer
	store.Submitter
	store.Trimmer
	store.Zeroer
	store.Mapper
	store.CompareWriter
	store.Resizer
	store.LiveResizer
}

func (a able) Can(c store.Capability) bool { return c == a.can }

func TestMiscompareError(t *testing.T) {
	err := fmt.Errorf("path: %w", &store.MiscompareError{At: 7})
	if !errors.Is(err, store.ErrMiscompare) || errors.Is(err, store.ErrMedium) || err.Error() != "path: miscompare at byte 7" {
		t.Error(err)
	}
}
