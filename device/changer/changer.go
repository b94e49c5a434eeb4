// Package changer is the robot of a tape library (SMC-3): a logical unit that says which cartridge is in which element, and
// moves them. Where elements are kept, and what a drive is, is behind its Inventory.
package changer

import (
	"cmp"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/lunette-io/lunette/device"
	"github.com/lunette-io/lunette/device/alert"
	"github.com/lunette-io/lunette/device/kept"
	"github.com/lunette-io/lunette/device/personality"
	"github.com/lunette-io/lunette/device/reserve"
	"github.com/lunette-io/lunette/device/timestamp"
	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/scsi/page"
	"github.com/lunette-io/lunette/store"
	"github.com/lunette-io/lunette/target"
)

// workers is how many steps may run at a time. A quarter of them, those of long work, carry cartridges and wait for drives that
// flush: however many do, the others are left for all else.
const workers = 32

// Config says what New makes.
type Config struct {
	Model personality.Library
	// Identity is what the unit calls itself. Its Type and Removable are set by New, and texts that are empty are those of Model.
	Identity  scsi.Identity
	Inventory Inventory
	// Reservations and Modes keep what is to outlive the unit; nil: nothing is kept.
	Reservations, Modes store.Record
	Log                 *slog.Logger     // nil: nothing is logged
	Clock               func() time.Time // nil: time.Now
}

// A Changer is a medium changer. It is a [target.LogicalUnit].
type Changer struct {
	*device.Server
	model     personality.Library
	inventory Inventory
	log       *slog.Logger

	addresses  []uint16 // of all elements, ascending: the same for as long as the changer is there
	identifier int      // bytes of the identifier in the descriptors of drives
	statistics statistics
	clock      *timestamp.Clock
	flags      alert.Flags // TapeAlert

	mu         sync.Mutex
	peers      map[*target.ITL]*peer // guarded by mu
	preventing int                   // how many of peers prevent; guarded by mu
}

// New returns a changer of the elements that cfg.Inventory has now.
func New(cfg Config) (*Changer, error) {
	c := &Changer{model: cfg.Model, inventory: cfg.Inventory, log: cfg.Log, peers: make(map[*target.ITL]*peer), clock: timestamp.New(cfg.Clock)}
	if c.log == nil {
		c.log = slog.New(slog.DiscardHandler)
	}
	elements := cfg.Inventory.Elements()
	if err := c.take(elements); err != nil {
		return nil, err
	}
	id := cfg.Identity
	id.Type, id.Removable = scsi.TypeChanger, true
	id.Vendor, id.Product = cmp.Or(id.Vendor, cfg.Model.Vendor), cmp.Or(id.Product, cfg.Model.Product)
	id.Revision = cmp.Or(id.Revision, cfg.Model.Revision)
	dc := device.Config{
		Identity: id, Workers: workers, Commands: c.table(), Timeouts: timeouts, Versions: []uint16{page.DescriptorSMC3},
		Inquiry: c.inquiry, Designator: designator,
		Modes: c.modePages(elements), Logs: c.logPages(),
		Attached: c.attached, Detached: c.detached, Reset: c.reset,
	}
	if cfg.Model.NoIdentification {
		dc.OmitVPD = []byte{page.VPDIdentification}
	}
	if cfg.Reservations != nil {
		var keeper reserve.Keeper = kept.New(cfg.Reservations, id.NAA, func(err error) {
			c.log.Error("reservations of a changer cannot be kept", "error", err)
		})
		dc.Reservations = keeper
	}
	if cfg.Modes != nil {
		dc.ModeKeeper = kept.Modes{Record: cfg.Modes}
	}
	server, err := device.New(dc)
	if err != nil {
		return nil, err
	}
	c.Server = server
	c.clock.Serve(server)
	return c, nil
}

// take notes what of the elements stays as it is.
func (c *Changer) take(elements []Element) error {
	for i, e := range elements {
		if i > 0 && e.Address <= elements[i-1].Address {
			return fmt.Errorf("two elements have address %d", e.Address)
		}
		if e.Type < Transport || e.Type > Drive {
			return fmt.Errorf("element %d has no type", e.Address)
		}
		c.addresses = append(c.addresses, e.Address)
		c.identifier = max(c.identifier, len(c.identify(e).Data))
	}
	if !slices.ContainsFunc(elements, func(e Element) bool { return e.Type == Transport }) {
		return fmt.Errorf("there is no medium transport element")
	}
	c.statistics.elements = make([]elementStatistics, len(elements))
	return nil
}

// Changed tells all initiators that an operator has changed the inventory: a cartridge was put into, or taken out of, a mail
// slot (imported), or another element.
func (c *Changer) Changed(imported bool) { c.announce(imported, nil) }

// announce is Changed for all initiators but that of x.
func (c *Changer) announce(imported bool, x *target.ITL) {
	asc := scsi.ASCMediumMayHaveChanged
	if imported {
		asc = scsi.ASCImportOrExportElementAccessed
	}
	c.Announce(asc, x)
}

// inquiry makes standard INQUIRY data what those of the model are.
func (c *Changer) inquiry(i *page.Inquiry) {
	i.Version = cmp.Or(scsi.Version(c.model.Version), scsi.VersionSPC3)
	i.Length, i.Barcodes = c.model.Length, c.model.Barcodes
	if !c.model.SerialAt38 && !c.model.BarcodeAt55 {
		return
	}
	special := make([]byte, 20) // from byte 36 on
	if c.model.SerialAt38 {
		copy(special[2:14], c.Identity().Serial+strings.Repeat(" ", 12))
	}
	if c.model.BarcodeAt55 {
		special[19] = 0x01
	}
	i.Special = special
}

// designator names the unit by the fields of INQUIRY data and its serial number, as libraries do.
func designator(id scsi.Identity) page.Designator {
	return page.T10FieldsDesignator(id.Vendor, id.Product, id.Serial)
}
