package plugin

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"

	"github.com/lunette-io/lunette/agent/api"
	"github.com/lunette-io/lunette/agent/model"
	"github.com/lunette-io/lunette/buffer"
	"github.com/lunette-io/lunette/store"
)

// A Store is a kind of place where bytes live.
type Store struct {
	About
	Open func(ctx context.Context, v model.Values) (Opened, error)
	// Look says what Open would find, by the same code and with the same errors, and leaves everything as
	// it is: it makes nothing and takes no lock. nil: there is nothing to find before.
	Look func(v model.Values) (Found, error)
	// Volatile: what it holds is gone when it is closed.
	Volatile bool
	// Holds reports that what is at a path now is what this kind of store is made of. It opens nothing. nil: no path says where such a
	// store is.
	Holds func(path string) bool
	// At are the options with which Open opens what is at a path, as it is. A kind has it if it has Holds.
	At func(path string, readOnly bool) model.Values
}

func (p Store) add(r *Registry) { r.Stores = append(r.Stores, p) }

// Found is what there is of a store before it is opened.
type Found struct {
	Size    int64 // that it would have; 0: that is not known
	Missing bool  // Open would make it
	// Same is equal for all ways to name one place: no two units can have it. Empty: no other store is there.
	Same string
	// Seed and Forget are those of Opened, as far as they are there already.
	Seed, Forget string
	// Makes are the files that Open would make, or make longer.
	Makes []Made
}

// Made is a file that is made, or made longer, and outlives the process: how to take it back.
type Made struct {
	Path  string
	Grown bool  // it is there, with Size bytes
	Size  int64 // of what is grown, before
}

// SizeAlone is Look of a store that is made when it is opened, with its option "size".
func SizeAlone(v model.Values) (Found, error) { return Found{Size: v.Size("size")}, nil }

// Opened is an open store.
type Opened struct {
	store.Store
	// Undo, if there is one, takes back what opening has made; it is called before Close, when
	// what the store was opened for fails.
	Undo func() error
	// Seed tells this store from all others, here and on other hosts, for as long as
	// its data lives.
	Seed string
	// Caveat is what is to be known of Seed, such as that it does not live as long; it concerns
	// who has no other name for the store.
	Caveat Notice
	// Forget is what an operator does to let the data have another Seed, as a copy of it that has to
	// be told from it; empty: nothing.
	Forget string
	// New: opening has made the data, and nobody can have known it.
	New bool
	// News is what opening has found or done, for the log.
	News []Notice
	// Reservations is where those of the unit can be kept, beside the data; nil: nowhere.
	Reservations store.Record
	// Modes is where saved values of the unit's mode pages can be kept; nil: nowhere, and none can be
	// saved.
	Modes store.Record
	// Lost says what has happened to the place of the data since it was opened, such as that it was
	// taken away by others; nil: nothing can happen to it, or nobody can tell. It may be called at
	// any time, by any goroutine, and does not wait for storage.
	Lost func() error
	// Same is that of Found, by which the place is known now.
	Same string
	// File is the file that gets longer with the store; empty: none does.
	File string
	// Remove removes the data for good, after Close; nil: it has no file of its own.
	Remove func() error
	// Later is how many descriptors the store may open later.
	Later int
	// List has the store put memory of its own, which it lends, into the list of all that data lies in. The daemon calls it, before the store is used; nil: it lends none.
	List func(all *buffer.Regions)
	// Label is the store in words: its kind, and what it is on.
	Label string
	// Taken tells that a logical unit has taken the store, so that nobody else closes it. The daemon
	// sets it; a device that opens several stores calls it for each, since the next may fail.
	Taken func()
	// Describe is what there is to say of the store and the filters on it; nil: nothing.
	Describe func() api.Facts
	// Closed tells that a store which [Stores.OpenPath] has opened is closed; nil: nobody has to know. Close calls it.
	Closed func()
}

// Close closes the store. Whoever opened it by its path closes it so, and not by its own Close.
func (o Opened) Close() error {
	err := o.Store.Close()
	if o.Closed != nil {
		o.Closed()
	}
	return err
}

// absent is the error of a path where nothing is.
type absent string

func (a absent) Error() string        { return string(a) }
func (a absent) Is(target error) bool { return target == fs.ErrNotExist }

// Holder is the kind of store that what is at a path is made of. The error of a path where nothing is is [fs.ErrNotExist].
func Holder(all []Store, path string) (Store, error) {
	for _, s := range all {
		if s.Holds != nil && s.Holds(path) {
			return s, nil
		}
	}
	info, err := os.Stat(path)
	to, _ := os.Readlink(path)
	var wrong *fs.PathError
	switch {
	case errors.Is(err, fs.ErrNotExist) && to != "":
		return Store{}, absent(fmt.Sprintf("%s: it is a symbolic link to %s, which does not exist: make that first, or name it instead", path, to))
	case errors.Is(err, fs.ErrNotExist):
		return Store{}, absent(path + ": there is no such file")
	case errors.As(err, &wrong):
		return Store{}, fmt.Errorf("%s: %w", path, wrong.Err)
	case err != nil:
		return Store{}, err
	case info.IsDir():
		return Store{}, fmt.Errorf("%s: it is a directory: name a file or a block device", path)
	}
	return Store{}, fmt.Errorf("%s: it is neither a file nor a block device", path)
}

// A Notice is something for the log.
type Notice struct {
	Warn bool // rather than to inform
	Text string
}

// Tell writes the notice to a log, unless it is empty.
func (n Notice) Tell(log *slog.Logger) {
	switch {
	case n.Text == "":
	case n.Warn:
		log.Warn(n.Text)
	default:
		log.Info(n.Text)
	}
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
