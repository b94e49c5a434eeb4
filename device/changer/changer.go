// Package changer is the robot of a tape library (SMC-3): a logical unit that says which cartridge is in which element, and
// moves them. Where elements are kept, and what a drive is, is behind its Inventory.
package changer

import (
	"log/slog"

	"github.com/lunette-io/lunette/buffer"
	"github.com/lunette-io/lunette/device"
	"github.com/lunette-io/lunette/device/personality"
	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/store"
)

// Config says what New makes.
type Config struct {
	Model personality.Library
	// Identity is what the unit calls itself. Its Type and Removable are set by New, and texts that are empty are those of Model.
	Identity  scsi.Identity
	Inventory Inventory
	Arena     *buffer.Arena // for a caller who has one; answers are paid by who asks
	// Reservations and Modes keep what is to outlive the unit; nil: nothing is kept.
	Reservations, Modes store.Record
	Log                 *slog.Logger // nil: nothing is logged
}

// A Changer is a medium changer. It is a target.LogicalUnit.
type Changer struct {
	*device.Server
}

// New returns a changer of the elements that cfg.Inventory has now.
func New(cfg Config) (*Changer, error) {
	server, err := device.New(device.Config{Identity: cfg.Identity, Workers: 1})
	return &Changer{Server: server}, err
}

// Changed tells all initiators that an operator has changed the inventory: a cartridge was put into, or taken out of, a mail
// slot (imported), or another element.
func (c *Changer) Changed(imported bool) {
	if imported {
		c.Announce(scsi.ASCImportOrExportElementAccessed, nil)
	} else {
		c.Announce(scsi.ASCMediumMayHaveChanged, nil)
	}
}
