package passthrough

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
	"github.com/lunette-io/lunette/transport/loopback"
)

// vpd is a VPD page as an initiator gets it, with so much room.
func (b *bench) vpd(s *loopback.Session, code byte, room int) []byte {
	b.Helper()
	r := b.do(s, cdb.Inquiry{VPD: true, Page: code, Allocation: uint16(room)}.Append(nil), nil, room)
	if r.Status != scsi.Good {
		b.Errorf("page %02x: %v %v", code, r.Status, r.sense())
	}
	return r.data
}

// Standard INQUIRY data says what a unit is by this way, and is the device's otherwise.
func TestStandardInquiry(t *testing.T) {
	raw := page.Inquiry{
		Peripheral: page.PeripheralOf(scsi.TypeTape), Removable: true, Version: scsi.VersionSPC4, Vendor: "ACME", Product: "DRIVE", Revision: "7",
		Versions: []uint16{page.DescriptorSAM5, 0x0960, page.DescriptorSPC4, 0x0c60, 0x0460, 0x1ec0}, Special: []byte("special"),
	}.Append(nil)
	for i, or := range map[int]byte{0: 0x20, 1: 0x40, 3: 0xf0, 5: 0xf9, 6: 0xf9, 7: 0xff, 56: 0x0f} {
		raw[i] |= or
	}
	p := &policy{}
	p.known.Store(&facts{})
	port := newBench(t, sgtest.NewTape(sgtest.Config{}).Device, Config{}).port
	want := slices.Clone(raw)
	want[0], want[1], want[3], want[5], want[6], want[7], want[56] = 0x01, 0x80, 0x02, 0x80, 0x68, 0x03, 0
	clear(want[58:74])
	for i, v := range []uint16{page.DescriptorSAM5, page.DescriptorSPC4, 0x1ec0, page.DescriptorISCSI} {
		binary.BigEndian.PutUint16(want[58+2*i:], v)
	}
	for n := range len(raw) + 1 {
		got := slices.Clone(raw[:n])
		p.editStandard(got, port)
		expect := slices.Clone(want[:n])
		if n < 74 && n > 58 {
			copy(expect[58:], raw[58:n]) // descriptors that are cut are left
		}
		if !bytes.Equal(got, expect) {
			t.Errorf("%d bytes: %x, want %x", n, got, expect)
		}
	}
	p.cfg.Allow.ThirdParty = true
	got := slices.Clone(raw)
	if p.editStandard(got, port); got[5] != 0x88 {
		t.Errorf("with third-party copies allowed: %x", got[5])
	}
}

// What an initiator asks for is what it gets, of any length.
func TestInquiryLengths(t *testing.T) {
	k := disk(sgtest.Config{})
	b := newBench(t, k.Device, Config{})
	s := b.login(1, loopback.Options{})
	whole := b.good(s, cdb.Inquiry{Allocation: 96}.Append(nil), nil, 96)
	if whole[3]&0x20 != 0 || whole[5] != 0 || whole[7] != 2 || string(whole[8:14]) != "MEMORY" {
		t.Errorf("% x", whole)
	}
	for n := range 97 {
		if got := b.good(s, cdb.Inquiry{Allocation: uint16(n)}.Append(nil), nil, n); !bytes.Equal(got, whole[:n]) {
			t.Errorf("%d bytes: % x", n, got)
		}
	}
	for _, code := range []byte{page.VPDSupported, page.VPDUnitSerial, page.VPDIdentification, page.VPDExtendedInquiry, page.VPDModePagePolicy, page.VPDBlockLimits} {
		whole := b.vpd(s, code, 4096)
		if len(whole) < 4 || len(whole) != 4+int(binary.BigEndian.Uint16(whole[2:])) || whole[1] != code {
			t.Errorf("page %02x: % x", code, whole)
		}
		for _, n := range []int{4, 5, len(whole) - 1} {
			if got := b.vpd(s, code, n); !bytes.Equal(got, whole[:n]) {
				t.Errorf("page %02x, %d bytes: % x", code, n, got)
			}
		}
	}
	for _, c := range [][]byte{{0x12, 0, 0x80, 0, 96, 0}, {0x12, 1, 0x88, 0, 96, 0}, {0x12, 1, 0x99, 0, 96, 0}} {
		b.fails(s, c, nil, 96, scsi.IllegalRequest(scsi.ASCInvalidFieldInCDB))
	}
}

// Names of the unit are the device's, bit for bit; those of ports are ours.
func TestIdentification(t *testing.T) {
	k := disk(sgtest.Config{})
	b := newBench(t, k.Device, Config{})
	s := b.login(1, loopback.Options{})
	all, err := page.ParseIdentification(b.vpd(s, page.VPDIdentification, 4096))
	if err != nil {
		t.Fatal(err)
	}
	id := k.Identity()
	var got []page.Designator
	for _, d := range all {
		if d.Association == page.OfUnit {
			got = append(got, d)
		} else if d.PortOf && d.Protocol != scsi.ProtocolISCSI {
			t.Errorf("a port of another transport: %+v", d)
		}
	}
	want := []page.Designator{page.NAADesignator(id.NAA), page.T10FieldsDesignator(id.Vendor, id.Product, id.Serial)}
	if !slices.EqualFunc(got, want, func(a, b page.Designator) bool { return bytes.Equal(a.Append(nil), b.Append(nil)) }) {
		t.Errorf("names of the unit: %v, want %v", got, want)
	}
	if len(all) < len(want)+3 { // the port's number and name, the target's name
		t.Errorf("designators: %v", all)
	}
	list := b.vpd(s, page.VPDSupported, 255)[4:]
	if want := []byte{0x00, 0x80, 0x83, 0x86, 0x87, 0xb0}; !bytes.Equal(list, want) {
		t.Errorf("pages %x, want %x", list, want)
	}
	if e := b.vpd(s, page.VPDExtendedInquiry, 255); e[5] != 0x27 || e[7] != 0x01 || e[13] != 252 {
		t.Errorf("page 86h: % x", e)
	}
}

// A device without a name has none by this way either, but a serial number makes one.
func TestNoName(t *testing.T) {
	k := disk(sgtest.Config{NoName: true})
	b := newBench(t, k.Device, Config{})
	s := b.login(1, loopback.Options{})
	all, err := page.ParseIdentification(b.vpd(s, page.VPDIdentification, 4096))
	if err != nil || len(all) == 0 || slices.ContainsFunc(all, func(d page.Designator) bool { return d.Association == page.OfUnit }) {
		t.Errorf("%v %v", all, err)
	}
}

// A device that is gone still says who it is.
func TestInquiryWhileGone(t *testing.T) {
	k := disk(sgtest.Config{})
	b := newBench(t, k.Device, Config{})
	s := b.login(1, loopback.Options{})
	standard, names := b.good(s, cdb.Inquiry{Allocation: 96}.Append(nil), nil, 96), b.vpd(s, page.VPDIdentification, 255)
	k.Unplug()
	b.fails(s, rw(scsi.OpRead10, 0, 1), nil, 512, scsi.NotReady(scsi.ASCBecomingReady))
	if got := b.good(s, cdb.Inquiry{Allocation: 96}.Append(nil), nil, 96); !bytes.Equal(got, standard) {
		t.Errorf("% x, before % x", got, standard)
	}
	if got := b.vpd(s, page.VPDIdentification, 255); !bytes.Equal(got, names) {
		t.Errorf("% x, before % x", got, names)
	}
	b.vpd(s, page.VPDSupported, 255)
	b.vpd(s, page.VPDUnitSerial, 255)
}

// Limits are those of the adapter, if they are lower than the device's.
func TestLimits(t *testing.T) {
	k := disk(sgtest.Config{Info: sg.Info{MaxTransfer: 64 << 10}})
	b := newBench(t, k.Device, Config{})
	s := b.login(1, loopback.Options{})
	limits := b.vpd(s, page.VPDBlockLimits, 64)
	if most, optimal := binary.BigEndian.Uint32(limits[8:]), binary.BigEndian.Uint32(limits[12:]); most != 128 || optimal != 128 {
		t.Errorf("most %d blocks, optimal %d", most, optimal)
	}
	b.good(s, rw(scsi.OpRead10, 0, 128), nil, 64<<10)

	tape := sgtest.NewTape(sgtest.Config{Info: sg.Info{MaxTransfer: 64 << 10}})
	b = newBench(t, tape.Device, Config{})
	s = b.login(1, loopback.Options{})
	if got := b.good(s, []byte{byte(scsi.OpReadBlockLimits), 0, 0, 0, 0, 0}, nil, 6); bigEndian(got[1:4]) != 64<<10 {
		t.Errorf("READ BLOCK LIMITS: % x", got)
	}
}
