package library_test

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/lunette-io/lunette/device/changer"
	"github.com/lunette-io/lunette/device/library"
)

// memory is a directory in memory, if there is one: the model makes thousands of changes durable.
func memory() string {
	if info, err := os.Stat("/dev/shm"); err == nil && info.IsDir() {
		return "/dev/shm"
	}
	return ""
}

// TestModel: moves, imports, exports, locks, starts and crashes at every place: no cartridge is lost or doubled, and the robot and
// the drives never disagree.
func TestModel(t *testing.T) {
	ctx := t.Context()
	rapid.Check(t, func(r *rapid.T) {
		store, err := os.MkdirTemp(memory(), "library")
		if err != nil {
			r.Fatal(err)
		}
		defer os.RemoveAll(store)
		b := &bench{TB: t, store: store}
		b.cfg = library.Config{Store: store, Name: "test", Set: formats, Slots: modelSlots, Mail: modelMail}
		b.cfg.Model.Addresses.Transport, b.cfg.Model.Addresses.Storage = 1, 1000
		b.cfg.Model.Addresses.Mail, b.cfg.Model.Addresses.Drive = 10, 100
		s := &system{T: r, bench: b, m: &model{where: make(map[string]library.Place)}}
		s.start()
		defer func() { b.Abandon() }()
		for i := range 6 { // three in drives, two in slots, one in a mail slot
			barcode, to := fmt.Sprintf("A%d", i), []library.Place{inDrive(0), inDrive(1), inDrive(2), slot(4), slot(5), mail(1)}[i]
			if _, err := b.Create(ctx, library.Spec{Format: "L8", Barcode: barcode}); err != nil {
				r.Fatal(err)
			}
			if err := b.Carry(ctx, barcode, to); err != nil {
				r.Fatal(err)
			}
			s.m.where[barcode] = to
		}
		place := rapid.SampledFrom(places())
		cartridge := func(r *rapid.T) string {
			if len(s.m.where) == 0 {
				return "NONE"
			}
			return rapid.SampledFrom(slices.Sorted(maps.Keys(s.m.where))).Draw(r, "cartridge")
		}
		act := map[string]func(*rapid.T){
			"": func(r *rapid.T) { s.T = r; s.check() },
			"create": func(r *rapid.T) {
				s.T = r
				if len(s.m.where) >= 10 {
					r.Skip()
				}
				s.next++
				after := s.m.clone()
				barcode := fmt.Sprintf("B%d", s.next)
				after.where[barcode] = library.Shelf
				s.do("create", true, after, func() error {
					_, err := b.Create(ctx, library.Spec{Format: "L8", Barcode: barcode, Shelf: true})
					return err
				})
			},
			"import": func(r *rapid.T) {
				s.T = r
				c, to, after := cartridge(r), place.Draw(r, "to"), s.m.clone()
				at, known := s.m.where[c]
				want := known && at == library.Shelf && to.Type != changer.Drive && s.m.in(to) == "" && !(to.Type == changer.Mail && s.m.mailLock)
				after.where[c] = to
				s.do("import", want, after, func() error { return b.Import(ctx, c, to) })
			},
			"export": func(r *rapid.T) {
				s.T = r
				c, after := cartridge(r), s.m.clone()
				at, known := s.m.where[c]
				want := known && at != library.Shelf && at.Type != changer.Drive && !(at.Type == changer.Mail && s.m.mailLock)
				after.where[c] = library.Shelf
				s.do("export", want, after, func() error { return b.Export(ctx, c) })
			},
			"move": func(r *rapid.T) {
				s.T = r
				from, to, after := place.Draw(r, "from"), place.Draw(r, "to"), s.m.clone()
				want := after.carry(from, to, false)
				s.do("move", want, after, func() error { return b.Move(ctx, address(from), address(to)) })
			},
			"exchange": func(r *rapid.T) {
				s.T = r
				from, one, two, after := place.Draw(r, "from"), place.Draw(r, "first"), place.Draw(r, "second"), s.m.clone()
				want := from != one && one != two && s.m.in(from) != "" && s.m.in(one) != "" && (two == from || s.m.in(two) == "")
				if from == one && one == two {
					want = after.carry(from, from, false)
				} else if want {
					a, c := s.m.in(from), s.m.in(one)
					delete(after.where, c)
					want = after.carry(from, one, false)
					delete(after.where, a)
					after.where[c] = one
					want = want && after.carry(one, two, false)
					after.where[a] = one
				}
				s.do("exchange", want, after, func() error { return b.Exchange(ctx, address(from), address(one), address(two)) })
			},
			"eject": func(r *rapid.T) {
				s.T = r
				d, force, after := rapid.IntRange(0, modelDrives-1).Draw(r, "drive"), rapid.Bool().Draw(r, "force"), s.m.clone()
				c := s.m.in(inDrive(d))
				want, to := c != "" && (force || !s.m.prevents[d]), library.Shelf
				for _, e := range b.Elements() { // its source, or the first that is free
					if e.Address == address(inDrive(d)) && e.SourceValid {
						to = slot(int(e.Source) - 999)
					}
				}
				for i := 1; i <= modelSlots && to == library.Shelf; i++ {
					if s.m.in(slot(i)) == "" {
						to = slot(i)
					}
				}
				want = want && to != library.Shelf
				after.where[c] = to
				s.do("eject", want, after, func() error { return b.Eject(ctx, d, force) })
			},
			"label": func(r *rapid.T) {
				s.T = r
				c, after := cartridge(r), s.m.clone()
				s.next++
				becomes := fmt.Sprintf("L%d", s.next)
				at, known := s.m.where[c]
				delete(after.where, c)
				after.where[becomes] = at
				s.do("label", known && at.Type != changer.Drive, after, func() error { return b.Label(ctx, c, becomes) })
			},
			"delete": func(r *rapid.T) {
				s.T = r
				c, after := cartridge(r), s.m.clone()
				at, known := s.m.where[c]
				delete(after.where, c)
				s.do("delete", known && at == library.Shelf, after, func() error { return b.Delete(ctx, c) })
			},
			"prevent": func(r *rapid.T) {
				s.T = r
				d, on := rapid.IntRange(-1, modelDrives-1).Draw(r, "drive"), rapid.Bool().Draw(r, "on")
				if d < 0 {
					b.Prevent(on)
					s.m.mailLock = on
				} else {
					b.drives[d].prevent(on)
					s.m.prevents[d] = on
				}
			},
			"door": func(r *rapid.T) {
				s.T = r
				n, open := rapid.IntRange(1, modelMail).Draw(r, "mail"), rapid.Bool().Draw(r, "open")
				if err := b.Door(ctx, address(mail(n)), open); (err == nil) != (!open || !s.m.mailLock) {
					r.Fatal(err)
				} else if err == nil {
					s.m.doors[n] = open
				}
			},
			"scan": func(r *rapid.T) {
				if err := b.Rescan(ctx); err != nil {
					r.Fatal(err)
				}
			},
			"broken": func(r *rapid.T) { // a drive that takes nothing
				s.T = r
				d := rapid.IntRange(0, modelDrives-1).Draw(r, "drive")
				from := place.Draw(r, "from")
				if from.Type == changer.Drive && from.Index == d {
					return
				}
				b.drives[d].refuses = errors.New("broken")
				if err := b.Move(ctx, address(from), address(inDrive(d))); err == nil {
					r.Fatal("a broken drive has taken a cartridge")
				}
				b.drives[d].refuses = nil
			},
			"restart": func(r *rapid.T) {
				s.T = r
				if err := b.Close(); err != nil {
					r.Fatal(err)
				}
				if len(b.media.open) != 0 {
					r.Fatalf("open after all: %v", b.media.open)
				}
				s.start()
			},
		}
		r.Repeat(act)
	})
}
