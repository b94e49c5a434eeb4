package main

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lunette-io/lunette/daemon"
	"github.com/lunette-io/lunette/store/file"
	"github.com/lunette-io/lunette/test/vm/iso"
)

// hybrid is the image of a disc, which has a partition table as well.
func hybrid() []byte {
	b := iso.Disc{Label: "BOTH"}.Image()
	copy(b[446:], []byte{0x80, 0, 2, 0, 0x17, 0, 0x3f, 0xff, 0, 0, 0, 0, byte(len(b) / 512), byte(len(b) / 512 >> 8), 0, 0})
	b[510], b[511] = 0x55, 0xaa
	return b
}

// What a file is is found out by what is in it, and in doubt by its name, unless a flag insists.
func TestServeDiscs(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	for name, data := range map[string][]byte{
		"disc.iso": iso.Disc{Label: "DISC"}.Image(), "disc.img": iso.Disc{Label: "DISC"}.Image(),
		"both.iso": hybrid(), "both.img": hybrid(), "disk.img": make([]byte, 1<<20), "empty.iso": make([]byte, 1<<20), "UPPER.ISO": hybrid(),
	} {
		if err := os.WriteFile(name, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct{ file, device, want, note string }{
		{"disc.iso", "auto", "optical", ""},
		{"disc.img", "auto", "optical", ""},
		{"both.iso", "auto", "optical", ""},
		{"UPPER.ISO", "auto", "optical", ""},
		{"both.img", "auto", "", "--device optical makes a disc of it"},
		{"both.img", "optical", "optical", ""},
		{"disc.iso", "disk", "", ""},
		{"disk.img", "auto", "", ""},
		{"disk.img", "optical", "optical", ""},
		{"empty.iso", "auto", "", "has no file system of discs"},
	} {
		s := &serveCmd{File: unitArgs{{flag: "file", value: c.file}}, Device: c.device, Format: "auto", Engine: "auto", BusyPoll: "auto"}
		d, err := s.document(daemon.Builtin().Schema(), daemon.Builtin().Stores)
		if err != nil {
			t.Errorf("%+v: %v", c, err)
			continue
		}
		u := d.Units[0]
		kind := u.Device.Kind
		if kind == "disk" { // what is meant without a name
			kind = ""
		}
		if kind != c.want {
			t.Errorf("%+v: it is %q", c, u.Device.Kind)
		}
		if c.want == "optical" && (u.Device.Values.String("disc") != filepath.Join(dir, c.file) || u.Store.Kind != "") {
			t.Errorf("%+v: %+v", c, u)
		}
		var notes []string
		for _, n := range d.Notes {
			notes = append(notes, n.Error())
		}
		if text := strings.Join(notes, "; "); (text == "") != (c.note == "") || !strings.Contains(text, c.note) || c.note != "" && !strings.Contains(text, c.file) {
			t.Errorf("%+v: %s", c, text)
		}
	}
}

// A disk to which an initiator has written the file system of a disc is a disk when it is served again.
func TestServeDiskWithADiscOnIt(t *testing.T) {
	t.Chdir(t.TempDir())
	if err := os.WriteFile("db.img", iso.Disc{}.Image(), 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := file.Open(file.Config{Path: "db.img", IO: "threads"})
	if err != nil {
		t.Fatal(err)
	}
	_, err = s.Identify()
	if err := errors.Join(err, s.Close()); err != nil {
		t.Fatal(err)
	}
	c := serveCmd{File: unitArgs{{flag: "file", value: "db.img"}}, Device: "auto", Format: "auto", Engine: "auto", BusyPoll: "auto"}
	d, err := c.document(daemon.Builtin().Schema(), daemon.Builtin().Stores)
	if err != nil {
		t.Fatal(err)
	}
	if u := d.Units[0]; u.Device.Kind == "optical" || len(d.Notes) != 1 || !strings.Contains(d.Notes[0].Error(), "--device optical") {
		t.Errorf("%+v %v", u, d.Notes)
	}
}

// Devices, discs and disks are mixed, in the order of the command line; flags that are about none of them are wrong.
func TestServeMixed(t *testing.T) {
	t.Chdir(t.TempDir())
	if err := os.WriteFile("disc.iso", iso.Disc{}.Image(), 0o600); err != nil {
		t.Fatal(err)
	}
	mixed := func(c serveCmd) (string, error) {
		c.Device, c.Format, c.Engine, c.BusyPoll = "auto", "auto", "auto", "auto"
		d, err := c.document(daemon.Builtin().Schema(), daemon.Builtin().Stores)
		if err != nil {
			return "", err
		}
		var all []string
		for _, u := range d.Units {
			all = append(all, u.Name)
		}
		return strings.Join(all, " "), nil
	}
	file := unitArgs{{"file", "disc.iso", 9}}
	device := unitArgs{{"passthrough", "naa.5000e1", 8}, {"passthrough", "/dev/bsg/0:0:0:0", 6}}
	if names, err := mixed(serveCmd{File: file, Passthrough: device, Memory: unitArgs{{"memory", "1M", 7}}, BlockSize: "4096"}); err != nil || names != "disc naa-5000e1 memory 0-0-0-0" {
		t.Error(names, err)
	}
	for want, c := range map[string]serveCmd{
		"--block-size is about disks": {File: file, BlockSize: "4096"},
		"--size is about disks":       {File: file, Size: "1G"},
		"--direct is about disks":     {File: file, Direct: true},
		"--serial is about disks":     {Passthrough: device[:1], Serial: "1"},
		"--read-only is about disks":  {Passthrough: device[:1], ReadOnly: true},
		"--serial is that of one":     {Passthrough: device, Serial: "1"},
	} {
		if _, err := mixed(c); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
	if names, err := mixed(serveCmd{File: file, Serial: "1", Settings: "own"}); err != nil || names != "disc" {
		t.Error(names, err)
	}
}
