package plugin

import (
	"context"
	"errors"
	"log/slog"

	"github.com/lunette-io/lunette/agent/api"
	"github.com/lunette-io/lunette/agent/model"
	"github.com/lunette-io/lunette/buffer"
	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/store"
	"github.com/lunette-io/lunette/target"
)

// A Device is a device type.
type Device struct {
	About
	// Stores is how many stores a unit has.
	Stores model.StoreUse
	// Units are the names of the logical units of a unit; nil: there is one, with the unit's own
	// name, which is empty here.
	Units func(v model.Values) []string
	// Open makes the logical units, as many and in the order as Units has them. Each of them takes
	// the stores that were opened for it: its Close flushes and closes them. When Open fails, it has
	// closed the logical units that it had made, and the daemon closes the stores that it has
	// opened, but for those of which it has called [Opened.Taken].
	Open func(ctx context.Context, p Parts) ([]Unit, error)
	// Type is that of its logical units, or of the first of them.
	Type scsi.PeripheralType
	// Releases: its logical units have Release, and when Open fails the stores are open as before.
	Releases bool
	// Alone: what its options name cannot be open twice. When another device of it takes the place of one, that is made when the old
	// one is closed, and Fits has to say before what is wrong with its options.
	Alone bool
	// Fits says what Open would not take of the stores of a unit, by name; nil: it takes all.
	Fits func(v model.Values, stores map[string]Found) error
	// Actions are what people can do with a unit, beside changing the document: see [Unit.Act].
	Actions []Action
}

// An Action is something that people can do with a unit.
type Action = model.Action

func (p Device) add(r *Registry) { r.Devices = append(r.Devices, p) }

// Parts are what a device is made of.
type Parts struct {
	Name   string       // of the unit
	Log    *slog.Logger // has the unit's name
	Note   func(Notice) // is for the log as well, when the unit is served
	Values model.Values
	Arena  *buffer.Arena // lends memory for data on its way
	Stores Stores
	// Keep is where something that outlives the process is kept, in the state directory, by the unit's name and this one of it: such as the
	// reservations of a unit that has no store. nil: there is no such directory, and nothing is kept.
	Keep func(name string) store.Record
}

// Stores open the stores of a unit, each with the unit's filters on it.
type Stores interface {
	// Names are the stores in the order of the document: one empty name for a device that has one
	// store, none if it has none.
	Names() []string
	// Open opens a store. It may be called for as long as the unit is there, by a device that
	// takes media out and puts others in; the device closes what it has opened.
	Open(ctx context.Context, name string) (Opened, error)
	// OpenPath opens what is at a path that the document does not name as a store, such as a medium that people put in, as the kind of store
	// that holds it ([Store.Holds]), with the unit's filters on it. It may be called as Open may. The device closes it, by
	// [Opened.Close]: until then no other unit gets what is there.
	OpenPath(ctx context.Context, path string, readOnly bool) (Opened, error)
}

// A Unit is one logical unit of a device.
type Unit struct {
	Name string // behind the unit's own and a slash; empty: it is the unit itself
	LU   target.LogicalUnit
	// Describe is what the unit says of itself. It may be called at any time, by any goroutine, and
	// once more after the unit was closed.
	Describe func() Description
	// Claims are what no other logical unit may have.
	Claims []Claim
	// Change prepares other options of a unit that is used, and sizes of its stores; nil: there are none
	// that it can change, and another unit has to take its place.
	Change func(ctx context.Context, c Changing) (Changed, error)
	// Release closes the logical unit as its Close does, but leaves its stores open, with all that was
	// written durable: another device gets them. It has it if [Device.Releases].
	Release func() error
	// Act does one of [Device.Actions] with the whole of the unit, of which this is one of the logical units; the first of them
	// that has it does it, several at the same time. args were checked as options of the action. The result is what
	// encoding/json takes; nil: there is none. An error that wraps [ErrNotThere] is of something named in args that is not there;
	// other errors say that nothing was done, and why. It may be called while the unit is closed, and afterwards, and fails then.
	Act func(ctx context.Context, action string, args model.Values) (result any, err error)
}

// ErrNotThere is wrapped by errors of [Unit.Act] about things that are not there.
var ErrNotThere = errors.New("it is not there")

// Changing is what is to be changed of a unit: options that say of themselves that they are [model.Live],
// [model.Telling] or [model.Growing].
type Changing struct {
	Unit     *target.Unit // may be paused
	Old, New model.Values // of the device
	// Sizes are how large stores are to be, by their names: those of which another size is asked for. 0
	// means the size that the place has by now.
	Sizes map[string]int64
}

// Changed is a change that was prepared, and that nobody sees yet. Publish and then Retire end it, or
// Undo does. Each may be nil.
type Changed struct {
	Publish func()                          // shows it: cannot fail, and does not wait
	Retire  func(ctx context.Context) error // does what may only be done afterwards, such as to cut off what is not shown
	Undo    func() error
}

// A Claim is something that one logical unit alone may have: a name that initiators know it by, or a
// place where it keeps something.
type Claim struct {
	What  string // such as "serial number"
	Value string
	Cure  string // what to do if two have it
}

// A Description is what a logical unit says of itself.
type Description struct {
	Summary string // one line, such as "2M disk of 512-byte blocks"
	Facts   api.Facts
}
