package scsi_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/lunette-io/lunette/scsi"
)

func TestLUN(t *testing.T) {
	for _, c := range []struct {
		wire  string
		index uint32
		ok    bool
	}{
		{"0000000000000000", 0, true},
		{"00ff000000000000", 255, true},
		{"4100000000000000", 256, true},
		{"7fff000000000000", 16383, true},
		{"4005000000000000", 5, true},
		{"d200400000000000", 0x4000, true},
		{"0105000000000000", 0, false}, // another bus
		{"0001000200000000", 0, false}, // two levels
		{"8001000000000000", 0, false}, // logical unit addressing
		{"c101000000000000", 0, false}, // well-known
		{"ffffffffffffffff", 0, false},
	} {
		l, err := scsi.ParseLUN(unhex(t, c.wire))
		if err != nil {
			t.Fatal(err)
		}
		if n, ok := l.Index(); n != c.index || ok != c.ok {
			t.Errorf("%s: index %d, %v", c.wire, n, ok)
		}
		if got := l.Append(nil); !bytes.Equal(got, unhex(t, c.wire)) {
			t.Errorf("%s comes back as %x", c.wire, got)
		}
	}
	for _, n := range []uint32{0, 1, 255, 256, 16383} {
		l, err := scsi.FlatLUN(n)
		if back, ok := l.Index(); err != nil || !ok || back != n {
			t.Errorf("%d: %v, %d, %v", n, err, back, ok)
		}
	}
	if _, err := scsi.FlatLUN(16384); err == nil {
		t.Error("LUN 16384 accepted")
	}
	if _, err := scsi.ParseLUN(make([]byte, 7)); err == nil {
		t.Error("seven bytes accepted")
	}
	if got := scsi.LUN(0x4005 << 48).Canonical(); got != 5<<48 {
		t.Errorf("canonical %x", uint64(got))
	}
	if !scsi.WellKnownReportLUNs.IsWellKnown() {
		t.Error("C101 is not well-known")
	}
}

func TestIdentity(t *testing.T) {
	good := scsi.Identity{Vendor: "LUNETTE", Product: "file disk", Revision: "1", Serial: "0001", NAA: scsi.NAA6("a")}
	if err := good.Validate(); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		change func(*scsi.Identity)
		want   string
	}{
		{func(i *scsi.Identity) { i.Vendor = "NINECHARS" }, "vendor"},
		{func(i *scsi.Identity) { i.Product = "" }, "product"},
		{func(i *scsi.Identity) { i.Revision = "1\x00" }, "revision"},
		{func(i *scsi.Identity) { i.Serial = " 1" }, "serial number"},
		{func(i *scsi.Identity) { i.Serial = strings.Repeat("1", 129) }, "serial number"},
		{func(i *scsi.Identity) { i.NAA = scsi.NAA{} }, "NAA"},
		{func(i *scsi.Identity) { i.Type = 0x20 }, "type"},
	} {
		id := good
		c.change(&id)
		if err := id.Validate(); !errors.Is(err, scsi.ErrIdentity) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: %v, want %q", id, err, c.want)
		}
	}
}

func TestNAA(t *testing.T) {
	n := scsi.NAA6("disk.img")
	// A name must never change between releases: hosts keep it.
	if want := "naa.6024c4e"; !strings.HasPrefix(n.String(), want) {
		t.Errorf("%v does not start with %s", n, want)
	}
	if n != scsi.NAA6("disk.img") || n == scsi.NAA6("disk.img2") {
		t.Error("not a function of the seed")
	}
	if back, err := scsi.ParseNAA(n.String()); err != nil || back != n {
		t.Errorf("%v, %v", back, err)
	}
	for _, bad := range []string{"", "naa.6", strings.Repeat("5", 32), strings.Repeat("6", 31) + "x"} {
		if _, err := scsi.ParseNAA(bad); err == nil {
			t.Errorf("%q accepted", bad)
		}
	}
}

func TestTransportID(t *testing.T) {
	isid := [6]byte{0x00, 0x02, 0x3d, 0x01, 0x00, 0x0a}
	for _, c := range []struct {
		id   scsi.TransportID
		wire string
	}{
		{scsi.ISCSIDevice("IQN.A"), "05000014" + "69716e2e61" + "000000000000000000000000000000"},
		{scsi.ISCSIPort("iqn.abcdefgh", isid), "45000020" + "69716e2e6162636465666768" + "2c692c3078" + "303030323364303130303061" + "000000"},
		{scsi.FCPPort([8]byte{1, 2, 3, 4, 5, 6, 7, 8}), "0000000000000000" + "0102030405060708" + "0000000000000000"},
		{scsi.SRPPort([16]byte{15: 9}), "0400000000000000" + "00000000000000000000000000000009"},
		{scsi.SASPort([8]byte{5, 7: 1}), "06000000" + "0500000000000001" + "000000000000000000000000"},
	} {
		got := c.id.Append(nil)
		if want := unhex(t, c.wire); !bytes.Equal(got, want) {
			t.Errorf("%v\n got %x\nwant %x", c.id, got, want)
		}
		if c.id.Len() != len(got) {
			t.Errorf("%v: Len %d, appended %d", c.id, c.id.Len(), len(got))
		}
		back, n, err := scsi.ParseTransportID(append(got, 0xff))
		if err != nil || n != len(got) || back != c.id {
			t.Errorf("%v comes back as %v, %d, %v", c.id, back, n, err)
		}
	}
	port := scsi.ISCSIPort("IQN.X", isid)
	if port != scsi.ISCSIPort("iqn.x", isid) || !scsi.ISCSIDevice("iqn.x").Covers(port) || scsi.ISCSIDevice("iqn.y").Covers(port) {
		t.Error("comparison")
	}
	if port.Covers(scsi.ISCSIDevice("iqn.x")) {
		t.Error("a port covers its device")
	}
}

func TestParseTransportIDRefuses(t *testing.T) {
	long := append([]byte{5, 0, 0, 232}, bytes.Repeat([]byte("a"), 228)...)
	long = append(long, 0, 0, 0, 0)
	for _, c := range []struct {
		name string
		b    []byte
	}{
		{"short", make([]byte, 23)},
		{"format 2", unhex(t, "85000014"+strings.Repeat("61", 19)+"00")},
		{"no NUL", unhex(t, "05000014"+strings.Repeat("61", 20))},
		{"length not a multiple of 4", unhex(t, "05000015"+strings.Repeat("61", 20)+"00")},
		{"length below 20", unhex(t, "05000010"+strings.Repeat("61", 19)+"00")},
		{"length past the end", unhex(t, "05000018"+strings.Repeat("61", 19)+"00")},
		{"empty name", unhex(t, "05000014"+strings.Repeat("00", 20))},
		{"format 1 without ISID", unhex(t, "45000014"+strings.Repeat("61", 19)+"00")},
		{"ISID not hexadecimal", append([]byte("\x45\x00\x00\x18a,i,0x00023d00000g"), make([]byte, 6)...)},
		{"control character", unhex(t, "05000014"+strings.Repeat("01", 19)+"00")},
		{"SAS format 1", append([]byte{0x46}, make([]byte, 23)...)},
		{"unknown protocol", append([]byte{0x0c}, make([]byte, 23)...)},
		{"name over 223 bytes", long},
	} {
		if id, _, err := scsi.ParseTransportID(c.b); !errors.Is(err, scsi.ErrTransportID) {
			t.Errorf("%s: %v, %v", c.name, id, err)
		}
	}
}

func FuzzParseTransportID(f *testing.F) {
	f.Add(scsi.ISCSIPort("iqn.2026-11.io.lunette:x", [6]byte{1, 2, 3, 4, 5, 6}).Append(nil))
	f.Add(scsi.ISCSIDevice("iqn.2026-11.io.lunette:x").Append(nil))
	f.Add(scsi.SRPPort([16]byte{1}).Append(nil))
	f.Add(scsi.SASPort([8]byte{1}).Append(nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		id, n, err := scsi.ParseTransportID(b)
		if err != nil {
			return
		}
		if n > len(b) || n%4 != 0 {
			t.Fatalf("%d of %d bytes", n, len(b))
		}
		back, m, err := scsi.ParseTransportID(id.Append(nil))
		if err != nil || back != id || m != id.Len() {
			t.Fatalf("%+v becomes %+v, %d, %v", id, back, m, err)
		}
	})
}

func TestCommandNames(t *testing.T) {
	for _, c := range []struct{ got, want string }{
		{scsi.CommandName(scsi.OpRead16, 3), "READ(16)"},
		{scsi.CommandName(scsi.OpServiceActionIn16, scsi.ActionReadCapacity16), "READ CAPACITY(16)"},
		{scsi.CommandName(scsi.OpMaintenanceIn, 0x1f), "MAINTENANCE IN service action 1fh"},
		{scsi.Opcode(0xff).String(), "operation code ffh"},
		{scsi.TaskSetFull.String(), "TASK SET FULL"},
		{scsi.ProtocolISCSI.String(), "iSCSI"},
		{scsi.WriteExclusiveRegistrantsOnly.String(), "Write Exclusive - Registrants Only"},
	} {
		if c.got != c.want {
			t.Errorf("got %q, want %q", c.got, c.want)
		}
	}
}
