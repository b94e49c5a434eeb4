package changer_test

import (
	"context"
	"slices"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"github.com/lunette-io/lunette/buffer"
	"github.com/lunette-io/lunette/device/changer"
	"github.com/lunette-io/lunette/device/devicetest"
	"github.com/lunette-io/lunette/device/personality"
	"github.com/lunette-io/lunette/device/reserve"
	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/scsi/cdb"
	"github.com/lunette-io/lunette/scsi/page"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// model is a library as IBM's.
var model = personality.Library{
	Name: "test", Vendor: "IBM", Product: "03584L32", Revision: "0402", Barcodes: true, SerialAt38: true, BarcodeAt55: true,
	Identifier: "t10",
	Addresses:  personality.Addresses{Transport: 1, Storage: 0x401, Mail: 0x301, Drive: 0x101},
}

var identity = scsi.Identity{Serial: "LUN0000001", NAA: scsi.NAA6("changer")}

// inventory is elements in memory, whose drives give their cartridges up at once. What hook says happens before a move.
type inventory struct {
	mu        sync.Mutex
	elements  []changer.Element // in order of addresses
	prevented bool
	doors     []bool
	rescans   int
	hook      func(context.Context) error
}

func newInventory(drives, mail, slots int) *inventory {
	inv := &inventory{elements: []changer.Element{{Address: 1, Type: changer.Transport}}}
	for i := range drives {
		inv.elements = append(inv.elements, changer.Element{
			Address: model.Addresses.Drive + uint16(i), Type: changer.Drive, Access: true,
			Drive: &changer.Identifier{Vendor: "IBM", Product: "ULT3580-TD8", Serial: "DRV000000" + string(rune('0'+i%10))},
		})
	}
	for i := range mail {
		inv.elements = append(inv.elements, changer.Element{Address: model.Addresses.Mail + uint16(i), Type: changer.Mail, Access: true})
	}
	for i := range slots {
		inv.elements = append(inv.elements, changer.Element{Address: model.Addresses.Storage + uint16(i), Type: changer.Storage, Access: true})
	}
	return inv
}

func (inv *inventory) at(address uint16) *changer.Element {
	i := slices.IndexFunc(inv.elements, func(e changer.Element) bool { return e.Address == address })
	if i < 0 {
		return nil
	}
	return &inv.elements[i]
}

func (inv *inventory) put(address uint16, barcode string) *changer.Element {
	e := inv.at(address)
	e.Full, e.Barcode = barcode != "", barcode
	return e
}

func (inv *inventory) Elements() []changer.Element {
	inv.mu.Lock()
	defer inv.mu.Unlock()
	return slices.Clone(inv.elements)
}

func (inv *inventory) Move(ctx context.Context, source, destination uint16) error {
	if inv.hook != nil {
		if err := inv.hook(ctx); err != nil {
			return err
		}
	}
	inv.mu.Lock()
	defer inv.mu.Unlock()
	from, to := inv.at(source), inv.at(destination)
	switch {
	case !from.Full:
		return scsi.IllegalRequest(scsi.ASCMediumSourceEmpty)
	case source == destination:
		return nil
	case to.Full:
		return scsi.IllegalRequest(scsi.ASCMediumDestinationFull)
	}
	to.Full, to.Barcode, to.Source, to.SourceValid = true, from.Barcode, source, from.Type == changer.Storage
	from.Full, from.Barcode, from.SourceValid = false, "", false
	return nil
}

func (inv *inventory) Exchange(_ context.Context, source, first, second uint16) error {
	inv.mu.Lock()
	defer inv.mu.Unlock()
	a, b, c := inv.at(source), inv.at(first), inv.at(second)
	one, two := a.Barcode, b.Barcode
	a.Full, a.Barcode = false, ""
	c.Full, c.Barcode = true, two
	b.Full, b.Barcode = true, one
	return nil
}

func (inv *inventory) Rescan(context.Context) error {
	inv.mu.Lock()
	defer inv.mu.Unlock()
	inv.rescans++
	return nil
}

func (inv *inventory) Prevent(on bool) {
	inv.mu.Lock()
	defer inv.mu.Unlock()
	inv.prevented = on
}

func (inv *inventory) Door(_ context.Context, _ uint16, open bool) error {
	inv.mu.Lock()
	defer inv.mu.Unlock()
	if inv.prevented {
		return scsi.IllegalRequest(scsi.ASCMediumRemovalPrevented)
	}
	inv.doors = append(inv.doors, open)
	return nil
}

func newChanger(t testing.TB, inv changer.Inventory, change ...func(*changer.Config)) *changer.Changer {
	t.Helper()
	cfg := changer.Config{Model: model, Identity: identity, Inventory: inv}
	for _, f := range change {
		f(&cfg)
	}
	c, err := changer.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// TestSuite: what SPC and SAM ask of every device type.
func TestSuite(t *testing.T) {
	writing, reading, probing := reserve.Writing, reserve.Reading, reserve.Probing
	devicetest.Run(t, devicetest.Device{
		New: func(t testing.TB, _ *buffer.Arena) devicetest.Unit { return newChanger(t, newInventory(2, 2, 8)) },
		Access: map[devicetest.Name]reserve.Class{
			{Op: scsi.OpInitializeElementStatus}:                           writing,
			{Op: scsi.OpInitializeElementStatusWithRange}:                  writing,
			{Op: scsi.OpInitializeElementStatusVendor}:                     writing,
			{Op: scsi.OpImportExportElement}:                               writing,
			{Op: scsi.OpPreventAllowRemoval}:                               probing, // to allow
			{Op: scsi.OpPositionToElement}:                                 writing,
			{Op: scsi.OpMoveMedium}:                                        writing,
			{Op: scsi.OpExchangeMedium}:                                    writing,
			{Op: scsi.OpReadElementStatus}:                                 reading,
			{Op: scsi.OpSendVolumeTag}:                                     writing,
			{Op: scsi.OpRequestVolumeElementAddress}:                       reading,
			{Op: scsi.OpMaintenanceIn, Action: scsi.ActionReportTimestamp}: reserve.Parameters,
			{Op: scsi.OpMaintenanceOut, Action: scsi.ActionSetTimestamp}:   writing,
		},
		Write:    cdb.SendVolumeTag{Length: cdb.VolumeTagTemplateLen}.Append(nil),
		WriteLen: cdb.VolumeTagTemplateLen,
		Modes: []devicetest.Mode{
			{Code: page.ModeControl}, {Code: page.ModeExceptions}, {Code: page.ModeElementAddresses},
			{Code: page.ModeTransportGeometry}, {Code: page.ModeChangerCapabilities},
		},
	})
}
