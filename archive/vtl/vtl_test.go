package vtl

import (
	"context"
	"encoding/binary"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/lunette-io/lunette/archive"
	"github.com/lunette-io/lunette/archive/mhvtl"
	"github.com/lunette-io/lunette/device/library/panel"
)

func wanted(t *testing.T) Wanted {
	return Wanted{Name: "backup", Store: filepath.Join(t.TempDir(), "store"), Library: "ibm-ts3500", Drives: []string{"2xlto8"}, Slots: 5, Mail: 2}
}

// made makes a library with cartridges, and opens it.
func made(t *testing.T, texts ...string) *Panel {
	t.Helper()
	p, err := NewBlueprint(wanted(t))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.Make(t.Context(), Stock{Texts: texts, Prefix: "LUN", Size: 40 << 20}); err != nil {
		t.Fatal(err)
	}
	panel, err := Open(t.Context(), p.Store, p.Name)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := panel.Close(); err != nil {
			t.Error(err)
		}
	})
	return panel
}

// places are where cartridges are.
func places(t *testing.T, p *Panel) map[string]string {
	t.Helper()
	var v panel.Inventory
	if err := p.Act(t.Context(), "ls", Args{}, &v); err != nil {
		t.Fatal(err)
	}
	all := map[string]string{}
	for _, e := range v.Elements {
		if e.Cartridge != nil {
			all[e.Cartridge.Barcode] = e.Place
		}
	}
	for _, c := range v.Shelf {
		all[c.Barcode] = c.Place
	}
	return all
}

func TestBlueprint(t *testing.T) {
	for name, x := range map[string]struct {
		change func(*Wanted)
		says   string
	}{
		"right":            {func(*Wanted) {}, ""},
		"several kinds":    {func(w *Wanted) { w.Drives = []string{"lto8", "2xhpe-lto7"} }, ""},
		"no library":       {func(w *Wanted) { w.Library = "ibm-ts350" }, "Did you mean"},
		"no drive":         {func(w *Wanted) { w.Drives = []string{"4xlto88"} }, "lto8"},
		"no drives":        {func(w *Wanted) { w.Drives = nil }, "at least one drive"},
		"drives of nobody": {func(w *Wanted) { w.Drives = []string{"4x"} }, "does not say of what"},
		"too many drives":  {func(w *Wanted) { w.Drives = []string{"9999999xlto8"} }, "1 to"},
		"no slots":         {func(w *Wanted) { w.Slots = 0 }, "at least one slot"},
		"slots below 0":    {func(w *Wanted) { w.Slots = -1 }, "at least one slot"},
		"too many slots":   {func(w *Wanted) { w.Slots = 70000 }, "too many"},
	} {
		w := wanted(t)
		x.change(&w)
		p, err := NewBlueprint(w)
		if (err == nil) != (x.says == "") || err != nil && !strings.Contains(err.Error(), x.says) {
			t.Errorf("%s: %v", name, err)
		}
		if name == "several kinds" && !slices.Equal(p.DriveNames(), []string{"ibm-lto8", "2xhpe-lto7"}) {
			t.Errorf("%v", p.DriveNames())
		}
	}
}

func TestStock(t *testing.T) {
	builtin, err := set("")
	if err != nil {
		t.Fatal(err)
	}
	for text, says := range map[string]string{
		"30:L8": "", "L8": "", "2:L8:worm": "", "1:L8:cleaning": "", "3:LY": "",
		"0:L8": "1 to", "5:": "does not say of what", "": "does not say of what", "5:L99": "L99", "5:L8:what": "is none of", "5:L1:worm": "no WORM", "9999999:L8": "1 to",
	} {
		_, err := Stock{Texts: []string{text}, Prefix: "LUN"}.specs(builtin)
		if (err == nil) != (says == "") || err != nil && !strings.Contains(err.Error(), says) {
			t.Errorf("%q: %v", text, err)
		}
	}
	if _, err := (Stock{Texts: []string{"1:L8"}}).Lots(); err == nil || !strings.Contains(err.Error(), "--barcode-prefix") {
		t.Errorf("%v", err)
	}
}

// What a library has can be carried, and is where it was when it is opened again.
func TestPanel(t *testing.T) {
	p := made(t, "3:L8", "1:L8:cleaning")
	if got, want := places(t, p), map[string]string{"LUN001L8": "slot1", "LUN002L8": "slot2", "LUN003L8": "slot3", "CLN001L8": "slot4"}; !reflect.DeepEqual(got, want) {
		t.Fatalf("%v", got)
	}
	drive := 1
	for _, x := range []struct {
		action string
		a      Args
		want   []panel.At
	}{
		{"load", Args{Barcode: "LUN001L8"}, []panel.At{{Barcode: "LUN001L8", Place: "drive0"}}},
		{"load", Args{Barcode: "LUN002L8", Drive: &drive}, []panel.At{{Barcode: "LUN002L8", Place: "drive1"}}},
		{"unload", Args{Drive: &drive}, []panel.At{{Barcode: "LUN002L8", Place: "slot2"}}},
		{"eject", Args{Barcode: "LUN001L8", Force: true}, []panel.At{{Barcode: "LUN001L8", Place: "slot1"}}},
		{"move", Args{Barcode: "LUN001L8", To: "mail2"}, []panel.At{{Barcode: "LUN001L8", Place: "mail2"}}},
		{"move", Args{Barcode: "LUN002L8", To: "slot5"}, []panel.At{{Barcode: "LUN002L8", Place: "slot5"}}},
		{"export", Args{Barcodes: []string{"LUN001L8", "LUN002L8"}}, []panel.At{{Barcode: "LUN001L8", Place: "shelf"}, {Barcode: "LUN002L8", Place: "shelf"}}},
		{"import", Args{Barcodes: []string{"LUN002L8", "LUN001L8"}, To: "slot"}, []panel.At{{Barcode: "LUN001L8", Place: "slot2"}, {Barcode: "LUN002L8", Place: "slot1"}}},
	} {
		var r panel.Moved
		if err := p.Act(t.Context(), x.action, x.a, &r); err != nil || !reflect.DeepEqual(r.Moved, x.want) {
			t.Errorf("%s: %v, %v", x.action, r.Moved, err)
		}
	}
	var c panel.Changed
	if err := p.Act(t.Context(), "label", Args{Barcode: "LUN001L8", Becomes: "OLD001L8"}, &c); err != nil || c.Changed[0] != "OLD001L8" {
		t.Errorf("%v, %v", c, err)
	}
	if got := places(t, p); got["OLD001L8"] != "slot2" || got["LUN001L8"] != "" {
		t.Errorf("%v", got)
	}
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
	again, err := Open(t.Context(), p.panel.Store, p.panel.Name)
	if err != nil {
		t.Fatal(err)
	}
	*p = *again
	if got := places(t, p); got["OLD001L8"] != "slot2" || got["LUN002L8"] != "slot1" {
		t.Errorf("%v", got)
	}
}

// What cannot be done is told, and what was done before it.
func TestPanelErrors(t *testing.T) {
	p := made(t, "2:L8")
	drive := 0
	for _, x := range []struct {
		action string
		a      Args
		says   string
	}{
		{"load", Args{Barcode: "NIX"}, "NIX"},
		{"unload", Args{Drive: &drive}, "the drive 0 is empty"},
		{"unload", Args{Barcode: "LUN001L8"}, "is in no drive"},
		{"move", Args{Barcode: "LUN001L8", To: "moon"}, "no place"},
		{"import", Args{Barcodes: []string{"LUN001L8"}, To: "drive0"}, "not to drive0"},
		{"import", Args{Barcodes: []string{"A", "B"}, To: "slot1"}, "do not fit"},
		{"export", Args{Barcodes: []string{"LUN001L8", "NIX"}}, "done before it: 1 of them, to LUN001L8"},
		{"inspect", Args{Barcode: "NIX"}, "there is no cartridge"},
		{"verify", Args{Barcodes: []string{"NIX"}}, "there is no cartridge"},
		{"compact", Args{Barcodes: []string{"NIX"}}, "there is no cartridge"},
		{"dance", Args{}, "no action"},
	} {
		if err := p.Act(t.Context(), x.action, x.a, new(any)); err == nil || !strings.Contains(err.Error(), x.says) {
			t.Errorf("%s: %v", x.action, err)
		}
	}
	// Nobody else has it meanwhile.
	if _, err := Open(t.Context(), p.panel.Store, p.panel.Name); err == nil || !strings.Contains(err.Error(), "leave --store out") {
		t.Errorf("%v", err)
	}
	if _, err := Open(t.Context(), p.panel.Store, "other"); err == nil || !strings.Contains(err.Error(), "there is backup") {
		t.Errorf("%v", err)
	}
	if _, err := Open(t.Context(), t.TempDir(), "other"); err == nil || !strings.Contains(err.Error(), "vtl create") {
		t.Errorf("%v", err)
	}
	blueprint, err := NewBlueprint(Wanted{Name: p.panel.Name, Store: p.panel.Store, Library: "ibm-ts3500", Drives: []string{"lto8"}, Slots: 1})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := blueprint.Make(t.Context(), Stock{}); err == nil || !strings.Contains(err.Error(), "already") {
		t.Errorf("%v", err)
	}
}

// theirs makes the media of a cartridge of mhvtl: a block of each length, and a filemark.
func theirs(t *testing.T, dir string, lengths ...int) {
	t.Helper()
	var index, data []byte
	for n, length := range lengths {
		b := make([]byte, 512)
		le := binary.LittleEndian
		le.PutUint64(b, uint64(len(data)))
		kind := uint32(11)
		if length == 0 {
			kind = 3
		}
		for i, v := range []uint32{kind, 0, uint32(n), uint32(length), uint32(length)} {
			le.PutUint32(b[8+4*i:], v)
		}
		index = append(index, b...)
		data = append(data, make([]byte, length)...)
	}
	put(t, filepath.Join(dir, "indx"), index)
	put(t, filepath.Join(dir, "data"), data)
}

func put(t *testing.T, path string, text []byte) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
}

// A library of mhvtl comes with its drives, its slots and what is on its media.
func TestImport(t *testing.T) {
	dir := t.TempDir()
	theirs(t, filepath.Join(dir, "media", "E01001L8"), 10, 20, 0)
	theirs(t, filepath.Join(dir, "media", "10", "CLN001L8"))
	theirs(t, filepath.Join(dir, "media", "MAP001L8"), 0)
	from := mhvtl.Library{
		ID: 10, Vendor: "STK", Product: "L700",
		Drives: []mhvtl.Drive{{ID: 11, Slot: 1, Vendor: "IBM", Product: "ULT3580-TD8"}, {ID: 12, Slot: 3, Vendor: "HP", Product: "Ultrium 6-SCSI"}},
		Slots:  []mhvtl.Element{{Number: 1, Barcode: "E01001L8"}, {Number: 3, Barcode: "GONE01L8"}, {Number: 4, Barcode: "CLN001L8"}, {Number: 7}},
		Mail:   []mhvtl.Element{{Number: 1}, {Number: 2, Barcode: "MAP001L8"}},
	}
	i := Import{From: from, Media: filepath.Join(dir, "media"), To: Wanted{Name: "old", Store: filepath.Join(dir, "store")}}
	p, notes, err := i.Blueprint()
	if err != nil {
		t.Fatal(err)
	}
	if p.Model.Vendor != "STK" || len(p.Models) != 2 || p.Slots != 7 || p.Mail != 2 || len(notes) != 1 {
		t.Errorf("%+v, %v", p.Wanted, notes)
	}
	carried := map[string]Carried{}
	tell := func(c Carried) { carried[c.Barcode] = c }
	if err := i.Run(t.Context(), p, tell); err != nil {
		t.Fatal(err)
	}
	if c := carried["E01001L8"]; c.Problem != "" || c.Blocks != 2 || c.Bytes != 30 || c.Place != "slot1" {
		t.Errorf("%+v", c)
	}
	if c := carried["GONE01L8"]; !strings.Contains(c.Problem, "it has no media below") {
		t.Errorf("%+v", c)
	}
	panel, err := Open(context.Background(), p.Store, "old")
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{"E01001L8": "slot1", "CLN001L8": "slot4", "MAP001L8": "mail2"}
	if got := places(t, panel); !reflect.DeepEqual(got, want) {
		t.Errorf("%v", got)
	}
	if err := panel.Close(); err != nil {
		t.Error(err)
	}
	c, err := archive.OpenCartridge(filepath.Join(p.Store, "cartridges", "E01001L8"))
	if err != nil {
		t.Fatal(err)
	}
	s, err := archive.ScanTape(t.Context(), c)
	if err != nil || s.About.Format != "L8" || s.Partitions[0].Objects != 3 || s.Partitions[0].Bytes != 30 {
		t.Errorf("%+v, %v", s, err)
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	// Again, what is there stays.
	if err := i.Run(t.Context(), p, tell); err != nil || !carried["E01001L8"].There || carried["E01001L8"].Problem != "" {
		t.Errorf("%+v, %v", carried, err)
	}
}

// What no personality calls itself is asked for.
func TestImportOfStrangers(t *testing.T) {
	i := Import{From: mhvtl.Library{ID: 30, Vendor: "ACME", Product: "BOX", Slots: []mhvtl.Element{{Number: 1}}}, To: Wanted{Name: "old", Store: t.TempDir()}}
	if _, _, err := i.Blueprint(); err == nil || !strings.Contains(err.Error(), "--library") {
		t.Errorf("%v", err)
	}
	i.To.Library = "stk-l700"
	i.From.Drives = []mhvtl.Drive{{ID: 31, Slot: 1, Vendor: "ACME", Product: "DRIVE"}}
	if _, _, err := i.Blueprint(); err == nil || !strings.Contains(err.Error(), "--drives") {
		t.Errorf("%v", err)
	}
	i.To.Drives = []string{"ibm-lto8"}
	if p, _, err := i.Blueprint(); err != nil || len(p.Models) != 1 {
		t.Errorf("%v", err)
	}
}
