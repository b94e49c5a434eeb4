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

// newReel is a bench with a unit made of what cfg has; its identity and workers are set.
func newReel(t *testing.T, cfg device.Config) *bench {
	t.Helper()
	cfg.Identity = scsi.Identity{Type: scsi.TypeTape, Vendor: "LUNETTE", Product: "REEL", Revision: "1", Serial: "S7", NAA: scsi.NAA6("reel"), Removable: true}
	cfg.Workers = 1
	u, err := device.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	arena := buffer.NewArena(0)
	unit := target.NewUnit("reel", u)
	tgt, err := target.NewTarget("iqn.2026-11.io.lunette:reel", target.Mapping{Unit: unit})
	if err != nil {
		t.Fatal(err)
	}
	port, err := tgt.AddPort(target.PortConfig{Protocol: scsi.ProtocolISCSI, Name: "iqn.2026-11.io.lunette:reel,t,0x0001"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := unit.Close(); err != nil {
			t.Error(err)
		}
		if err := arena.Close(); err != nil {
			t.Error(err)
		}
	})
	return &bench{T: t, arena: arena, unit: unit, port: port}
}

// A device type shapes INQUIRY data and VPD pages, adds to them and takes from them.
func TestShapedInquiry(t *testing.T) {
	b := newReel(t, device.Config{
		Inquiry: func(i *page.Inquiry) {
			i.Version, i.Length, i.Protect, i.Barcodes, i.Special = scsi.VersionSPC3, 56, true, true, []byte("vendor data")
		},
		Extended: func(e *page.ExtendedInquiry) { e.MaxSenseLength = 96 },
		Designator: func(id scsi.Identity) page.Designator {
			return page.T10FieldsDesignator(id.Vendor, id.Product, id.Serial)
		},
		OmitVPD: []byte{page.VPDModePagePolicy},
		VPD: []device.VPD{{Code: page.VPDUnitSerial, Append: func(dst []byte, p page.Peripheral) []byte {
			return page.AppendUnitSerial(dst, p, "another")
		}}},
	})
	s := b.login(1, loopback.Options{})
	std := b.good(s, cdb.Inquiry{Allocation: 255}.Append(nil), nil, 255)
	if len(std) != 56 || std[4] != 51 || std[2] != 5 || std[5] != 1 || std[6] != 0x20 || !bytes.HasPrefix(std[36:], []byte("vendor data\x00")) {
		t.Errorf("standard INQUIRY data %x", std)
	}
	vpd := func(code byte) []byte {
		return b.good(s, cdb.Inquiry{VPD: true, Page: code, Allocation: 255}.Append(nil), nil, 255)
	}
	if got := vpd(page.VPDSupported); !bytes.Equal(got[4:], []byte{0, 0x80, 0x83, 0x86}) {
		t.Errorf("pages %x", got)
	}
	if got := vpd(page.VPDUnitSerial); string(got[4:]) != "another" {
		t.Errorf("page 80h %q", got)
	}
	if got := vpd(page.VPDIdentification); !bytes.Contains(got, []byte("LUNETTE REEL            S7")) {
		t.Errorf("page 83h %q", got)
	}
	if got := vpd(page.VPDExtendedInquiry); got[13] != 96 {
		t.Errorf("page 86h %x", got)
	}
	if r, _ := b.do(s, cdb.Inquiry{VPD: true, Page: page.VPDModePagePolicy, Allocation: 255}.Append(nil), nil, 255); r.Sense != scsi.InvalidFieldInCDB(2, -1) {
		t.Errorf("page 87h: %v", r.Sense)
	}
}

// A mode page may follow a state, be sent shorter than it is, and stand for one of SPC; the header and
// the block descriptor may be all that there is of a list, also without PF.
func TestModesThatFollow(t *testing.T) {
	var loaded, header atomic.Uint32
	b := newReel(t, device.Config{
		Modes: []*device.ModePage{
			{
				Default: []byte{boxPage, 4, 0, 0, 0, 0}, Changeable: []byte{boxPage, 4, 0xff, 0, 0xff, 0xff},
				Follow: func(_ *target.ITL, p []byte) { p[3] = byte(loaded.Load()) },
				Complete: func(sent []byte) []byte {
					if len(sent) != 4 {
						return nil
					}
					return []byte{sent[0], 4, sent[2], sent[3], 0, 0}
				},
				Apply: func(*target.ITL, []byte) error { return nil },
			},
			{Default: page.Exceptions{Warnings: true}.Append(nil), Changeable: page.Exceptions{}.Append(nil)},
		},
		MediumType:       func() byte { return 0x58 },
		ModeParameter:    func(*target.ITL) byte { return byte(header.Load()) },
		SetModeParameter: func(_ *target.ITL, now byte) bool { return header.Swap(uint32(now)) != uint32(now) },
		CheckModeParameter: func(now byte) int {
			if now&0x0f != 0 {
				return 3
			}
			return -1
		},
		Block: func() page.BlockDescriptor { return page.BlockDescriptor{}.WithDensity(0x58) },
		SetBlock: func(d page.BlockDescriptor, at int) (bool, error) {
			if d.Density() != 0x58 {
				return false, scsi.InvalidFieldInParameterList(at, -1)
			}
			return false, nil
		},
		ShortBlock: true,
	})
	s, other := b.login(1, loopback.Options{}), b.login(2, loopback.Options{})
	sense := func(op scsi.Opcode, code byte) []byte {
		return b.good(s, cdb.ModeSense{Opcode: op, LongLBA: op == scsi.OpModeSense10, Page: code, Allocation: 255}.Append(nil), nil, 255)
	}
	if got := sense(scsi.OpModeSense10, boxPage); !bytes.Equal(got, []byte{0, 20, 0x58, 0, 0, 0, 0, 8, 0x58, 0, 0, 0, 0, 0, 0, 0, boxPage, 4, 0, 0, 0, 0}) {
		t.Errorf("MODE SENSE(10): %x", got)
	}
	if got := sense(scsi.OpModeSense6, page.ModeExceptions); got[4+8+2] != 0x10 {
		t.Errorf("page 1Ch: %x", got)
	}
	loaded.Store(3)
	if got := sense(scsi.OpModeSense6, boxPage); got[4+8+3] != 3 {
		t.Errorf("page with something loaded: %x", got)
	}
	list := func(device byte, p ...byte) []byte { return slices.Concat([]byte{0, 0x58, device, 0}, p) }
	if r := b.modeSelect(s, scsi.OpModeSelect6, list(0, boxPage, 2, 7, 3)); r.Err() != nil {
		t.Errorf("a shorter page: %v", r.Err())
	}
	b.told(other, scsi.ASCModeParametersChanged)
	if r := b.modeSelect(s, scsi.OpModeSelect6, list(0, boxPage, 4, 7, 3, 0, 0)); r.Err() != nil {
		t.Errorf("the page as it is: %v", r.Err())
	}
	b.told(other)
	for _, bad := range [][]byte{list(0, boxPage, 4, 7, 0, 0, 0), list(0, boxPage, 3, 7, 3, 0), list(1), {0, 0x57, 0, 0}} {
		if r := b.modeSelect(s, scsi.OpModeSelect6, bad); r.Sense.ASC != scsi.ASCInvalidFieldInParameterList {
			t.Errorf("%x: %v", bad, r.Sense)
		}
	}
	twelve := []byte{0, 0, 0x10, 8, 0x58, 0, 0, 0, 0, 0, 0, 0}
	if r, _ := b.do(s, cdb.ModeSelect{Opcode: scsi.OpModeSelect6, Length: 12}.Append(nil), twelve, 0); r.Err() != nil {
		t.Errorf("header and block descriptor: %v", r.Err())
	}
	b.told(other, scsi.ASCModeParametersChanged)
	if got := sense(scsi.OpModeSense6, boxPage); got[2] != 0x10 {
		t.Errorf("MODE SENSE(6): %x", got)
	}
}

// A log page may be shown to each nexus as it is for that, and be asked for its thresholds; the timeouts of
// commands that say none come from the device type.
func TestShownLogs(t *testing.T) {
	type seen struct {
		first uint16
		room  int
	}
	var last seen
	nexuses := 0
	b := newReel(t, device.Config{
		Logs: []device.LogPage{{Code: 0x2e, Thresholds: true, Show: func(dst []byte, _ *target.ITL, first uint16, room int) []byte {
			last = seen{first, room}
			return page.AppendLogPage(dst, 0x2e, 0, []byte{0, 1, 0, 1, 0xaa, 0, 7, 0, 1, 1})
		}}},
		Timeouts: func(scsi.Opcode, scsi.ServiceAction) page.Timeouts { return page.Timeouts{Nominal: 5} },
		Attached: func(*target.ITL) { nexuses++ },
		Detached: func(*target.ITL) { nexuses-- },
	})
	s := b.login(1, loopback.Options{})
	for control, want := range map[cdb.PageControl]error{cdb.LogThreshold: nil, cdb.LogCumulative: nil, cdb.LogDefaultThreshold: scsi.InvalidFieldInCDB(2, 7)} {
		r, _ := b.do(s, cdb.LogSense{Control: control, Page: 0x2e, Pointer: 2, Allocation: 100}.Append(nil), nil, 100)
		if want == nil && r.Err() != nil || want != nil && r.Sense != want {
			t.Errorf("PC %d: %v", control, r.Err())
		}
	}
	if last != (seen{2, 100}) {
		t.Errorf("shown %+v", last)
	}
	one := b.good(s, cdb.ReportOpcodes{Timeouts: true, Options: cdb.ReportOpcode, Opcode: scsi.OpInquiry, Allocation: 100}.Append(nil), nil, 100)
	if len(one) != 4+6+12 || one[4+6+7] != 5 {
		t.Errorf("timeouts of INQUIRY: %x", one)
	}
	if nexuses != 1 {
		t.Errorf("%d nexuses", nexuses)
	}
}
