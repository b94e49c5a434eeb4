package device_test

import (
	"bytes"
	"slices"
	"testing"

	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/scsi/cdb"
	"github.com/lunette-io/lunette/scsi/page"
	"github.com/lunette-io/lunette/target"
	"github.com/lunette-io/lunette/transport/loopback"
)

// Where each nexus has settings of its own, the control mode page of one is nobody else's: they are
// told nothing, and it ends with a reset, and with the nexus. Other pages are everybody's.
func TestOwnSettings(t *testing.T) {
	d := &modeDisk{}
	b := newBenchWith(t, 0, keepers{own: true, modes: d})
	s, other := b.login(1, loopback.Options{}), b.login(2, loopback.Options{})
	protect := controlSense
	protect.WriteProtect = true
	set := func(s *loopback.Session, pages ...[]byte) {
		t.Helper()
		if r := b.modeSelect(s, scsi.OpModeSelect6, slices.Concat(append([][]byte{header6}, pages...)...)); r.Err() != nil {
			t.Fatal(r.Err())
		}
	}
	has := func(s *loopback.Session, id byte, want page.Control) {
		t.Helper()
		if got := b.modePage(s, page.ModeControl); !bytes.Equal(got, want.Append(nil)) {
			t.Errorf("the control page is %x, want %x", got, want.Append(nil))
		}
		if r, _ := b.do(s, []byte{0xff, 5: 0}, nil, 0); r.Descriptor != want.DescriptorSense {
			t.Errorf("sense in descriptor format: %v", r.Descriptor)
		}
		all := b.unit.ITLs()
		x := all[slices.IndexFunc(all, func(x *target.ITL) bool { return x.Nexus.Initiator.Port.ISID[5] == id })]
		if got := b.p.WriteProtected(x); got != want.WriteProtect {
			t.Errorf("write protected: %v", got)
		}
	}
	set(s, protect.Append(nil))
	has(s, 1, protect)
	has(other, 2, control)
	b.told(other)

	// A page that all have is told to the others.
	set(s, control.Append(nil), box)
	has(s, 1, control)
	b.told(other, scsi.ASCModeParametersChanged)
	if got := b.modePage(other, boxPage); !bytes.Equal(got[2:], box[2:]) {
		t.Errorf("the page of all is %x", got)
	}

	// What one has by itself cannot be saved for all, and what concerns all is not one's own to set.
	if r := b.save(s, slices.Concat(header6, protect.Append(nil))); r.Err() != nil {
		t.Fatal(r.Err())
	}
	if p := b.savedPage(s, page.ModeControl); !bytes.Equal(p, control.Append(nil)) {
		t.Errorf("saved is %x", p)
	}
	one := control
	one.TaskSets = 0
	if r := b.modeSelect(s, scsi.OpModeSelect6, slices.Concat(header6, one.Append(nil))); r.Sense.ASC != scsi.ASCInvalidFieldInParameterList {
		t.Errorf("one task set for all: %v %v", r.Status, r.Sense)
	}
	want := []byte{3, 0x87, 0, 8, page.ModeControl, 0, page.PolicyPerNexus, 0, cdb.AllPages, cdb.AllSubpages, page.PolicyShared, 0}
	if got := b.good(s, cdb.Inquiry{VPD: true, Page: page.VPDModePagePolicy, Allocation: 255}.Append(nil), nil, 255); !bytes.Equal(got, want) {
		t.Errorf("the mode page policies are %x, want %x", got, want)
	}

	has(s, 1, protect)
	if r := s.Manage(target.ResetLogicalUnit, 0, 0); r != target.FunctionComplete {
		t.Fatal(r)
	}
	b.told(s, scsi.ASCPowerOnResetOrBusDeviceReset)
	b.told(other, scsi.ASCPowerOnResetOrBusDeviceReset)
	has(s, 1, control)

	s2 := b.attach(3, loopback.Options{})
	b.calm(s2)
	set(s2, protect.Append(nil))
	has(s2, 3, protect)
	b.leave(s2)
	s2 = b.login(3, loopback.Options{})
	has(s2, 3, control)
}
