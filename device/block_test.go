package device_test

import (
	"bytes"
	"slices"
	"sync/atomic"
	"testing"

	"github.com/lunette-io/lunette/buffer"
	"github.com/lunette-io/lunette/device"
	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/scsi/cdb"
	"github.com/lunette-io/lunette/scsi/page"
	"github.com/lunette-io/lunette/target"
	"github.com/lunette-io/lunette/transport/loopback"
)

// A tape drive may change its block length by MODE SELECT; with a page that is wrong it does
// not, and a removable medium is told.
func TestBlockDescriptorChanges(t *testing.T) {
	arena := buffer.NewArena(0)
	var size atomic.Uint32
	u, err := device.New(device.Config{
		Identity: scsi.Identity{Type: scsi.TypeTape, Vendor: "LUNETTE", Product: "REEL", Revision: "1", Serial: "7", NAA: scsi.NAA6("reel"), Removable: true},
		Workers:  1,
		Block:    func() page.BlockDescriptor { return page.BlockDescriptor{BlockSize: size.Load()} },
		SetBlock: func(b page.BlockDescriptor, at int) (bool, error) {
			if b.BlockSize%4 != 0 {
				return false, scsi.InvalidFieldInParameterList(at+5, -1)
			}
			return size.Swap(b.BlockSize) != b.BlockSize, nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	unit := target.NewUnit("reel", u)
	tgt, err := target.NewTarget("iqn.2026-11.io.lunette:reel", target.Mapping{Unit: unit})
	if err != nil {
		t.Fatal(err)
	}
	port, err := tgt.AddPort(target.PortConfig{Protocol: scsi.ProtocolISCSI, Name: "iqn.2026-11.io.lunette:reel,t,0x0001"})
	if err != nil {
		t.Fatal(err)
	}
	b := &bench{T: t, arena: arena, unit: unit, port: port}
	t.Cleanup(func() {
		if err := unit.Close(); err != nil {
			t.Error(err)
		}
		if err := arena.Close(); err != nil {
			t.Error(err)
		}
	})
	s, other := b.login(1, loopback.Options{}), b.login(2, loopback.Options{})
	if std := b.good(s, cdb.Inquiry{Allocation: 36}.Append(nil), nil, 36); std[0] != byte(scsi.TypeTape) || std[1] != 0x80 {
		t.Errorf("standard INQUIRY data %x", std)
	}
	descriptor := func(size byte) []byte { return []byte{0, 0, 0, 8, 0, 0, 0, 0, 0, 0, size, 0} }
	if r := b.modeSelect(s, scsi.OpModeSelect6, descriptor(2)); r.Err() != nil {
		t.Fatal(r.Err())
	}
	b.told(s)
	b.told(other, scsi.ASCModeParametersChanged)
	if r := b.modeSelect(s, scsi.OpModeSelect6, descriptor(2)); r.Err() != nil {
		t.Fatal(r.Err())
	}
	b.told(other)
	bad := descriptor(0)
	bad[11] = 2
	if r := b.modeSelect(s, scsi.OpModeSelect6, bad); r.Sense != scsi.InvalidFieldInParameterList(9, -1) {
		t.Errorf("%v", r.Sense)
	}
	if r := b.modeSelect(s, scsi.OpModeSelect6, slices.Concat(descriptor(4), []byte{0x3d, 1, 0})); r.Sense != scsi.InvalidFieldInParameterList(12, 5) {
		t.Errorf("%v", r.Sense)
	}
	b.told(other)
	sense := cdb.ModeSense{Opcode: scsi.OpModeSense6, Page: page.ModeControl, Allocation: 255}.Append(nil)
	if got := b.good(s, sense, nil, 255); !bytes.Equal(got[3:12], append([]byte{8}, descriptor(2)[4:]...)) {
		t.Errorf("MODE SENSE: %x", got)
	}
}

// One task set for all or one for each nexus: no other value of TST is taken.
func TestTaskSetType(t *testing.T) {
	b := newBench(t, 0)
	s, other := b.login(1, loopback.Options{}), b.login(2, loopback.Options{})
	for tst := range byte(8) {
		next := control
		next.TaskSets = tst
		r := b.modeSelect(s, scsi.OpModeSelect6, slices.Concat(header6, next.Append(nil)))
		now, _ := page.ParseControl(b.modePage(s, page.ModeControl))
		switch {
		case tst > 1 && (r.Sense != scsi.InvalidFieldInParameterList(6, 7) || now.TaskSets != 1):
			t.Errorf("TST=%d: %v, is %d", tst, r.Sense, now.TaskSets)
		case tst <= 1 && (r.Err() != nil || now.TaskSets != tst || b.unit.SharesTaskSet() != (tst == 0)):
			t.Errorf("TST=%d: %v, is %d, one task set: %v", tst, r.Err(), now.TaskSets, b.unit.SharesTaskSet())
		case tst <= 1:
			b.told(other, scsi.ASCModeParametersChanged)
		}
	}
}

// One task set for all goes with a reset, or stays if it was saved: then it is there from the
// first nexus on.
func TestSharedTaskSetSaved(t *testing.T) {
	d := &modeDisk{}
	one := control
	one.TaskSets = 0
	list := slices.Concat(header6, one.Append(nil))
	b := newBenchWith(t, 0, keepers{modes: d})
	s := b.login(1, loopback.Options{})
	for _, save := range []bool{false, true} {
		r := b.modeSelect(s, scsi.OpModeSelect6, list)
		if save {
			r = b.save(s, list)
		}
		if r.Err() != nil || !b.unit.SharesTaskSet() {
			t.Errorf("%v, one task set: %v", r.Err(), b.unit.SharesTaskSet())
		}
		s.Manage(target.ResetLogicalUnit, 0, 0)
		b.calm(s)
		if b.unit.SharesTaskSet() != save {
			t.Errorf("after a reset, saved %v: one task set: %v", save, b.unit.SharesTaskSet())
		}
	}
	again := newBenchWith(t, 0, keepers{modes: d})
	again.login(1, loopback.Options{})
	if !again.unit.SharesTaskSet() {
		t.Error("the saved task set type has no effect")
	}
}

// Sense data of another device comes through as it is.
func TestRawSense(t *testing.T) {
	sense := []byte{0x72, 0x09, 0x80, 0x01, 0, 0, 0, 6, 0x80, 4, 'd', 'a', 't', 'a'}
	var u *device.Server
	u, err := device.New(device.Config{
		Identity: scsi.Identity{Type: scsi.TypeTape, Vendor: "LUNETTE", Product: "REEL", Revision: "1", Serial: "8", NAA: scsi.NAA6("reel")},
		Default:  &device.Command{Order: target.Writes, Run: func(t *target.Task) { u.FailRaw(t, sense) }},
	})
	if err != nil {
		t.Fatal(err)
	}
	unit := target.NewUnit("reel", u)
	tgt, err := target.NewTarget("iqn.2026-11.io.lunette:reel", target.Mapping{Unit: unit})
	if err != nil {
		t.Fatal(err)
	}
	port, err := tgt.AddPort(target.PortConfig{Protocol: scsi.ProtocolISCSI, Name: "p"})
	if err != nil {
		t.Fatal(err)
	}
	arena := buffer.NewArena(0)
	b := &bench{T: t, arena: arena, unit: unit, port: port}
	t.Cleanup(func() {
		if err := unit.Close(); err != nil {
			t.Error(err)
		}
		if err := arena.Close(); err != nil {
			t.Error(err)
		}
	})
	s := b.login(1, loopback.Options{})
	if r, _ := b.do(s, []byte{0xc0, 0, 0, 0, 0, 0}, nil, 0); r.Status != scsi.CheckCondition || !bytes.Equal(r.SenseData, sense) {
		t.Errorf("%v %x", r.Status, r.SenseData)
	}
}
