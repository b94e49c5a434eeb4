package plugin

import (
	"context"

	"github.com/lunette-io/lunette/agent/api"
	"github.com/lunette-io/lunette/agent/model"
	"github.com/lunette-io/lunette/store"
)

// A Store is a kind of place where bytes live.
type Store struct {
	About
	Open func(ctx context.Context, v model.Values) (Opened, error)
}

func (p Store) add(r *Registry) { r.Stores = append(r.Stores, p) }

// Opened is an open store.
type Opened struct {
	store.Store
	// Undo, if there is one, takes back what opening has made; it is called before Close, when
	// what the store was opened for fails.
	Undo func() error
	// Seed tells this store from all others, here and on other hosts, for as long as
	// its data lives.
	Seed string
	// Label is the store in words: its kind, and what it is on.
	Label string
	// Taken tells that a logical unit has taken the store, so that nobody else closes it. The daemon
	// sets it; a device that opens several stores calls it for each, since the next may fail.
	Taken func()
	// Describe is what there is to say of the store and the filters on it; nil: nothing.
	Describe func() api.Facts
}

// A Filter is a kind of layer on a store.
type Filter struct {
	About
	// Wrap puts a filter on a store, which it takes if it succeeds.
	Wrap func(s store.Store, v model.Values) (Wrapped, error)
}

func (p Filter) add(r *Registry) { r.Filters = append(r.Filters, p) }

// Wrapped is a store with a filter on it.
type Wrapped struct {
	store.Store
	Describe func() api.Facts // of the filter; nil: nothing
}

// Wraps is the function Wrap of a filter that takes no options and cannot fail.
func Wraps[S store.Store](make func(store.Store) S) func(store.Store, model.Values) (Wrapped, error) {
	return func(s store.Store, _ model.Values) (Wrapped, error) { return Wrapped{Store: make(s)}, nil }
}

// IOFact says how a store on a descriptor waits for its disk.
func IOFact(s store.Store) api.Fact {
	how := "threads"
	if _, ok := store.As[store.Submitter](s); ok {
		how = "io_uring"
	}
	return api.Fact{Name: "io", Value: how, Column: "IO", Text: how, Wide: true}
}

// IOOption is what stores on descriptors have in common.
func IOOption() model.Option {
	return model.Option{
		Name: "io", Type: model.String, Default: model.Auto, Values: []string{model.Auto, "uring", "threads"},
		Help: "How to wait for the disk: `uring`, by io_uring, with the least CPU time; `threads`, by threads in system calls; `auto`, by io_uring where the system has and allows it.",
	}
}
