package attached

import (
	"encoding/hex"
	"errors"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/scsi/page"
)

// TestList: what sysfs has of each, in the order of their addresses as numbers.
func TestList(t *testing.T) {
	f := lab(t)
	all, err := f.host().List()
	if err != nil {
		t.Fatal(err)
	}
	var addresses []string
	for _, u := range all {
		addresses = append(addresses, u.Address)
	}
	if want := []string{"2:0:1:0", "2:0:1:1", "3:0:0:0", "4:0:0:0", "4:0:1:0", "10:0:0:0"}; !slices.Equal(addresses, want) {
		t.Fatalf("%v, not %v", addresses, want)
	}
	page := int64(os.Getpagesize())
	tape, changer, cd, disk := all[0], all[1], all[2], all[5]
	if tape.Type != scsi.TypeTape || tape.Vendor != "HP" || tape.Product != "Ultrium 5-SCSI" || tape.Revision != "1.0" || tape.Serial != "HU123" || tape.Driver != "st" ||
		tape.Name != scsi.NAA6("HU123").String() || tape.Depth != 32 || tape.MaxTransfer != 8<<20 {
		t.Errorf("%+v", tape)
	}
	if want := (Nodes{f.root + "/dev/bsg/2:0:1:0", f.root + "/dev/sg2", f.root + "/dev/nst0"}); tape.Nodes != want {
		t.Errorf("%+v, not %+v", tape.Nodes, want)
	}
	if changer.Name != "t10.HP      MSL G3          CH1" || changer.Nodes.Upper != f.root+"/dev/sch0" {
		t.Errorf("%+v", changer)
	}
	if cd.Serial != "" || cd.Name != "" || cd.Nodes.Upper != f.root+"/dev/sr0" {
		t.Errorf("%+v", cd)
	}
	if disk.Nodes.Upper != f.root+"/dev/sda" || disk.MaxTransfer != 126*page || len(disk.Page83) == 0 {
		t.Errorf("%+v", disk)
	}
	if s := tape.String(); !strings.Contains(s, "tape HP Ultrium 5-SCSI, serial number HU123, naa.6") {
		t.Error(s)
	}
}

// TestNone: a kernel without SCSI, and a host without sysfs.
func TestNone(t *testing.T) {
	f := newFake(t)
	if all, err := f.host().List(); err != nil || len(all) != 0 {
		t.Errorf("%v, %v", all, err)
	}
	if _, err := f.host().Find("X"); !errors.Is(err, ErrNotFound) || !strings.Contains(err.Error(), "no SCSI device at all") {
		t.Error(err)
	}
	if _, err := (Host{Root: t.TempDir()}).List(); err == nil || !strings.Contains(err.Error(), "sysfs is not mounted") {
		t.Error(err)
	}
}

// TestFind: by each name that a device has, and what is said of names that none has.
func TestFind(t *testing.T) {
	h := lab(t).host()
	hexName := strings.TrimPrefix(scsi.NAA6("D1").String(), "naa.")
	for id, address := range map[string]string{
		"HU123": "2:0:1:0", "2:0:1:1": "2:0:1:1", "naa." + hexName: "10:0:0:0", "NAA." + strings.ToUpper(hexName): "10:0:0:0", "wwn-0x" + hexName: "10:0:0:0",
		"t10.HP MSL_G3 CH1": "2:0:1:1", "t10.ACME    THING           D1": "10:0:0:0",
		"/dev/nst0": "2:0:1:0", "/dev/st0": "2:0:1:0", "/dev/nst0a": "2:0:1:0", "/dev/tape/by-id/scsi-HU123-nst": "2:0:1:0",
		"/dev/sg1": "10:0:0:0", "/dev/renamed": "10:0:0:0", "/dev/bsg/3:0:0:0": "3:0:0:0", "/dev/sr0": "3:0:0:0", "/dev/sdc": "4:0:1:0", "/dev/sch0": "2:0:1:1",
	} {
		if u, err := h.Find(id); err != nil || u.Address != address {
			t.Errorf("%q: %v, %v", id, u.Address, err)
		}
	}
	for _, c := range []struct {
		id   string
		is   error
		says string
	}{
		{"0001", ErrAmbiguous, "4:0:0:0"},
		{"nobody", ErrNotFound, "attached are: tape HP"},
		{"", ErrNotFound, "attached are"},
		{"naa.6000", ErrNotFound, `name "naa.6000"`},
		{"7:0:0:0", ErrNotFound, `address "7:0:0:0"`},
		{"/dev/sda1", ErrNotFound, "is a partition"},
		{"/dev/vda", ErrNotFound, "not a SCSI one"},
		{"/dev/null", ErrNotFound, "is not a SCSI device"},
		{"/proc/self", ErrNotFound, "is not a device file"},
		{"/dev/nst7", ErrNotFound, "modprobe st"},
		{"/dev/sg77", ErrNotFound, "modprobe sg"},
		{"/dev/nothing", ErrNotFound, "there is no /dev/nothing;"},
	} {
		if _, err := h.Find(c.id); !errors.Is(err, c.is) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%q: %v", c.id, err)
		}
	}
}

// TestFiles: device files of /dev that are not there, or are another's.
func TestFiles(t *testing.T) {
	f := newFake(t)
	f.add(thing{address: "1:0:0:0", kind: scsi.TypeTape, vendor: "A", model: "B", serial: "S", bare: true})
	f.file("/dev/sg1", "")
	f.numbers[f.root+"/dev/sg1"] = number{false, 101, 99}
	u, err := f.host().Find("S")
	if err != nil || u.Nodes != (Nodes{}) || !strings.Contains(u.Missing(), "modprobe sg") {
		t.Errorf("%+v, %v", u, err)
	}
	f.file("/dev/mine", "")
	f.numbers[f.root+"/dev/mine"] = number{false, 100, 16} // that of bsg
	if u, err = f.host().Find("/dev/mine"); err != nil || u.Nodes.BSG != f.root+"/dev/mine" || u.Missing() != "" {
		t.Errorf("%+v, %v", u, err)
	}
	if notes := u.Notes(); len(notes) != 1 || !strings.Contains(notes[0], "modprobe st") {
		t.Errorf("%q", notes)
	}
}

// TestTransfer: how many bytes a command moves, of a device without a block device.
func TestTransfer(t *testing.T) {
	f := lab(t)
	for _, c := range []struct {
		soft   int64
		memory string
		want   int64
	}{
		{0, "always [madvise] never\n", 8 << 20}, {120 << 10, "always [madvise] never\n", 120 << 10}, {1280 << 10, "[always] madvise never\n", 8 << 20},
		{0, "always madvise [never]\n", 128 * int64(os.Getpagesize())},
	} {
		f.limits["sg2"] = c.soft
		f.file("/sys/kernel/mm/transparent_hugepage/enabled", c.memory)
		if u, err := f.host().Find("HU123"); err != nil || u.MaxTransfer != c.want {
			t.Errorf("%+v: %d bytes, %v", c, u.MaxTransfer, err)
		}
	}
}

// TestSame: a device is found again wherever it is, and another in its place is not it.
func TestSame(t *testing.T) {
	f := lab(t)
	h := f.host()
	find := func(id string) Unit {
		t.Helper()
		u, err := h.Find(id)
		if err != nil {
			t.Fatal(err)
		}
		return u
	}
	tape, cd, b, c := find("HU123"), find("3:0:0:0"), find("4:0:0:0"), find("4:0:1:0")
	f.remove("2:0:1:0")
	f.add(thing{address: "2:0:1:0", kind: scsi.TypeTape, vendor: "HP", model: "Ultrium 5-SCSI", serial: "OTHER", page83: naa(1, "OTHER")})
	if _, err := h.Same(tape); !errors.Is(err, ErrNotFound) {
		t.Error(err)
	}
	f.add(thing{address: "11:0:0:0", kind: scsi.TypeTape, vendor: "HP", model: "Ultrium 5-SCSI", serial: "HU123", page83: naa(1, "HU123")})
	if u, err := h.Same(tape); err != nil || u.Address != "11:0:0:0" {
		t.Errorf("%v, %v", u, err)
	}
	// A second path to it.
	f.add(thing{address: "12:0:0:0", kind: scsi.TypeTape, vendor: "HP", model: "Ultrium 5-SCSI", serial: "HU123", page83: naa(1, "HU123")})
	if u, err := h.Same(tape); err != nil || u.Address != "11:0:0:0" {
		t.Errorf("%v, %v", u, err)
	}
	if u, err := h.Find("HU123"); err != nil || u.Address != "11:0:0:0" {
		t.Errorf("%v, %v", u, err)
	}
	// Two of one serial number are told apart while they stay where they are.
	for _, u := range []Unit{b, c} {
		if got, err := h.Same(u); err != nil || got.Address != u.Address {
			t.Errorf("%v, %v", got, err)
		}
	}
	f.remove("4:0:0:0")
	f.add(thing{address: "5:0:0:0", kind: scsi.TypeDisk, vendor: "USB", model: "STICK", serial: "0001"})
	if u, err := h.Same(b); !errors.Is(err, ErrAmbiguous) {
		t.Errorf("%v, %v", u, err)
	}
	// One with no name is known by its place, and by what it calls itself.
	if u, err := h.Same(cd); err != nil || u.Address != "3:0:0:0" {
		t.Errorf("%v, %v", u, err)
	}
	f.remove("3:0:0:0")
	f.add(thing{address: "3:0:0:0", kind: scsi.TypeOptical, vendor: "OTHER", model: "CD-ROM"})
	if u, err := h.Same(cd); !errors.Is(err, ErrNotFound) {
		t.Errorf("%v, %v", u, err)
	}
}

// TestNames: the best first, ports' and locally assigned ones left out, malformed pages whole.
func TestNames(t *testing.T) {
	p := page.PeripheralOf(0)
	unit := func(kind page.DesignatorType, hexData string) page.Designator {
		data, err := hex.DecodeString(hexData)
		if err != nil {
			t.Fatal(err)
		}
		return page.Designator{CodeSet: page.CodeBinary, Type: kind, Data: data}
	}
	port := unit(page.DesignatorNAA, "5000000000000001")
	port.Association = page.OfPort
	b := page.AppendIdentification(nil, p, page.T10Designator("ACME", "X 1"), unit(page.DesignatorEUI64, "0011223344556677"), port,
		unit(page.DesignatorNAA, "3000000000000001"), unit(page.DesignatorNAA, "5000000000000002"), unit(page.DesignatorNAA, "60000000000000000000000000000003"),
		unit(page.DesignatorNAA, "50"), unit(page.DesignatorNAA, ""))
	want := []string{"naa.60000000000000000000000000000003", "naa.5000000000000002", "eui.0011223344556677", "t10.ACME    X 1"}
	if got := Names(b); !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
	for n := range b {
		if got := Names(b[:n]); len(got) != 0 {
			t.Errorf("%d bytes: %q", n, got)
		}
	}
}

// TestAddresses: as the kernel writes them, and nothing else.
func TestAddresses(t *testing.T) {
	for s, ok := range map[string]bool{
		"0:0:0:0": true, "10:0:4294967295:18446744073709551615": true, "0:0:0": false, "0:0:0:0:0": false, "+1:0:0:0": false, "a:0:0:0": false,
		"0:0:0:": false, "4294967296:0:0:0": false, " 0:0:0:0": false, "-1:0:0:0": false,
	} {
		if _, got := parseAddress(s); got != ok {
			t.Errorf("%q: %v", s, got)
		}
	}
}
