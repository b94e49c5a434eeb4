package changer

import (
	"context"

	"github.com/lunette-io/lunette/scsi"
)

// An ElementType is what an element is for (SMC-3 element type codes).
type ElementType uint8

// Element types. Transport is the robot's hand, Storage a slot, Mail a mail slot (import/export element), and Drive a data
// transfer element.
const (
	Transport ElementType = 1
	Storage   ElementType = 2
	Mail      ElementType = 3
	Drive     ElementType = 4
)

// String returns the word that people use.
func (t ElementType) String() string {
	switch t {
	case Transport:
		return "transport"
	case Storage:
		return "slot"
	case Mail:
		return "mail slot"
	case Drive:
		return "drive"
	}
	return "shelf"
}

// An Element is where a cartridge can be, and what is there.
type Element struct {
	Address  uint16
	Type     ElementType
	Full     bool
	Barcode  string // of the cartridge; "": it has none
	Cleaning bool   // it is a cleaning cartridge
	WORM     bool
	// Source is the slot that the cartridge came from, if SourceValid: it is free, so that the cartridge can go back.
	Source      uint16
	SourceValid bool
	Access      bool     // the robot can take the cartridge, or put one there
	Imported    bool     // of a mail slot: an operator has put it there (IMPEXP)
	Disabled    bool     // ED
	Problem     scsi.ASC // what is wrong with the element (EXCEPT); 0: nothing
	// Drive names the drive of a data transfer element, as its VPD pages do; nil otherwise.
	Drive *Identifier
}

// An Identifier names a drive.
type Identifier struct{ Vendor, Product, Serial string }

// An Inventory is the elements of a library, which the robot is asked to move cartridges between. Its methods may be
// called by many goroutines at a time.
type Inventory interface {
	// Elements are all elements in order of their addresses, which are those of New at any time. It does not wait. The
	// slice is a snapshot that nobody changes.
	Elements() []Element
	// Move carries what is in source to destination, and waits until the drive that it came from has given it up, and the
	// one that it goes into has it. Its errors are a [scsi.Sense] for the initiator, or of the hardware. Nothing has moved
	// then.
	Move(ctx context.Context, source, destination uint16) error
	// Exchange moves what is in source to first, and what was in first to second, which may be source.
	Exchange(ctx context.Context, source, first, second uint16) error
	// Rescan looks at all elements anew.
	Rescan(ctx context.Context) error
	// Prevent locks the mail slots, or unlocks them. It does not wait.
	Prevent(on bool)
	// Door opens or closes a mail slot. While it is open the robot has no access.
	Door(ctx context.Context, mail uint16, open bool) error
}
