package library_test

import (
	"context"
	"errors"
	"maps"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/lunette-io/lunette/device/changer"
	"github.com/lunette-io/lunette/device/library"
	"github.com/lunette-io/lunette/device/tape/medium"
	"github.com/lunette-io/lunette/scsi"
)

func slot(n int) library.Place    { return library.Place{Type: changer.Storage, Index: n} }
func mail(n int) library.Place    { return library.Place{Type: changer.Mail, Index: n} }
func inDrive(n int) library.Place { return library.Place{Type: changer.Drive, Index: n} }

// sense expects an error with the sense data of an ILLEGAL REQUEST.
func (b *bench) sense(err error, asc scsi.ASC) {
	b.Helper()
	var s scsi.Sense
	if !errors.As(err, &s) || s.Key != scsi.KeyIllegalRequest || s.ASC != asc {
		b.Errorf("%v, want %v", err, scsi.IllegalRequest(asc))
	}
}

// says expects an error with a text.
func (b *bench) says(err error, text string) {
	b.Helper()
	if err == nil || !strings.Contains(err.Error(), text) {
		b.Errorf("%v, want %q", err, text)
	}
}

func TestMoves(t *testing.T) {
	b, ctx := newBench(t, 2, 1, 4), t.Context()
	all := b.make(3)
	if !slices.Equal(all, []string{"LUN001L8", "LUN002L8", "LUN003L8"}) {
		t.Fatal(all)
	}
	b.ok(b.Move(ctx, 1000, 100))
	if e := b.at(100); !e.Full || e.Barcode != "LUN001L8" || e.Source != 1000 || !e.SourceValid || !e.Access || e.Drive == nil {
		t.Errorf("%+v", e)
	}
	if e := b.at(1000); e.Full {
		t.Errorf("%+v", e)
	}
	if s := b.drives[0].Status(); s.Barcode != "LUN001L8" {
		t.Errorf("%+v", s)
	}
	b.sense(b.Move(ctx, 1001, 100), scsi.ASCMediumDestinationFull)
	b.sense(b.Move(ctx, 1003, 100), scsi.ASCMediumDestinationFull) // both: the destination comes first
	b.sense(b.Move(ctx, 1003, 101), scsi.ASCMediumSourceEmpty)
	b.sense(b.Move(ctx, 1, 101), scsi.ASCInvalidElementAddress)
	b.sense(b.Move(ctx, 1000, 5000), scsi.ASCInvalidElementAddress)
	b.ok(b.Move(ctx, 100, 100))
	b.ok(b.Move(ctx, 100, 101)) // from drive to drive: it stays open
	if b.media.opened != 1 || b.drives[1].Status().Barcode != "LUN001L8" || b.drives[0].Status().Loaded {
		t.Errorf("opened %d times", b.media.opened)
	}
	if e := b.at(101); e.Source != 1000 || !e.SourceValid {
		t.Errorf("%+v", e)
	}
	b.ok(b.Move(ctx, 1001, 1000)) // its slot has another now
	if e := b.at(101); e.SourceValid {
		t.Errorf("%+v", e)
	}
	b.ok(b.Move(ctx, 101, 10))
	if e := b.at(10); !e.Full || e.Imported || e.Barcode != "LUN001L8" {
		t.Errorf("%+v", e)
	}
	if len(b.media.open) != 0 {
		t.Errorf("open in a mail slot: %v", b.media.open)
	}
	if last := b.moves[len(b.moves)-1]; !last.Robot || !last.Vaulted() || last.From != inDrive(1) || last.To != mail(1) {
		t.Errorf("%+v", last)
	}
}

func TestExchange(t *testing.T) {
	b, ctx := newBench(t, 2, 1, 4), t.Context()
	b.make(3)
	b.ok(b.Move(ctx, 1000, 100))
	b.ok(b.Exchange(ctx, 1001, 100, 1001)) // a swap
	if b.at(100).Barcode != "LUN002L8" || b.at(1001).Barcode != "LUN001L8" || b.drives[0].Status().Barcode != "LUN002L8" {
		t.Errorf("%+v", b.where())
	}
	b.ok(b.Exchange(ctx, 1002, 100, 101)) // what was in a drive goes to another
	if b.at(100).Barcode != "LUN003L8" || b.at(101).Barcode != "LUN002L8" || b.drives[1].Status().Barcode != "LUN002L8" {
		t.Errorf("%+v", b.where())
	}
	b.sense(b.Exchange(ctx, 1001, 100, 101), scsi.ASCMediumDestinationFull)
	b.sense(b.Exchange(ctx, 1000, 100, 1002), scsi.ASCMediumSourceEmpty)
	b.sense(b.Exchange(ctx, 1001, 1000, 1002), scsi.ASCMediumSourceEmpty)
	b.sense(b.Exchange(ctx, 100, 101, 101), scsi.ASCInvalidElementAddress)
	b.drives[1].prevent(true)
	b.sense(b.Exchange(ctx, 100, 101, 1000), scsi.ASCMediumRemovalPrevented)
	if b.drives[0].released != 1 || b.drives[0].Status().Barcode != "LUN003L8" {
		t.Error("what was taken out of the first drive is not there again")
	}
	b.drives[1].prevent(false)
	b.ok(b.Exchange(ctx, 100, 101, 100)) // two drives swap
	if b.drives[0].Status().Barcode != "LUN002L8" || b.drives[1].Status().Barcode != "LUN003L8" {
		t.Error("not swapped")
	}
	b.again()
	if b.drives[0].Status().Barcode != "LUN002L8" || b.at(101).Barcode != "LUN003L8" {
		t.Error("not swapped after a start")
	}
}

func TestPrevention(t *testing.T) {
	b, ctx := newBench(t, 1, 2, 4), t.Context()
	b.make(2)
	b.ok(b.Move(ctx, 1000, 100))
	b.drives[0].prevent(true)
	b.sense(b.Move(ctx, 100, 1000), scsi.ASCMediumRemovalPrevented)
	if e := b.at(100); e.Access || !e.Full {
		t.Errorf("%+v", e)
	}
	b.sense(b.Eject(ctx, 0, false), scsi.ASCMediumRemovalPrevented)
	b.ok(b.Eject(ctx, 0, true))
	if b.at(1000).Barcode != "LUN001L8" {
		t.Error("it is not back in its slot")
	}
	b.ok(b.Carry(ctx, "LUN001L8", mail(1)))
	b.Prevent(true)
	b.sense(b.Move(ctx, 1001, 11), scsi.ASCMediumRemovalPrevented)
	b.sense(b.Carry(ctx, "LUN002L8", mail(2)), scsi.ASCMediumRemovalPrevented)
	b.sense(b.Export(ctx, "LUN001L8"), scsi.ASCMediumRemovalPrevented)
	b.sense(b.Door(ctx, 10, true), scsi.ASCMediumRemovalPrevented)
	b.ok(b.Move(ctx, 10, 1002)) // into the library
	b.ok(b.Export(ctx, "LUN002L8"))
	b.sense(b.Import(ctx, "LUN002L8", mail(library.Any)), scsi.ASCMediumRemovalPrevented)
	b.Prevent(false)
	b.ok(b.Import(ctx, "LUN002L8", mail(library.Any)))
	if e := b.at(10); !e.Imported || e.Barcode != "LUN002L8" {
		t.Errorf("%+v", e)
	}
	b.ok(b.Door(ctx, 10, true))
	if b.at(10).Access {
		t.Error("the robot has access to a mail slot that is open")
	}
	b.sense(b.Move(ctx, 10, 1000), scsi.ASCMagazineNotAccessible)
	b.ok(b.Door(ctx, 10, false))
	b.sense(b.Door(ctx, 1000, true), scsi.ASCInvalidElementAddress)
	b.ok(b.Move(ctx, 10, 1000))
	if e := b.at(1000); e.Imported {
		t.Errorf("%+v", e)
	}
}

func TestOperators(t *testing.T) {
	b, ctx := newBench(t, 1, 1, 3), t.Context()
	b.make(2)
	worm, err := b.Create(ctx, library.Spec{Format: "L8", Type: medium.WORM, Prefix: "WRM", Start: 7})
	b.ok(err)
	if worm[0] != "WRM007LY" || !b.at(1002).WORM {
		t.Errorf("%v %+v", worm, b.at(1002))
	}
	cleaning, err := b.Create(ctx, library.Spec{Format: "L8", Type: medium.Cleaning}) // no slot is free
	b.ok(err)
	if cleaning[0] != "CLN001L8" || b.where()["CLN001L8"].Where != library.Shelf {
		t.Errorf("%v %+v", cleaning, b.where())
	}
	b.sense(b.Import(ctx, "CLN001L8", slot(library.Any)), scsi.ASCMediumDestinationFull)
	b.ok(b.Import(ctx, "CLN001L8", mail(1)))
	if !b.at(10).Cleaning {
		t.Errorf("%+v", b.at(10))
	}
	b.says(b.Import(ctx, "CLN001L8", slot(1)), "has a cartridge")
	b.says(b.Delete(ctx, "CLN001L8"), "not on the shelf")
	b.ok(b.Export(ctx, "CLN001L8"))
	b.ok(b.Delete(ctx, "CLN001L8"))
	b.says(b.Delete(ctx, "CLN001L8"), "no such cartridge")
	b.says(b.Import(ctx, "../x", slot(1)), "has a cartridge")
	b.ok(b.Load(ctx, "LUN001L8", 0))
	b.sense(b.Load(ctx, "LUN002L8", 0), scsi.ASCMediumDestinationFull)
	b.sense(b.Load(ctx, "LUN002L8", 1), scsi.ASCInvalidElementAddress)
	b.says(b.Export(ctx, "LUN001L8"), "unload it first")
	b.says(b.Label(ctx, "LUN001L8", "X"), "unload it")
	b.says(b.Protect(ctx, "LUN001L8", true), "unload it")
	b.ok(b.Eject(ctx, 0, false))
	b.ok(b.Label(ctx, "LUN001L8", "NEW001L8"))
	if b.at(1000).Barcode != "NEW001L8" || b.where()["NEW001L8"].Where != slot(1) {
		t.Errorf("%+v", b.where())
	}
	b.says(b.Label(ctx, "LUN001L8", "A"), "no such cartridge")
	b.says(b.Label(ctx, "NEW001L8", "LUN002L8"), "slot 2 has a cartridge")
	b.says(b.Label(ctx, "NEW001L8", "a/b"), "not a barcode")
	b.ok(b.Protect(ctx, "NEW001L8", true))
	if info, _ := b.media.Inspect(filepath.Join(b.store, "cartridges", "NEW001L8")); !info.Label.WriteProtect || info.Label.Barcode != "NEW001L8" {
		t.Errorf("%+v", info.Label)
	}
	b.ok(b.Export(ctx, "NEW001L8"))
	b.ok(b.Label(ctx, "NEW001L8", "OLD001L8"))
	b.again()
	for range 2 { // read, and known
		if c := b.where()["OLD001L8"]; c.Format != "L8" || c.Capacity != 12_000_000_000_000 {
			t.Errorf("%+v", c)
		}
	}
	if w := b.where(); w["OLD001L8"].Where != library.Shelf || w["OLD001L8"].Format != "L8" || w["LUN002L8"].Where != slot(2) || len(w) != 3 {
		t.Errorf("%+v", w)
	}
	if _, err := b.Create(ctx, library.Spec{Format: "L8", Prefix: "LUN", Start: 2}); err == nil {
		t.Error("a barcode is there twice")
	}
	for text, s := range map[string]library.Spec{
		"no media format": {Format: "L99", Prefix: "A"}, "no WORM": {Format: "L6", Type: medium.WORM, Prefix: "A"}, "need a prefix": {Format: "L8"},
		"not a barcode": {Format: "L8", Barcode: "../../etc"}, "of one cartridge": {Format: "L8", Barcode: "A", Count: 2}, "at a time": {Format: "L8", Prefix: "A", Count: 1 << 20},
	} {
		_, err := b.Create(ctx, s)
		b.says(err, text)
	}
}

// Everything that an operator does is told to initiators, and shown.
func TestTold(t *testing.T) {
	b, ctx := newBench(t, 1, 1, 3), t.Context()
	b.make(1)
	b.ok(b.Move(ctx, 1000, 100)) // the robot knows
	b.ok(b.Eject(ctx, 0, false))
	b.ok(b.Carry(ctx, "LUN001L8", mail(1)))
	b.ok(b.Export(ctx, "LUN001L8"))
	b.ok(b.Import(ctx, "LUN001L8", slot(2)))
	if !slices.Equal(b.told, []bool{false, false, true, true, false}) {
		t.Error(b.told)
	}
	want := []library.Move{
		{Barcode: "LUN001L8", From: library.Shelf, To: slot(1)},
		{Barcode: "LUN001L8", From: slot(1), To: inDrive(0), Robot: true},
		{Barcode: "LUN001L8", From: inDrive(0), To: slot(1)},
		{Barcode: "LUN001L8", From: slot(1), To: mail(1)},
		{Barcode: "LUN001L8", From: mail(1), To: library.Shelf},
		{Barcode: "LUN001L8", From: library.Shelf, To: slot(2)},
	}
	if !slices.Equal(b.moves, want) {
		t.Errorf("%+v", b.moves)
	}
}

// What goes wrong in the middle of a move leaves everything as it was.
func TestMovesThatFail(t *testing.T) {
	b, ctx := newBench(t, 2, 1, 4), t.Context()
	b.make(2)
	b.ok(b.Move(ctx, 1000, 100))
	b.media.fails["LUN002L8"] = errors.New("torn")
	var s scsi.Sense
	if err := b.Move(ctx, 1001, 101); !errors.As(err, &s) || s.Key != scsi.KeyMediumError {
		t.Error(err)
	}
	b.media.fails["LUN002L8"] = medium.ErrLocked
	if err := b.Move(ctx, 1001, 101); !errors.As(err, &s) || s.Key != scsi.KeyNotReady {
		t.Error(err)
	}
	delete(b.media.fails, "LUN002L8")
	b.drives[0].gives = errors.New("no space")
	if err := b.Move(ctx, 100, 1002); !errors.As(err, &s) || s.Key != scsi.KeyMediumError {
		t.Error(err)
	}
	b.drives[0].gives = nil
	b.drives[1].refuses = errors.New("broken")
	b.says(b.Move(ctx, 1001, 101), "broken")
	b.says(b.Move(ctx, 100, 101), "broken")
	b.says(b.Exchange(ctx, 1001, 100, 101), "broken")
	for range 2 {
		if w := b.where(); w["LUN001L8"].Where != inDrive(0) || w["LUN002L8"].Where != slot(2) || b.drives[0].Status().Barcode != "LUN001L8" {
			t.Errorf("%+v", w)
		}
		b.drives[1].refuses = nil
		b.again()
	}
	if len(b.Problems()) != 0 {
		t.Error(b.Problems())
	}
}

// A move that waits for a drive holds up nobody who looks, and nobody who moves something else.
func TestMovesAtTheSameTime(t *testing.T) {
	b, ctx := newBench(t, 2, 0, 6), t.Context()
	b.make(3)
	b.ok(b.Move(ctx, 1000, 100))
	b.drives[0].gate, b.drives[0].unloading = make(chan struct{}), make(chan struct{}, 1)
	first, second := make(chan error), make(chan error)
	go func() { first <- b.Move(ctx, 100, 1004) }()
	<-b.drives[0].unloading
	if !b.at(100).Full || b.at(1004).Full {
		t.Error("it shows what is not done")
	}
	b.ok(b.Move(ctx, 1001, 101))
	aborted, abort := context.WithCancel(ctx)
	go func() { second <- b.Move(aborted, 1002, 1004) }() // the destination of the first
	abort()
	if err := <-second; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	go func() { second <- b.Move(ctx, 1002, 1004) }()
	close(b.drives[0].gate)
	if err := errors.Join(<-first); err != nil {
		// The second was first to look: then the first one's destination is full.
		t.Error(err)
	}
	b.sense(<-second, scsi.ASCMediumDestinationFull)
}

// Robot, operators and those who look, all at the same time: nothing is lost or doubled.
func TestConcurrent(t *testing.T) {
	b, ctx := newBench(t, 3, 2, 8), t.Context()
	all := b.make(8)
	b.OnMove(nil)
	b.Tell(nil)
	addresses := []uint16{10, 11, 100, 101, 102, 1000, 1001, 1002, 1003, 1004, 1005, 1006, 1007}
	var work sync.WaitGroup
	for worker := range 6 {
		work.Go(func() {
			r := rand.New(rand.NewPCG(1, uint64(worker)))
			at := func() uint16 { return addresses[r.IntN(len(addresses))] }
			for range 60 {
				c := all[r.IntN(len(all))]
				switch r.IntN(8) {
				case 0:
					_ = b.Exchange(ctx, at(), at(), at()) // refused or done: both are right
				case 1:
					_ = b.Import(ctx, c, slot(library.Any))
				case 2:
					_ = b.Export(ctx, c)
				case 3:
					_ = b.Eject(ctx, r.IntN(3), false)
				case 4:
					b.Elements()
					_ = b.Rescan(ctx)
				case 5:
					_ = b.Load(ctx, c, library.Any)
				default:
					_ = b.Move(ctx, at(), at())
				}
			}
		})
	}
	work.Wait()
	before := b.where()
	if len(before) != len(all) {
		t.Fatalf("%+v", before)
	}
	for i, d := range b.drives {
		if got, want := d.Status().Barcode, b.at(uint16(100+i)).Barcode; got != want {
			t.Errorf("drive %d has %q, and the robot says %q", i, got, want)
		}
	}
	b.again()
	if after := b.where(); !maps.Equal(before, after) || len(b.Problems()) != 0 {
		t.Errorf("%+v becomes %+v, %v", before, after, b.Problems())
	}
}
