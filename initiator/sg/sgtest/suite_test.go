package sgtest_test

import (
	"bytes"
	"encoding/binary"
	"slices"
	"testing"

	"github.com/lunette-io/lunette/initiator/sg"
	"github.com/lunette-io/lunette/initiator/sg/sgtest"
	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/scsi/cdb"
	"github.com/lunette-io/lunette/scsi/page"
)

// TestSuite: the devices in memory pass the suite of those that are not.
func TestSuite(t *testing.T) {
	for _, inline := range []bool{false, true} {
		cfg := sgtest.Config{Inline: inline}
		for name, d := range map[string]*sgtest.Device{
			"disk": sgtest.NewDisk(cfg, 4096, 512).Device, "tape": sgtest.NewTape(cfg).Device,
			"changer": sgtest.NewChanger(cfg, "A00001", "").Device, "disc": sgtest.NewDisc(cfg, make([]byte, 1<<20)).Device,
		} {
			t.Run(name, func(t *testing.T) {
				sgtest.Run(t, func(testing.TB) (sg.Device, sgtest.Facts) {
					h, err := d.Open()
					if err != nil {
						t.Fatal(err)
					}
					return h, sgtest.Facts{Type: d.Identity().Type, Blocks: 4096, BlockSize: 512, Writable: true}
				})
				for _, w := range d.Wrong() {
					t.Error(w)
				}
				if d.Opened() != 0 || d.UnderWay() != 0 {
					t.Errorf("%d handles are open, %d commands under way", d.Opened(), d.UnderWay())
				}
			})
		}
	}
}

func transfer(op scsi.Opcode, fixed bool, n int) []byte {
	return cdb.Transfer{Opcode: op, Fixed: fixed, Length: uint32(n)}.Append(nil)
}

func space(code uint8, n int64) []byte {
	return cdb.Space{Opcode: scsi.OpSpace6, Code: code, Count: n}.Append(nil)
}

// TestTape: data with CHECK CONDITION, positions, early warning, fixed blocks.
func TestTape(t *testing.T) {
	d := sgtest.NewTape(sgtest.Config{})
	d.Quieten()
	dev := opened(t, d.Device)
	big, small := bytes.Repeat([]byte{1}, 1000), bytes.Repeat([]byte{2}, 300)
	want(t, <-start(dev, transfer(scsi.OpWrite6, false, 1000), sg.Out, big), 0, 0, 1000)
	want(t, <-start(dev, transfer(scsi.OpWrite6, false, 300), sg.Out, small), 0, 0, 300)
	want(t, <-start(dev, cdb.WriteFilemarks{Count: 1}.Append(nil), sg.None, nil), 0, 0, 0)
	want(t, <-start(dev, []byte{byte(scsi.OpRewind), 0, 0, 0, 0, 0}, sg.None, nil), 0, 0, 0)

	in := make([]byte, 600)
	c := <-start(dev, transfer(scsi.OpRead6, false, 600), sg.In, in)
	want(t, c, scsi.KeyNoSense, 0, 600)
	if s, _ := scsi.ParseSense(c.Sense[:c.Result.Sense]); !s.ILI || int32(s.Info) != -400 {
		t.Errorf("%+v", s)
	}
	c = <-start(dev, transfer(scsi.OpRead6, false, 600), sg.In, in)
	want(t, c, scsi.KeyNoSense, 0, 300)
	if s, _ := scsi.ParseSense(c.Sense[:c.Result.Sense]); !s.ILI || s.Info != 300 || !bytes.Equal(in[:300], small) {
		t.Errorf("%+v", s)
	}
	c = <-start(dev, transfer(scsi.OpRead6, false, 600), sg.In, in)
	want(t, c, scsi.KeyNoSense, scsi.ASCFilemarkDetected, 0)
	if s, _ := scsi.ParseSense(c.Sense[:c.Result.Sense]); !s.Filemark {
		t.Errorf("%+v", s)
	}
	want(t, <-start(dev, transfer(scsi.OpRead6, false, 600), sg.In, in), scsi.KeyBlankCheck, scsi.ASCEndOfData, 0)
	want(t, <-start(dev, space(cdb.SpaceFilemarks, -1), sg.None, nil), 0, 0, 0)
	if d.Position() != 2 {
		t.Errorf("at %d", d.Position())
	}
	want(t, <-start(dev, space(cdb.SpaceBlocks, -9), sg.None, nil), scsi.KeyNoSense, scsi.ASCBeginningOfPartition, 0)
	want(t, <-start(dev, cdb.Locate{Opcode: scsi.OpLocate10, Identifier: 1}.Append(nil), sg.None, nil), 0, 0, 0)
	c = <-start(dev, cdb.ReadPosition{}.Append(nil), sg.In, in[:20])
	if want(t, c, 0, 0, 20); binary.BigEndian.Uint32(in[4:]) != 1 {
		t.Errorf("READ POSITION says % x", in[:20])
	}

	list := page.AppendMode6(nil, page.ModeHeader{}, page.BlockDescriptor{BlockSize: 512}.Append(nil), nil)
	list[0] = 0
	want(t, <-start(dev, cdb.ModeSelect{Opcode: scsi.OpModeSelect6, PF: true, Length: uint16(len(list))}.Append(nil), sg.Out, list), 0, 0, len(list))
	want(t, <-start(dev, transfer(scsi.OpWrite6, true, 2), sg.Out, make([]byte, 1024)), 0, 0, 1024)
	if o := d.Objects(); len(o) != 3 || len(o[2].Data) != 512 {
		t.Errorf("%d objects", len(o))
	}
	d.SetEnd(1000, 3000)
	c = <-start(dev, transfer(scsi.OpWrite6, true, 1), sg.Out, make([]byte, 512))
	want(t, c, scsi.KeyNoSense, scsi.ASCEndOfPartition, 512)
	want(t, <-start(dev, transfer(scsi.OpWrite6, true, 2), sg.Out, make([]byte, 1024)), scsi.KeyVolumeOverflow, scsi.ASCEndOfPartition, 0)

	want(t, <-start(dev, cdb.Prevent{Mode: 1}.Append(nil), sg.None, nil), 0, 0, 0)
	want(t, <-start(dev, []byte{byte(scsi.OpLoadUnload), 0, 0, 0, 0, 0}, sg.None, nil), scsi.KeyIllegalRequest, scsi.ASCMediumRemovalPrevented, 0)
	if s := d.State(); !s.Prevented || s.Prevents != 1 {
		t.Errorf("%+v", s)
	}
	d.Take()
	want(t, <-start(dev, transfer(scsi.OpRead6, true, 1), sg.In, in[:512]), scsi.KeyNotReady, scsi.ASCMediumNotPresent, 0)
	d.Load()
	want(t, <-start(dev, tur(), sg.None, nil), scsi.KeyUnitAttention, scsi.ASCMediumMayHaveChanged, 0)
}

// TestChanger: a medium moves, and its status says so.
func TestChanger(t *testing.T) {
	d := sgtest.NewChanger(sgtest.Config{}, "A00001L8", "A00002L8", "")
	d.Quieten()
	dev := opened(t, d.Device)
	move := func(from, to uint16) []byte {
		return cdb.MoveMedium{Source: from, Destination: to}.Append(nil)
	}
	want(t, <-start(dev, move(sgtest.FirstStorage, sgtest.FirstDrive), sg.None, nil), 0, 0, 0)
	want(t, <-start(dev, move(sgtest.FirstStorage, sgtest.FirstDrive), sg.None, nil), scsi.KeyIllegalRequest, scsi.ASCMediumSourceEmpty, 0)
	want(t, <-start(dev, move(sgtest.FirstStorage+1, sgtest.FirstDrive), sg.None, nil), scsi.KeyIllegalRequest, scsi.ASCMediumDestinationFull, 0)
	if d.At(sgtest.FirstDrive) != "A00001L8" {
		t.Errorf("the drive has %q", d.At(sgtest.FirstDrive))
	}
	in := make([]byte, 4096)
	c := <-start(dev, cdb.ReadElementStatus{Tags: true, Count: 100, Allocation: 4096}.Append(nil), sg.In, in)
	s, err := page.ParseElementStatus(in[:4096-c.Result.Residual])
	if err != nil || len(s.Elements) != 7 {
		t.Fatalf("%d elements, %v", len(s.Elements), err)
	}
	i := slices.IndexFunc(s.Elements, func(e page.ElementOf) bool { return e.Address == sgtest.FirstDrive })
	if e := s.Elements[i]; e.Tag != "A00001L8" || e.Source != sgtest.FirstStorage || !e.SourceValid {
		t.Errorf("%+v", e)
	}
}

// TestDisc: the tray, and what is told of it.
func TestDisc(t *testing.T) {
	d := sgtest.NewDisc(sgtest.Config{}, bytes.Repeat([]byte{3}, 8*2048))
	d.Quieten()
	dev := opened(t, d.Device)
	in := make([]byte, 2048)
	want(t, <-start(dev, rw(scsi.OpRead10, 7, 1), sg.In, in), 0, 0, 2048)
	want(t, <-start(dev, rw(scsi.OpRead10, 8, 1), sg.In, in), scsi.KeyIllegalRequest, scsi.ASCLBAOutOfRange, 0)
	want(t, <-start(dev, []byte{0x43, 0, 0, 0, 0, 0, 0, 0, 20, 0}, sg.In, in[:20]), 0, 0, 20)
	eject := cdb.StartStop{LoadEject: true}.Append(nil)
	want(t, <-start(dev, cdb.Prevent{Mode: 1}.Append(nil), sg.None, nil), 0, 0, 0)
	want(t, <-start(dev, eject, sg.None, nil), scsi.KeyIllegalRequest, scsi.ASCMediumRemovalPrevented, 0)
	d.Button()
	events := []byte{0x4a, 1, 0, 0, 0x10, 0, 0, 0, 8, 0}
	if want(t, <-start(dev, events, sg.In, in[:8]), 0, 0, 8); in[4] != 1 || in[5] != 2 {
		t.Errorf("the event is % x", in[:8])
	}
	want(t, <-start(dev, cdb.Prevent{}.Append(nil), sg.None, nil), 0, 0, 0)
	want(t, <-start(dev, eject, sg.None, nil), 0, 0, 0)
	want(t, <-start(dev, tur(), sg.None, nil), scsi.KeyNotReady, scsi.ASCMediumNotPresentTrayOpen, 0)
	if !d.TrayOpen() {
		t.Error("the tray is shut")
	}
	d.Insert(make([]byte, 2048))
	want(t, <-start(dev, tur(), sg.None, nil), scsi.KeyUnitAttention, scsi.ASCMediumMayHaveChanged, 0)
	if want(t, <-start(dev, events, sg.In, in[:8]), 0, 0, 8); in[4] != 2 {
		t.Errorf("the event is % x", in[:8])
	}
}

// TestReservations: those that reach the device are seen.
func TestReservations(t *testing.T) {
	d := sgtest.NewDisk(sgtest.Config{}, 64, 512)
	d.Quieten()
	dev := opened(t, d.Device)
	want(t, <-start(dev, []byte{byte(scsi.OpReserve6), 0, 0, 0, 0, 0}, sg.None, nil), 0, 0, 0)
	list := cdb.PersistentList{ActionKey: 5}.Append(nil)
	out := func(a scsi.ServiceAction, list []byte) []byte {
		return cdb.PersistentOut{Action: a, Type: scsi.WriteExclusive, Length: uint32(len(list))}.Append(nil)
	}
	want(t, <-start(dev, out(scsi.ActionRegister, list), sg.Out, list), 0, 0, 24)
	list = cdb.PersistentList{Key: 5}.Append(nil)
	want(t, <-start(dev, out(scsi.ActionReserve, list), sg.Out, list), 0, 0, 24)
	if s := d.State(); !s.Reserved || !slices.Equal(s.Keys, []uint64{5}) || s.Holder != 5 {
		t.Errorf("%+v", s)
	}
}

// TestReportOpcodes: what a device has, with how long it takes.
func TestReportOpcodes(t *testing.T) {
	d := sgtest.NewTape(sgtest.Config{})
	d.Quieten()
	dev := opened(t, d.Device)
	in := make([]byte, 4096)
	c := <-start(dev, cdb.ReportOpcodes{Timeouts: true, Allocation: 4096}.Append(nil), sg.In, in)
	n := int(binary.BigEndian.Uint32(in))
	want(t, c, 0, 0, n+4)
	found := false
	for b := in[4 : 4+n]; len(b) >= 20; b = b[20:] {
		if scsi.Opcode(b[0]) == scsi.OpErase6 {
			found = binary.BigEndian.Uint32(b[16:]) == 6*3600
		}
	}
	if !found {
		t.Error("how long ERASE takes is not told")
	}
}

// TestSource: it opens what is plugged in, and tells of it.
func TestSource(t *testing.T) {
	a, b := sgtest.NewDisk(sgtest.Config{}, 8, 512), sgtest.NewDisk(sgtest.Config{}, 16, 512)
	s := sgtest.NewSource(a.Device)
	told := make(chan struct{}, 8)
	stop := s.Watch(func() { told <- struct{}{} })
	defer stop()
	h, err := s.Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	h.Close()
	a.Unplug()
	<-told
	if _, err := s.Open(t.Context()); err != sg.ErrGone {
		t.Error(err)
	}
	s.Replace(b.Device)
	<-told
	b.Unplug()
	b.Plug()
	<-told
	if h, err = s.Open(t.Context()); err != nil {
		t.Fatal(err)
	}
	h.Close()
}
