package library_test

import (
	"bytes"
	"testing"

	"github.com/lunette-io/lunette/buffer"
	"github.com/lunette-io/lunette/device/changer"
	"github.com/lunette-io/lunette/device/library"
	"github.com/lunette-io/lunette/device/personality"
	"github.com/lunette-io/lunette/device/tape"
	"github.com/lunette-io/lunette/device/tape/medium"
	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/scsi/cdb"
	"github.com/lunette-io/lunette/scsi/page"
	"github.com/lunette-io/lunette/target"
	"github.com/lunette-io/lunette/transport/loopback"
)

// A whole is a library with its robot, real drives and cartridges in files, as a host sees it: the robot at LUN 0, and drives from 1 on.
type whole struct {
	testing.TB
	store  string
	lib    *library.Library
	drives []*tape.Drive
	units  []*target.Unit
	arena  *buffer.Arena
	s      *loopback.Session
	names  []changer.Identifier
}

var driveModel = personality.Drive{
	Name: "lto8", Vendor: "IBM", Product: "ULT3580-TD8", Revision: "HB81", MaxBlock: 8 << 20, Partitions: 1,
	Formats: []personality.DriveFormat{{Format: "L8", Write: true}},
}

func newWhole(t testing.TB, store string) *whole {
	t.Helper()
	w := &whole{TB: t, store: store, arena: buffer.NewArena(128 << 20)}
	var drives []library.Drive
	for i := range 2 {
		serial := "DRV000000" + string(rune('0'+i))
		d, err := tape.New(tape.Config{
			Model: driveModel, Formats: formats.Formats, Arena: w.arena, Buffer: 1 << 20,
			Identity: scsi.Identity{Vendor: "IBM", Product: "ULT3580-TD8", Revision: "HB81", Serial: serial, NAA: scsi.NAA6(serial)},
		})
		w.ok(err)
		w.drives, drives = append(w.drives, d), append(drives, d)
		w.names = append(w.names, changer.Identifier{Vendor: "IBM", Product: "ULT3580-TD8", Serial: serial})
	}
	model := personality.Library{Vendor: "IBM", Product: "03584L32", Revision: "0402", Identifier: "t10", Addresses: personality.Addresses{Transport: 1, Storage: 1000, Mail: 10, Drive: 100}}
	lib, err := library.Open(t.Context(), library.Config{Store: store, Name: "whole", Model: model, Set: formats, Drives: drives, DriveNames: w.names, Slots: 4, Mail: 1})
	w.ok(err)
	w.lib = lib
	robot, err := changer.New(changer.Config{Model: model, Identity: scsi.Identity{Serial: "LIB0000001", NAA: scsi.NAA6("library")}, Inventory: lib})
	w.ok(err)
	lib.Tell(robot.Changed)
	maps := []target.Mapping{{Unit: target.NewUnit("changer", robot)}}
	for i, d := range w.drives {
		maps = append(maps, target.Mapping{LUN: scsi.LUN(i+1) << 48, Unit: target.NewUnit("drive"+string(rune('0'+i)), d)})
	}
	for _, m := range maps {
		w.units = append(w.units, m.Unit)
	}
	tgt, err := target.NewTarget("iqn.2026-11.io.lunette:whole", maps...)
	w.ok(err)
	port, err := tgt.AddPort(target.PortConfig{Protocol: scsi.ProtocolISCSI, Name: "iqn.2026-11.io.lunette:whole,t,0x0001"})
	w.ok(err)
	w.s = loopback.Login(port, target.Initiator{Port: scsi.ISCSIPort("iqn.host", [6]byte{5: 1})}, loopback.Options{Arena: w.arena})
	for lun := range 3 {
		w.do(lun, cdb.AppendTestUnitReady(nil), nil, 0)
	}
	return w
}

func (w *whole) ok(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

// end closes all, as a process does that ends.
func (w *whole) end() {
	w.Helper()
	w.ok(w.s.Close())
	w.ok(w.lib.Close())
	for _, u := range w.units {
		w.ok(u.Close())
	}
	if n := w.arena.Outstanding(); n != 0 {
		w.Errorf("%d bytes of the arena are not given back", n)
	}
	w.ok(w.arena.Close())
}

func (w *whole) do(lun int, c, out []byte, in int) (scsi.Sense, []byte) {
	w.Helper()
	r, data, err := w.s.Do(w.Context(), scsi.LUN(lun)<<48, c, out, in)
	w.ok(err)
	if r.Status != scsi.Good && r.Status != scsi.CheckCondition {
		w.Fatalf("%x: %v", c, r.Status)
	}
	return r.Sense, data
}

func (w *whole) good(lun int, c, out []byte, in int) []byte {
	w.Helper()
	sense, data := w.do(lun, c, out, in)
	if !sense.IsZero() {
		w.Fatalf("%x: %v", c, sense)
	}
	return data
}

func (w *whole) fails(lun int, c []byte, key scsi.SenseKey, asc scsi.ASC) {
	w.Helper()
	if s, _ := w.do(lun, c, nil, 64); s.Key != key || s.ASC != asc {
		w.Errorf("%x: %v, want %v", c, s, scsi.NewSense(key, asc))
	}
}

// TestWhole: a robot that carries cartridges between real drives, as a backup program has it done.
func TestWhole(t *testing.T) {
	store := t.TempDir()
	w := newWhole(t, store)
	move := func(from, to uint16) []byte { return cdb.MoveMedium{Source: from, Destination: to}.Append(nil) }
	made, err := w.lib.Create(t.Context(), library.Spec{Count: 2, Format: "L8", Prefix: "LUN", Capacity: 64 << 20})
	w.ok(err)
	if len(made) != 2 {
		t.Fatal(made)
	}
	ready := cdb.AppendTestUnitReady(nil)
	w.fails(0, ready, scsi.KeyUnitAttention, scsi.ASCMediumMayHaveChanged) // an operator has put them there
	w.fails(1, ready, scsi.KeyNotReady, scsi.ASCMediumNotPresent)
	w.good(0, move(1000, 100), nil, 0)
	w.fails(1, ready, scsi.KeyUnitAttention, scsi.ASCMediumMayHaveChanged)
	w.good(1, ready, nil, 0)
	block := bytes.Repeat([]byte("lunette "), 8192)
	n := len(block)
	write, read := []byte{0x0a, 0, byte(n >> 16), byte(n >> 8), byte(n), 0}, []byte{0x08, 0, byte(n >> 16), byte(n >> 8), byte(n), 0}
	w.good(1, write, block, 0) // in the buffer of the drive
	w.good(1, cdb.Prevent{Mode: 1}.Append(nil), nil, 0)
	w.fails(0, move(100, 1000), scsi.KeyIllegalRequest, scsi.ASCMediumRemovalPrevented)
	w.good(1, cdb.Prevent{}.Append(nil), nil, 0)
	w.good(0, move(100, 1003), nil, 0) // the drive is not unloaded: that is done
	w.fails(1, ready, scsi.KeyNotReady, scsi.ASCMediumNotPresent)
	w.good(0, move(1003, 101), nil, 0)
	w.fails(2, ready, scsi.KeyUnitAttention, scsi.ASCMediumMayHaveChanged)
	if got := w.good(2, read, nil, n); !bytes.Equal(got, block) {
		t.Errorf("%d bytes that differ", len(got))
	}
	// The robot names the drive as its own pages do.
	status, err := page.ParseElementStatus(w.good(0, cdb.ReadElementStatus{Type: 4, Identifiers: true, Tags: true, Count: 9, Allocation: 4096}.Append(nil), nil, 4096))
	w.ok(err)
	for i, e := range status.Elements {
		vpd := w.good(i+1, cdb.Inquiry{VPD: true, Page: page.VPDIdentification, Allocation: 1024}.Append(nil), nil, 1024)
		if !bytes.Contains(vpd, e.Identifier.Data) || len(e.Identifier.Data) != 34 {
			t.Errorf("drive %d: %q, %q", i, e.Identifier.Data, vpd)
		}
	}
	if e := status.Elements[1]; e.Tag != "LUN001L8" || e.Source != 1003 || !e.SourceValid {
		t.Errorf("%+v", e)
	}
	w.end()

	w = newWhole(t, store) // the next process
	if s := w.drives[1].Status(); !s.Loaded || s.Barcode != "LUN001L8" || len(w.lib.Problems()) != 0 {
		t.Errorf("%+v %v", s, w.lib.Problems())
	}
	w.do(2, ready, nil, 0)
	if got := w.good(2, read, nil, n); !bytes.Equal(got, block) {
		t.Errorf("%d bytes that differ after a start", len(got))
	}
	w.good(2, []byte{0x1b, 0, 0, 0, 0, 0}, nil, 0) // unloaded by the host, and still there
	w.good(0, move(101, 1003), nil, 0)
	w.ok(w.lib.Protect(t.Context(), "LUN001L8", true))
	w.ok(w.lib.Label(t.Context(), "LUN001L8", "NEW001L8"))
	w.do(0, ready, nil, 0)
	w.good(0, move(1003, 100), nil, 0)
	w.do(1, ready, nil, 0)
	w.fails(1, append([]byte(nil), 0x10, 0, 0, 0, 1, 0), scsi.KeyDataProtect, scsi.ASCWriteProtected)
	all, err := w.lib.Cartridges(t.Context(), true)
	w.ok(err)
	if len(all) != 2 || all[1].Barcode != "NEW001L8" || all[1].Info == nil || all[1].Info.Label.Barcode != "NEW001L8" || all[1].Type != medium.Data || all[1].Capacity != 64<<20 {
		t.Errorf("%+v", all)
	}
	w.ok(w.lib.Eject(t.Context(), 0, false))
	w.ok(w.lib.Export(t.Context(), "NEW001L8"))
	w.ok(w.lib.Delete(t.Context(), "NEW001L8"))
	w.end()
}
