package device_test

import (
	"bytes"
	"errors"
	"slices"
	"testing"

	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/scsi/cdb"
	"github.com/lunette-io/lunette/scsi/page"
	"github.com/lunette-io/lunette/target"
	"github.com/lunette-io/lunette/transport/loopback"
)

func (b *bench) modePage(s *loopback.Session, code byte) []byte {
	b.Helper()
	return b.good(s, cdb.ModeSense{Opcode: scsi.OpModeSense10, Page: code, Allocation: 255}.Append(nil), nil, 255)[8:]
}

// modeSelect sends a list and returns how it ended.
func (b *bench) modeSelect(s *loopback.Session, op scsi.Opcode, list []byte) loopback.Result {
	b.Helper()
	r, _ := b.do(s, cdb.ModeSelect{Opcode: op, PF: true, Length: uint16(len(list))}.Append(nil), list, 0)
	return r
}

var (
	control      = page.Control{TaskSets: 1, NoLogSave: true, QueueAlgorithm: 1, BusyTimeout: 0xffff}
	controlSense = page.Control{TaskSets: 1, NoLogSave: true, QueueAlgorithm: 1, BusyTimeout: 0xffff, DescriptorSense: true}
	box          = []byte{boxPage, 3, 0x55, 0, 9}
	header6      = []byte{0, 0, 0, 0}
)

// A list of several pages changes them all, or none when one of them is wrong.
func TestModeSelectPages(t *testing.T) {
	b := newBench(t, 0)
	s, other := b.login(1, loopback.Options{}), b.login(2, loopback.Options{})
	both := slices.Concat(header6, controlSense.Append(nil), box)
	if r := b.modeSelect(s, scsi.OpModeSelect6, both); r.Err() != nil {
		t.Fatal(r.Err())
	}
	if got := b.modePage(s, boxPage); !bytes.Equal(got, box) {
		t.Errorf("the page is %x, want %x", got, box)
	}
	b.told(s)
	b.told(other, scsi.ASCModeParametersChanged)
	if r, _ := b.do(s, []byte{0xff, 5: 0}, nil, 0); !r.Descriptor {
		t.Error("D_SENSE did nothing")
	}
	if r := b.modeSelect(s, scsi.OpModeSelect6, both); r.Err() != nil {
		t.Errorf("the same again: %v", r.Err())
	}
	b.told(other)

	field := scsi.InvalidFieldInParameterList
	for _, c := range []struct {
		name string
		op   scsi.Opcode
		list []byte
		want scsi.Sense
	}{
		{"fixed byte of the second", scsi.OpModeSelect6, slices.Concat(header6, control.Append(nil), []byte{boxPage, 3, 1, 0, 8}), field(4+12+4, 0)},
		{"no such page", scsi.OpModeSelect6, slices.Concat(header6, control.Append(nil), []byte{0x2f, 1, 0}), field(4+12, 5)},
		{"subpage", scsi.OpModeSelect6, slices.Concat(header6, []byte{boxPage | 0x40, 1, 0, 1, 0}), field(4, 5)},
		{"page too long", scsi.OpModeSelect6, slices.Concat(header6, []byte{boxPage, 4, 1, 0, 9, 0}), field(5, -1)},
		{"page cut off", scsi.OpModeSelect6, slices.Concat(header6, control.Append(nil), []byte{boxPage, 3, 1, 0}), scsi.ParameterListLengthError()},
		{"half a page header", scsi.OpModeSelect6, slices.Concat(header6, []byte{boxPage}), scsi.ParameterListLengthError()},
		{"half a header", scsi.OpModeSelect10, make([]byte, 7), scsi.ParameterListLengthError()},
		{"medium type", scsi.OpModeSelect6, []byte{0, 1, 0, 0}, field(1, -1)},
		{"medium type of ten", scsi.OpModeSelect10, []byte{0, 0, 1, 0, 0, 0, 0, 0}, field(2, -1)},
		{"block descriptor of a unit without blocks", scsi.OpModeSelect6, []byte{0, 0, 0, 8, 0, 0, 0, 0, 0, 0, 2, 0}, field(4, -1)},
		{"half a block descriptor", scsi.OpModeSelect6, []byte{0, 0, 0, 8, 0, 0, 0, 0}, scsi.ParameterListLengthError()},
		{"length of block descriptors", scsi.OpModeSelect6, []byte{0, 0, 0, 7, 0, 0, 0, 0, 0, 0, 0, 0}, field(3, -1)},
	} {
		if r := b.modeSelect(s, c.op, c.list); r.Status != scsi.CheckCondition || r.Sense != c.want {
			t.Errorf("%s: %v %v, want %v", c.name, r.Status, r.Sense, c.want)
		}
	}
	if got, now := b.modePage(s, page.ModeControl), controlSense.Append(nil); !bytes.Equal(got, now) {
		t.Errorf("a list that was refused changed the control page: %x", got)
	}
	b.told(other)
	for bit, at := range map[byte]int{0x01: 0, 0x02: 1} { // SP, RTD
		b.fails(s, []byte{0x15, 0x10 | bit, 0, 0, 0, 0}, nil, scsi.InvalidFieldInCDB(1, at))
	}
	b.fails(s, []byte{0x15, 0, 0, 0, 4, 0}, header6, scsi.InvalidFieldInCDB(1, 4)) // not PF
	b.good(s, []byte{0x15, 0x10, 0, 0, 4, 0}, header6, 0)
}

// A page that cannot be applied fails MODE SELECT; those before it stay and are told.
func TestModeApplyFails(t *testing.T) {
	b := newBench(t, 0)
	s, other := b.login(1, loopback.Options{}), b.login(2, loopback.Options{})
	for _, c := range []struct {
		err  error
		want scsi.Sense
	}{
		{scsi.NotReady(scsi.ASCBecomingReady), scsi.NotReady(scsi.ASCBecomingReady)},
		{errors.New("disk full"), scsi.InternalTargetFailure()},
	} {
		b.p.apply = func([]byte) error { return c.err }
		if r := b.modeSelect(s, scsi.OpModeSelect6, slices.Concat(header6, controlSense.Append(nil), box)); r.Sense != c.want || !r.Descriptor {
			t.Errorf("%v: %v %v, in descriptor format %v", c.err, r.Status, r.Sense, r.Descriptor)
		}
		if got := b.modePage(s, boxPage); got[2] != 0 {
			t.Errorf("the page that failed is %x", got)
		}
		b.told(s)
		b.told(other, scsi.ASCModeParametersChanged)
		if r := b.modeSelect(s, scsi.OpModeSelect6, slices.Concat(header6, box)); r.Sense != c.want {
			t.Errorf("%v: %v %v", c.err, r.Status, r.Sense)
		}
		b.told(other)
		if r := b.modeSelect(s, scsi.OpModeSelect6, slices.Concat(header6, control.Append(nil))); r.Err() != nil {
			t.Fatal(r.Err())
		}
		b.told(other, scsi.ASCModeParametersChanged)
	}
}

// Resets bring the default values back, and with them what the unit does.
func TestResetReverts(t *testing.T) {
	b := newBench(t, 0)
	s := b.login(1, loopback.Options{})
	for i, f := range []target.Function{target.ResetLogicalUnit, target.ResetTarget} {
		protect := controlSense
		protect.WriteProtect = true
		if r := b.modeSelect(s, scsi.OpModeSelect10, slices.Concat(make([]byte, 8), protect.Append(nil), box)); r.Err() != nil {
			t.Fatal(r.Err())
		}
		if !b.p.WriteProtected(nil) {
			t.Error("SWP does not protect")
		}
		if r := s.Manage(f, 0, 0); r != target.FunctionComplete {
			t.Fatalf("%v: %v", f, r)
		}
		b.told(s, scsi.ASCPowerOnResetOrBusDeviceReset)
		if r, _ := b.do(s, []byte{0xff, 5: 0}, nil, 0); r.Descriptor || b.p.WriteProtected(nil) {
			t.Errorf("%v: D_SENSE is %v, SWP is %v", f, r.Descriptor, b.p.WriteProtected(nil))
		}
		if got := b.modePage(s, boxPage); got[2] != 0 || b.p.reverted.Load() != int64(i+1) {
			t.Errorf("%v: the page is %x, reverted %d times", f, got, b.p.reverted.Load())
		}
	}
}

// REQUEST SENSE in both formats, byte for byte (SPC-5 4.4.2, 4.4.3).
func TestRequestSense(t *testing.T) {
	b := newBench(t, 0)
	s := b.login(1, loopback.Options{})
	for _, c := range []struct {
		name        string
		before      func()
		fixed, desc string
	}{
		{"nothing", func() {}, "70 00 00 00000000 0a 00000000 0000 00 000000", "72 00 00 00 00000000"},
		{"attention", func() { b.p.Announce(scsi.ASCModeParametersChanged, nil) },
			"70 00 06 00000000 0a 00000000 2a01 00 000000", "72 06 2a 01 00000000"},
		{"not ready", func() { b.p.ready.Store(false) }, "70 00 02 00000000 0a 00000000 0401 00 000000", "72 02 04 01 00000000"},
		{"attention of a unit that is not ready", func() { b.p.Announce(scsi.ASCCapacityDataChanged, nil) },
			"70 00 06 00000000 0a 00000000 2a09 00 000000", "72 06 2a 09 00000000"},
	} {
		for desc, want := range map[bool]string{false: c.fixed, true: c.desc} {
			c.before()
			q := cdb.RequestSense{Descriptor: desc, Allocation: 252}
			if got := b.good(s, q.Append(nil), nil, 252); !bytes.Equal(got, unhex(t, want)) {
				t.Errorf("%s, DESC=%v: %x, want %s", c.name, desc, got, want)
			}
		}
	}
	// Cut off, a unit attention is reported all the same.
	b.p.ready.Store(true)
	b.p.Announce(scsi.ASCModeParametersChanged, nil)
	if got := b.good(s, cdb.RequestSense{Allocation: 3}.Append(nil), nil, 252); !bytes.Equal(got, []byte{0x70, 0, 6}) {
		t.Errorf("three bytes: %x", got)
	}
	b.told(s)
}

// SEND DIAGNOSTIC says how the default self-test went.
func TestSelfTest(t *testing.T) {
	b := newBench(t, 0)
	s := b.login(1, loopback.Options{})
	test := cdb.SendDiagnostic{SelfTest: true}.Append(nil)
	b.good(s, test, nil, 0)
	b.p.testing.Store(&selfTests{func() error { return scsi.UnrecoveredReadError(5) }})
	b.fails(s, test, nil, scsi.UnrecoveredReadError(5))
	b.good(s, cdb.SendDiagnostic{}.Append(nil), nil, 0) // no test was asked for
	b.fails(s, cdb.SendDiagnostic{Code: 1}.Append(nil), nil, scsi.InvalidFieldInCDB(1, 7))
	b.fails(s, cdb.SendDiagnostic{PF: true, Length: 4}.Append(nil), make([]byte, 4), scsi.InvalidFieldInCDB(3, -1))
}

// LOG SENSE from the middle of a page.
func TestLogPointer(t *testing.T) {
	b := newBench(t, 0)
	s := b.login(1, loopback.Options{})
	for pointer, want := range map[uint16]string{
		0: "30 00 000b 0001 00 01 aa 0007 00 02 0102",
		1: "30 00 000b 0001 00 01 aa 0007 00 02 0102",
		2: "30 00 0006 0007 00 02 0102",
		7: "30 00 0006 0007 00 02 0102",
	} {
		q := cdb.LogSense{Control: cdb.LogCumulative, Page: 0x30, Pointer: pointer, Allocation: 255}
		if got := b.good(s, q.Append(nil), nil, 255); !bytes.Equal(got, unhex(t, want)) {
			t.Errorf("from %d: %x, want %s", pointer, got, want)
		}
	}
	b.fails(s, cdb.LogSense{Control: cdb.LogCumulative, Page: 0x30, Pointer: 8, Allocation: 255}.Append(nil), nil, scsi.InvalidFieldInCDB(5, -1))
	b.fails(s, cdb.LogSense{Control: cdb.LogCumulative, Page: 0x30, Subpage: 1, Allocation: 255}.Append(nil), nil, scsi.InvalidFieldInCDB(3, -1))
}
