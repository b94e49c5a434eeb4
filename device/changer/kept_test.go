package changer_test

import (
	"errors"
	"path/filepath"
	"testing"

	"github.com/lunette-io/lunette/device/changer"
	"github.com/lunette-io/lunette/device/kept"
	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/scsi/cdb"
	"github.com/lunette-io/lunette/scsi/page"
	"github.com/lunette-io/lunette/store/record"
)

// What APTPL asks for, and mode pages that are saved, are there when the changer is made again.
func TestKept(t *testing.T) {
	path := filepath.Join(t.TempDir(), "kept")
	records := func(c *changer.Config) {
		c.Reservations, c.Modes = record.At(path).Slot("reservations"), record.At(path).Slot("modes")
	}
	keys := cdb.PersistentIn{Action: scsi.ActionReadKeys, Allocation: 255}.Append(nil)
	t.Run("first", func(t *testing.T) {
		b := newBench(t, newInventory(1, 1, 1), records)
		list := cdb.PersistentList{ActionKey: 7, Persist: true}.Append(nil)
		b.good(cdb.PersistentOut{Action: scsi.ActionRegister, Length: uint32(len(list))}.Append(nil), list, 0)
		control := b.good(cdb.ModeSense{Opcode: scsi.OpModeSense6, DBD: true, Page: page.ModeControl, Allocation: 255}.Append(nil), nil, 255)
		control[0], control[4], control[6] = 0, control[4]&0x7f, control[6]|0x04 // D_SENSE
		b.good(cdb.ModeSelect{Opcode: scsi.OpModeSelect6, PF: true, Save: true, Length: uint16(len(control))}.Append(nil), control, 0)
	})
	t.Run("again", func(t *testing.T) {
		b := newBench(t, newInventory(1, 1, 1), records)
		if got := b.good(keys, nil, 255); len(got) != 16 || got[15] != 7 {
			t.Errorf("keys %x", got)
		}
		control := b.good(cdb.ModeSense{Opcode: scsi.OpModeSense6, DBD: true, Page: page.ModeControl, Allocation: 255}.Append(nil), nil, 255)
		if control[6]&0x04 == 0 {
			t.Errorf("%x", control)
		}
	})
	other := identity
	other.NAA = scsi.NAA6("another")
	cfg := changer.Config{Model: model, Identity: other, Inventory: newInventory(1, 1, 1)}
	records(&cfg)
	if _, err := changer.New(cfg); !errors.Is(err, kept.ErrRecord) {
		t.Errorf("with the reservations of another: %v", err)
	}
}
