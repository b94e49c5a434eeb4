package store_test

import (
	"context"
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
