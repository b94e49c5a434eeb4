// Package library is the elements of a tape library: which cartridge is in which of them, kept safely, and what operators do
// with cartridges. The robot (package changer) asks it for moves. docs/reference/library.md has the format of its state.
package library

import (
	"context"
	"log/slog"

	"github.com/lunette-io/lunette/device/changer"
	"github.com/lunette-io/lunette/device/personality"
	"github.com/lunette-io/lunette/device/tape"
	"github.com/lunette-io/lunette/device/tape/medium"
)

// A Drive is what a library asks of a drive. *tape.Drive is one.
type Drive interface {
	// Load takes t, which is in the drive from then on.
	Load(ctx context.Context, t medium.Tape) error
	// Unload waits until what is buffered is durable, and gives the cartridge back; nil if there is none. Its error is
	// [tape.ErrPrevented] if an initiator prevents it and force is not set. After an error the cartridge is still there.
	Unload(ctx context.Context, force bool) (medium.Tape, error)
	// Release undoes Unload.
	Release(t medium.Tape)
	Status() tape.Status
}

// Config says what Open opens.
type Config struct {
	Store string // directory, which is made if there is none
	Name  string // of the library: several may share a store
	Model personality.Library
	Set   personality.Set
	// Addresses are those of the first element of each type; all zero: those of Model.
	Addresses personality.Addresses
	// Drives are the drives, and DriveNames what they call themselves, one for each.
	Drives      []Drive
	DriveNames  []changer.Identifier
	Slots, Mail int          // how many slots and mail slots there are
	Media       Media        // nil: cartridges of package medium
	Log         *slog.Logger // nil: nothing is logged
}

// Media makes and opens cartridges: the functions of package medium, for those who test without files. They take the
// directory of a cartridge.
type Media interface {
	Create(dir string, spec medium.Spec) error
	Open(dir string) (medium.Tape, error)
	Inspect(dir string) (medium.Info, error)
	SetWriteProtect(dir string, on bool) error
	Relabel(dir, barcode string) error
	Delete(dir string) error
	// Sweep removes what crashes have left in a directory of cartridges.
	Sweep(parent string) error
}

// A Place is an element as people call it, or the shelf.
type Place struct {
	Type  changer.ElementType // 0: the shelf
	Index int                 // slots and mail slots from 1, drives from 0; Any: one that is free
}

// Any, as an index, is the first element of the type that is free.
const Any = -1

// Shelf is where cartridges of a store are that are in no library.
var Shelf = Place{}

// A Cartridge is one of the store, as operators see it.
type Cartridge struct {
	Barcode  string
	Where    Place
	Address  uint16 // of the element; 0 on the shelf
	Library  string // the other library of the store that has it; then Where is the shelf
	Source   Place  // the slot that it came from; the shelf: none
	Imported bool   // an operator has put it into the mail slot that it is in
	Format   string
	Type     medium.Type
	Capacity int64
	Info     *medium.Info // with details
	Problem  string       // why there are none, or why it cannot be used
}

// A Spec says what Create makes.
type Spec struct {
	Count    int
	Format   string      // of media, such as "L8"
	Type     medium.Type // data, cleaning or WORM
	Capacity int64       // bytes; 0: as the format has it
	// Barcodes are Prefix, a number of as many digits as make it six characters, and the suffix of the format. Barcode is
	// that of a single cartridge.
	Prefix  string
	Start   int // number of the first; less than 1: the first that is free
	Barcode string
	Shelf   bool // they stay on the shelf; else they go to free slots as far as there are any
}

// A Move is what has happened to a cartridge.
type Move struct {
	Barcode  string
	From, To Place
	Robot    bool // an initiator asked for it; else an operator
}

// Vaulted reports that the cartridge has come to a mail slot, from where it is taken out of the library.
func (m Move) Vaulted() bool { return m.To.Type == changer.Mail && m.From != Shelf }
