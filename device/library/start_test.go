package library_test

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/lunette-io/lunette/device/changer"
	"github.com/lunette-io/lunette/device/library"
	"github.com/lunette-io/lunette/device/personality"
	"github.com/lunette-io/lunette/scsi"
)

// A start makes the state fit what there is.
func TestShapes(t *testing.T) {
	b, ctx := newBench(t, 2, 1, 4), t.Context()
	b.make(4)
	b.ok(b.Move(ctx, 1000, 101))
	b.ok(b.Move(ctx, 1001, 10))
	b.shut()
	b.cfg.Slots, b.cfg.Mail = 3, 0 // mail slot 1, slot 4 and drive 1 are gone; slots 1 and 2 are free
	b.setDrives(1)
	b.cfg.Addresses = personality.Addresses{Transport: 0, Storage: 10, Mail: 1, Drive: 100}
	b.open()
	w := b.where()
	if w["LUN003L8"].Where != slot(3) || w["LUN004L8"].Where != slot(1) || w["LUN002L8"].Where != slot(2) || w["LUN001L8"].Where != library.Shelf {
		t.Errorf("%+v", w)
	}
	if p := b.Problems(); len(p) != 3 || !strings.Contains(p[2], "shelf") {
		t.Error(p)
	}
	if b.at(10).Barcode != "LUN004L8" || b.at(0).Type != changer.Transport {
		t.Errorf("%+v", b.Elements())
	}
	b.again()
	if len(b.Problems()) != 0 {
		t.Error(b.Problems())
	}
	if s, err := library.ShapeOf(b.store, "test"); err != nil || s != (library.Shape{Slots: 3, Drives: 1}) {
		t.Error(s, err)
	}
	for text, change := range map[string]func(*library.Config){
		"overlap":            func(c *library.Config) { c.Addresses.Drive = 12 },
		"end above 65535":    func(c *library.Config) { c.Addresses.Storage = 65534 },
		"at the most":        func(c *library.Config) { c.Model.MaxSlots = 2 },
		"names":              func(c *library.Config) { c.DriveNames = nil },
		"cannot be the name": func(c *library.Config) { c.Name = "../x" },
		"in use":             func(c *library.Config) {},
	} {
		cfg := b.cfg
		change(&cfg)
		_, err := library.Open(ctx, cfg)
		b.says(err, text)
	}
}

// What is not there is reported, and shows empty; what is there again is where it was.
func TestMissing(t *testing.T) {
	b, ctx := newBench(t, 1, 0, 3), t.Context()
	b.make(3)
	b.ok(b.Move(ctx, 1000, 100))
	b.shut()
	dir := filepath.Join(b.store, "cartridges")
	for _, c := range []string{"LUN001L8", "LUN002L8", "LUN003L8"} {
		b.ok(os.Rename(filepath.Join(dir, c), filepath.Join(b.store, c)))
	}
	b.open()
	if p := b.Problems(); len(p) != 3 || b.at(100).Full || b.at(1001).Full || b.drives[0].Status().Loaded {
		t.Errorf("%v %+v", p, b.Elements())
	}
	b.sense(b.Move(ctx, 1001, 1000), scsi.ASCMediumSourceEmpty)
	b.ok(os.Rename(filepath.Join(b.store, "LUN002L8"), filepath.Join(dir, "LUN002L8")))
	b.says(b.Import(ctx, "LUN002L8", slot(1)), "in slot 2")
	b.ok(b.Rescan(ctx))
	if !b.at(1001).Full {
		t.Error("it is there again, and is not shown")
	}
	b.ok(b.Move(ctx, 1001, 1002)) // where LUN003L8 was
	b.ok(os.Rename(filepath.Join(b.store, "LUN003L8"), filepath.Join(dir, "LUN003L8")))
	b.ok(os.Rename(filepath.Join(b.store, "LUN001L8"), filepath.Join(dir, "LUN001L8")))
	b.again()
	w := b.where()
	if w["LUN001L8"].Where != inDrive(0) || w["LUN002L8"].Where != slot(3) || w["LUN003L8"].Where != library.Shelf || !b.drives[0].Status().Loaded {
		t.Errorf("%+v", w)
	}
	b.shut()
	b.media.fails["LUN001L8"] = errors.New("torn") // what cannot be loaded goes back to its slot
	b.open()
	if w := b.where(); w["LUN001L8"].Where != slot(1) || b.at(100).Full || len(b.Problems()) != 1 {
		t.Errorf("%+v %v", w, b.Problems())
	}
	b.shut()
	b.ok(os.RemoveAll(dir))
	b.ok(os.WriteFile(dir, nil, 0o600))
	if _, err := library.Open(ctx, b.cfg); err == nil {
		t.Error("a store without cartridges is opened")
	}
}

// Libraries share a store, and no cartridge is in two.
func TestSharedStore(t *testing.T) {
	b, ctx := newBench(t, 1, 1, 3), t.Context()
	b.make(2)
	o := &bench{TB: t, store: b.store, media: b.media, cfg: b.cfg}
	o.cfg.Name = "other"
	o.setDrives(1)
	o.open()
	defer o.shut()
	o.says(o.Import(ctx, "LUN001L8", slot(1)), "in library test")
	o.says(o.Delete(ctx, "LUN001L8"), "in library test")
	o.says(o.Label(ctx, "LUN001L8", "X"), "in library test")
	o.says(o.Protect(ctx, "LUN001L8", true), "in library test")
	if c := o.where()["LUN001L8"]; c.Where != library.Shelf || c.Library != "test" {
		t.Errorf("%+v", c)
	}
	b.ok(b.Export(ctx, "LUN001L8"))
	o.ok(o.Import(ctx, "LUN001L8", slot(1)))
	b.says(b.Import(ctx, "LUN001L8", slot(1)), "in library other")
	o.ok(o.Label(ctx, "LUN001L8", "OTH001L8"))
	b.says(b.Label(ctx, "LUN002L8", "OTH001L8"), "the store has a cartridge OTH001L8")
	if names, err := library.Names(b.store); err != nil || !slices.Equal(names, []string{"other", "test"}) {
		t.Error(names, err)
	}
	b.says(library.Forget(ctx, b.store, "other"), "in use")
	o.ok(o.Close())
	b.ok(library.Forget(ctx, b.store, "other"))
	b.ok(b.Import(ctx, "OTH001L8", slot(1)))
	// A state that comes from a backup has what is another's now.
	old, err := os.ReadFile(filepath.Join(b.store, "libraries", "test.state"))
	b.ok(err)
	b.ok(b.Export(ctx, "OTH001L8"))
	o.open()
	o.ok(o.Import(ctx, "OTH001L8", slot(2)))
	b.shut()
	b.ok(os.WriteFile(filepath.Join(b.store, "libraries", "test.state"), old, 0o600))
	b.open()
	if p := b.Problems(); len(p) != 1 || !strings.Contains(p[0], "library other") || b.where()["OTH001L8"].Library != "other" || b.at(1000).Full {
		t.Errorf("%v %+v", p, b.where())
	}
}
