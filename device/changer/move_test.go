package changer_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"math/bits"
	"testing"
	"time"

	"github.com/lunette-io/lunette/device/changer"
	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/scsi/cdb"
	"github.com/lunette-io/lunette/scsi/page"
	"github.com/lunette-io/lunette/target"
	"github.com/lunette-io/lunette/transport/loopback"
)

var badAddress = scsi.IllegalRequest(scsi.ASCInvalidElementAddress)

func moving(source, destination uint16) []byte {
	return cdb.MoveMedium{Source: source, Destination: destination}.Append(nil)
}

func TestMove(t *testing.T) {
	inv := newInventory(1, 1, 3)
	inv.put(0x401, "A")
	inv.put(0x402, "B")
	b := newBench(t, inv)
	b.good(moving(0x401, 0x101), nil, 0)
	b.good(cdb.MoveMedium{Transport: 1, Source: 0x101, Destination: 0x403}.Append(nil), nil, 0)
	b.attentions(nil, nil) // nobody is told of what an initiator moves inside
	for _, c := range [][]byte{
		cdb.MoveMedium{Transport: 2, Source: 0x403, Destination: 0x101}.Append(nil), cdb.MoveMedium{Transport: 0x101, Source: 0x403, Destination: 0x101}.Append(nil),
		moving(0x500, 0x101), moving(0x403, 0x500), moving(0, 0x101), moving(1, 0x101), moving(0x403, 1),
	} {
		b.fails(c, nil, badAddress)
	}
	b.fails(moving(0x402, 0x403), nil, scsi.IllegalRequest(scsi.ASCMediumDestinationFull))
	b.fails(moving(0x401, 0x101), nil, scsi.IllegalRequest(scsi.ASCMediumSourceEmpty))
	b.good(moving(0x402, 0x402), nil, 0)
	invert := moving(0x403, 0x101)
	invert[10] = 1
	b.fails(invert, nil, scsi.InvalidFieldInCDB(10, 0))
	for _, eepos := range []byte{0x40, 0x80, 0xc0} { // what mtx says of the door
		c := moving(0x403, 0x403)
		c[11] = eepos
		b.good(c, nil, 0)
	}
	b.good(moving(0x403, 0x301), nil, 0) // a mail slot
	b.attentions(nil, []scsi.ASC{scsi.ASCImportOrExportElementAccessed})
	b.good(cdb.ExchangeMedium{Source: 0x402, First: 0x301, Second: 0x402}.Append(nil), nil, 0)
	if inv.at(0x402).Barcode != "A" || inv.at(0x301).Barcode != "B" {
		t.Errorf("%+v", inv.elements)
	}
	b.attentions(nil, []scsi.ASC{scsi.ASCImportOrExportElementAccessed})
	b.fails(cdb.ExchangeMedium{Source: 0x402, First: 0x301, Second: 1}.Append(nil), nil, badAddress)
	b.good(cdb.PositionToElement{Transport: 1, Destination: 0x401}.Append(nil), nil, 0)
	b.fails(cdb.PositionToElement{Transport: 3, Destination: 0x401}.Append(nil), nil, badAddress)
	b.fails(cdb.PositionToElement{Destination: 0x500}.Append(nil), nil, badAddress)
	position := cdb.PositionToElement{Destination: 0x401}.Append(nil)
	position[8] = 1
	b.fails(position, nil, scsi.InvalidFieldInCDB(8, 0))
	for i := range 3 {
		b.c.Changed(i == 1)
	}
	told := []scsi.ASC{scsi.ASCMediumMayHaveChanged, scsi.ASCImportOrExportElementAccessed}
	b.attentions(told, told)
}

// TestLUNInCDB: the LUN where SCSI-2 had it makes no difference to the commands with which initiators are known to say it, and is
// refused with the others.
func TestLUNInCDB(t *testing.T) {
	inv := newInventory(1, 1, 3)
	inv.put(0x401, "A")
	b := newBench(t, inv)
	status := cdb.ReadElementStatus{Type: 2, Tags: true, Count: 3, Allocation: 4096}.Append(nil)
	search := cdb.SendVolumeTag{Action: 5, Length: cdb.VolumeTagTemplateLen}.Append(nil)
	want := b.good(status, nil, 4096)
	for lun := byte(1); lun < 8; lun++ {
		with := func(c []byte) []byte {
			c = bytes.Clone(c)
			c[1] |= lun << 5
			return c
		}
		if got := b.good(with(status), nil, 4096); !bytes.Equal(got, want) {
			t.Errorf("LUN %d: % x instead of % x", lun, got, want)
		}
		b.good(with(moving(0x401, 0x402)), nil, 0)
		b.good(with(cdb.ExchangeMedium{Source: 0x402, First: 0x401, Second: 0x401}.Append(nil)), nil, 0)
		b.good(with(cdb.PositionToElement{Destination: 0x401}.Append(nil)), nil, 0)
		b.good(with(search), cdb.VolumeTagTemplate{Volume: "A"}.Append(nil), 0)
		for _, c := range [][]byte{
			cdb.RequestVolumeElementAddress{Count: 1, Allocation: 4096}.Append(nil), {byte(scsi.OpInitializeElementStatusWithRange), 9: 0},
		} {
			b.fails(with(c), nil, scsi.InvalidFieldInCDB(1, 4+bits.Len8(lun)))
		}
	}
	with := moving(0x401, 0x402)
	with[1] = 0x10
	b.fails(with, nil, scsi.InvalidFieldInCDB(1, 4))
}

func TestNoExchange(t *testing.T) {
	b := newBench(t, newInventory(1, 1, 3), func(c *changer.Config) { c.Model.NoExchange = true })
	b.fails(cdb.ExchangeMedium{Source: 0x402, First: 0x301, Second: 0x402}.Append(nil), nil, scsi.InvalidOpcode())
	caps := b.good(cdb.ModeSense{Opcode: scsi.OpModeSense6, DBD: true, Page: page.ModeChangerCapabilities, Allocation: 255}.Append(nil), nil, 255)
	if caps[4+5] != 0x0e || caps[4+13] != 0 {
		t.Errorf("%x", caps)
	}
}

// A move that waits holds up nobody who looks, and a fault of the library is a HARDWARE ERROR, with a TapeAlert flag.
func TestMovesThatWait(t *testing.T) {
	inv := newInventory(1, 1, 3)
	inv.put(0x401, "A")
	gate, waiting := make(chan error), make(chan struct{}, 1)
	b := newBench(t, inv)
	inv.hook = func(ctx context.Context) error {
		waiting <- struct{}{}
		select {
		case err := <-gate:
			return err
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	p := b.s.Start(loopback.Command{CDB: moving(0x401, 0x101), Tag: 1})
	<-waiting
	if e := b.status(cdb.ReadElementStatus{Type: 2, Count: 1}).Elements[0]; e.Flags&page.ElementFull == 0 {
		t.Errorf("%+v", e)
	}
	b.good(cdb.LogSense{Control: cdb.LogCumulative, Page: 0x2e, Allocation: 65535}.Append(nil), nil, 65535)
	b.good([]byte{7, 0, 0, 0, 0, 0}, nil, 0)
	gate <- nil
	if r, err := p.Wait(t.Context()); err != nil || r.Status != scsi.Good {
		t.Error(r, err)
	}
	p = b.s.Start(loopback.Command{CDB: moving(0x101, 0x401), Tag: 2})
	<-waiting
	b.s.Manage(target.AbortTask, 0, 2)
	if _, err := p.Wait(t.Context()); !errors.Is(err, loopback.ErrDropped) {
		t.Error(err)
	}
	p = b.s.Start(loopback.Command{CDB: moving(0x101, 0x401), Tag: 3})
	<-waiting
	gate <- errors.New("the disk is gone")
	if r, err := p.Wait(t.Context()); err != nil || r.Sense.Key != scsi.KeyHardwareError {
		t.Error(r, err)
	}
	if flags := b.alerts(b.s, cdb.LogThreshold); flags != 1<<1 {
		t.Errorf("flags %b", flags)
	}
	if flags := b.alerts(b.s, cdb.LogCumulative); flags != 0 {
		t.Errorf("flags %b that were read", flags)
	}
	if flags := b.alerts(b.other, cdb.LogCumulative); flags != 1<<1 {
		t.Errorf("flags %b of the other", flags)
	}
}

// alerts are the TapeAlert flags that LOG SENSE has.
func (b *bench) alerts(s *loopback.Session, control cdb.PageControl) (flags uint64) {
	b.Helper()
	r, p := b.do(s, cdb.LogSense{Control: control, Page: 0x2e, Allocation: 65535}.Append(nil), nil, 65535)
	if r.Status != scsi.Good || len(p) != 4+0x140 || binary.BigEndian.Uint16(p[2:]) != 0x140 {
		b.Fatalf("%v %x", r.Sense, p)
	}
	for i := range 64 {
		at := p[4+5*i:]
		if int(binary.BigEndian.Uint16(at)) != i+1 || at[3] != 1 {
			b.Fatalf("%x", p)
		}
		flags |= uint64(at[4]) << i
	}
	return flags
}

// PREVENT is of each nexus, and ends with it.
func TestPrevent(t *testing.T) {
	inv := newInventory(1, 1, 1)
	b := newBench(t, inv)
	prevent := func(s *loopback.Session, mode uint8) {
		t.Helper()
		if r, _ := b.do(s, cdb.Prevent{Mode: mode}.Append(nil), nil, 0); r.Status != scsi.Good {
			t.Fatal(r.Sense)
		}
	}
	is := func(want bool) {
		t.Helper()
		inv.mu.Lock()
		defer inv.mu.Unlock()
		if inv.prevented != want {
			t.Errorf("prevented: %v", inv.prevented)
		}
	}
	open := cdb.ImportExport{Element: 0x301}.Append(nil)
	prevent(b.s, 1)
	prevent(b.s, 1)
	prevent(b.other, 1)
	b.fails(open, nil, scsi.IllegalRequest(scsi.ASCMediumRemovalPrevented))
	prevent(b.s, 0)
	is(true)
	prevent(b.other, 0)
	is(false)
	b.fails(cdb.Prevent{Mode: 2}.Append(nil), nil, scsi.InvalidFieldInCDB(4, 1))
	prevent(b.s, 1)
	b.other.Manage(target.ResetLogicalUnit, 0, 0)
	is(false)
	b.attentions([]scsi.ASC{scsi.ASCPowerOnResetOrBusDeviceReset}, []scsi.ASC{scsi.ASCPowerOnResetOrBusDeviceReset})
	third := b.login(3)
	prevent(third, 1)
	is(true)
	if err := third.Close(); err != nil {
		t.Fatal(err)
	}
	is(false)
	b.good(open, nil, 0)
	b.attentions(nil, []scsi.ASC{scsi.ASCImportOrExportElementAccessed})
	b.good(cdb.ImportExport{Element: 0x301, Action: cdb.CloseElement}.Append(nil), nil, 0)
	if len(inv.doors) != 2 || !inv.doors[0] || inv.doors[1] {
		t.Error(inv.doors)
	}
	b.fails(cdb.ImportExport{Element: 0x401}.Append(nil), nil, badAddress)
	b.fails(cdb.ImportExport{Element: 0x301, Action: 2}.Append(nil), nil, scsi.InvalidFieldInCDB(4, 4))
}

func TestInitialize(t *testing.T) {
	inv := newInventory(1, 1, 3)
	inv.put(0x401, "A")
	b := newBench(t, inv)
	for i, c := range [][]byte{
		{7, 0, 0, 0, 0, 0}, cdb.ElementRange{Opcode: scsi.OpInitializeElementStatusWithRange, Range: true, Start: 0x401, Count: 2}.Append(nil),
		cdb.ElementRange{Opcode: scsi.OpInitializeElementStatusVendor, Fast: true}.Append(nil),
	} {
		b.good(c, nil, 0)
		if inv.rescans != i+1 {
			t.Errorf("%x: %d scans", c, inv.rescans)
		}
	}
	b.good(moving(0x401, 0x101), nil, 0)
	b.good(moving(0x101, 0x402), nil, 0)
	p := b.good(cdb.LogSense{Control: cdb.LogCumulative, Page: page.LogChangerStatistics, Allocation: 65535}.Append(nil), nil, 65535)
	for code, want := range map[int]uint32{0: 2, 1: 2, 2: 0, 3: 2, 5: 3, 9: 3} {
		if at := p[4+8*code:]; int(binary.BigEndian.Uint16(at)) != code || binary.BigEndian.Uint32(at[4:]) != want {
			t.Errorf("parameter %d: %x", code, at[:8])
		}
	}
	p = b.good(cdb.LogSense{Control: cdb.LogCumulative, Page: page.LogElementStatistics, Pointer: 0x401, Allocation: 65535}.Append(nil), nil, 65535)
	if len(p) != 4+3*28 || binary.BigEndian.Uint16(p[4:]) != 0x401 || p[3] != 3*28 || binary.BigEndian.Uint32(p[8+8:]) != 1 || binary.BigEndian.Uint32(p[8+16:]) != 3 {
		t.Errorf("%x", p)
	}
}

func TestTimestamp(t *testing.T) {
	now := time.UnixMilli(0x0102030405)
	b := newBench(t, newInventory(1, 1, 1), func(c *changer.Config) { c.Clock = func() time.Time { return now } })
	report := append([]byte{0xa3, 0x0f, 0, 0, 0, 0, 0, 0, 0, 255}, 0, 0)
	is := func(want string) {
		t.Helper()
		if got := b.good(report, nil, 255); string(got) != want {
			t.Errorf("%x, want %x", got, want)
		}
	}
	is("\x00\x0a\x03\x00\x00\x01\x02\x03\x04\x05\x00\x00")
	list := []byte{0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0}
	b.good(cdb.MaintenanceOut{Action: scsi.ActionSetTimestamp, Length: 12}.Append(nil), list, 0)
	now = now.Add(2 * time.Millisecond)
	is("\x00\x0a\x02\x00\x00\x00\x00\x01\x00\x02\x00\x00")
	b.attentions(nil, []scsi.ASC{scsi.ASCTimestampChanged})
	b.good(cdb.MaintenanceOut{Action: scsi.ActionSetTimestamp}.Append(nil), nil, 0)
	b.fails(cdb.MaintenanceOut{Action: scsi.ActionSetTimestamp, Length: 11}.Append(nil), list, scsi.ParameterListLengthError())
}
