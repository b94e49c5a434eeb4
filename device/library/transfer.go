package library

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/lunette-io/lunette/device/changer"
	"github.com/lunette-io/lunette/device/tape"
	"github.com/lunette-io/lunette/device/tape/medium"
	"github.com/lunette-io/lunette/scsi"
)

// A step is a cartridge that goes from one element to another; nil is the shelf. Its elements are held.
type step struct {
	from, to *element
	cell     cell        // the cartridge, as it is in from; for one from the shelf, as it will be
	tape     medium.Tape // while it is neither in a slot nor in a drive
	out      bool        // tape was taken out of the drive of from
	in       bool        // tape is in the drive of to
}

// placed is what to has when the step is done.
func (s *step) placed() cell {
	c := s.cell
	if s.to.place.Type == changer.Storage {
		c.source = s.to.place.Index
	}
	c.imported = s.from == nil && s.to.place.Type == changer.Mail
	return c
}

// transfer does steps, all or none. No element is the source, or the destination, of two of them. Drives give up their
// cartridges, flushed; then what is where then is made durable; then drives get theirs; then it shows. So a crash leaves each
// cartridge where it was, or where it goes. force: also what an initiator prevents.
func (l *Library) transfer(ctx context.Context, steps []*step, force bool) error {
	err := l.takeOut(ctx, steps, force)
	if err == nil {
		err = l.open(steps)
	}
	if err == nil {
		l.point("library.unloaded")
		err = l.journal.commit(change{Set: after(steps)})
	}
	if err != nil {
		l.putBack(steps)
		return err
	}
	l.point("library.committed")
	if err := l.bringIn(ctx, steps); err != nil {
		return l.undo(steps, err)
	}
	l.point("library.loaded")
	l.show(steps)
	return nil
}

// takeOut takes cartridges out of drives.
func (l *Library) takeOut(ctx context.Context, steps []*step, force bool) error {
	for _, s := range steps {
		if s.from == nil || s.from.drive == nil {
			continue
		}
		t, err := s.from.drive.Unload(ctx, force)
		s.tape, s.out = t, t != nil
		switch {
		case t != nil && err != nil: // forced
			l.problem("cartridge %s was taken out of %v by force, and may lack what was written last: %v", s.cell.barcode, s.from.place, err)
		case errors.Is(err, tape.ErrPrevented):
			return refuse(scsi.ASCMediumRemovalPrevented, s.from.place.String()+": "+prevented)
		case err != nil && ctx.Err() != nil:
			return ctx.Err()
		case err != nil:
			return &Refusal{fmt.Sprintf("%v does not give cartridge %s: %v", s.from.place, s.cell.barcode, err),
				scsi.NewSense(scsi.KeyMediumError, scsi.ASCMediaLoadOrEjectFailed)}
		}
	}
	return nil
}

// open opens cartridges that go into drives.
func (l *Library) open(steps []*step) error {
	for _, s := range steps {
		if s.to == nil || s.to.drive == nil || s.tape != nil {
			continue
		}
		t, err := l.media.Open(l.depot.cartridge(s.cell.barcode))
		if err != nil {
			sense := scsi.NewSense(scsi.KeyMediumError, scsi.ASCMediaLoadOrEjectFailed)
			if errors.Is(err, medium.ErrLocked) {
				sense = scsi.NotReady(scsi.ASCManualInterventionRequired)
			}
			l.log.Error("a cartridge cannot be opened", "library", l.cfg.Name, "cartridge", s.cell.barcode, "error", err)
			return &Refusal{fmt.Sprintf("cartridge %s cannot be opened: %v", s.cell.barcode, err), sense}
		}
		s.tape = t
	}
	return nil
}

// after is what elements have after steps.
func after(steps []*step) []content {
	all := make(map[Place]cell, 2*len(steps))
	for _, s := range steps {
		if s.from != nil {
			all[s.from.place] = cell{}
		}
	}
	for _, s := range steps {
		if s.to != nil {
			all[s.to.place] = s.placed()
		}
	}
	return contents(all)
}

// before is what elements have before steps.
func before(steps []*step) []content {
	all := make(map[Place]cell, 2*len(steps))
	for _, s := range steps {
		if s.to != nil {
			all[s.to.place] = cell{}
		}
	}
	for _, s := range steps {
		if s.from != nil {
			all[s.from.place] = s.cell
		}
	}
	return contents(all)
}

func contents(all map[Place]cell) []content {
	set := make([]content, 0, len(all))
	for _, at := range slices.SortedFunc(maps.Keys(all), comparePlaces) {
		set = append(set, all[at].content(at))
	}
	return set
}

// bringIn puts cartridges into drives, and closes those that have come to slots. It does not end with ctx: the state is that
// of the destinations already.
func (l *Library) bringIn(ctx context.Context, steps []*step) error {
	ctx = context.WithoutCancel(ctx)
	for _, s := range steps {
		if s.tape == nil || s.to == nil || s.to.drive == nil {
			continue
		}
		if err := s.to.drive.Load(ctx, s.tape); err != nil {
			return fmt.Errorf("%v does not take cartridge %s: %w", s.to.place, s.cell.barcode, err)
		}
		s.in = true
	}
	for _, s := range steps {
		if s.tape == nil || s.in {
			continue
		}
		if err := s.tape.Close(); err != nil { // what was written is durable since the drive has given it up
			l.problem("cartridge %s was not closed in order: %v", s.cell.barcode, err)
		}
	}
	return nil
}

// undo makes the state what it was before, after why.
func (l *Library) undo(steps []*step, why error) error {
	for _, s := range steps {
		if s.in {
			t, err := s.to.drive.Unload(context.Background(), true)
			if err != nil {
				l.log.Error("a cartridge was not taken out of a drive in order", "library", l.cfg.Name, "drive", s.to.place.Index, "error", err)
			}
			s.tape, s.in = t, false
		}
	}
	back := change{Set: before(steps)}
	if err := l.journal.commit(back); err != nil {
		// What is in the file has the cartridge in the drive that does not take it. The next change mends that, or the next start.
		why = errors.Join(why, err, l.journal.owe(back))
	}
	l.putBack(steps)
	return why
}

// putBack gives drives back what was taken out of them, and closes the others.
func (l *Library) putBack(steps []*step) {
	for _, s := range steps {
		switch {
		case s.tape == nil:
		case s.out:
			s.from.drive.Release(s.tape)
		default:
			if err := s.tape.Close(); err != nil {
				l.log.Error("a cartridge was not closed in order", "library", l.cfg.Name, "cartridge", s.cell.barcode, "error", err)
			}
		}
		s.tape = nil
	}
}

// show lets everybody see what steps have done.
func (l *Library) show(steps []*step) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, s := range steps {
		if s.from != nil {
			s.from.cell, s.from.missing = cell{}, false
		}
		if s.to != nil && s.to.missing {
			delete(l.of, s.to.barcode) // what was there has lost its place
		}
		delete(l.of, s.cell.barcode)
	}
	for _, s := range steps {
		if s.to != nil {
			s.to.cell, s.to.missing = s.placed(), false
			l.of[s.cell.barcode] = s.to
		}
	}
	l.shown = nil
}

// tellMoves tells who wants to know of moves that are done. No lock is held.
func (l *Library) tellMoves(steps []*step, robot bool) {
	imported := false
	for _, s := range steps {
		m := Move{Barcode: s.cell.barcode, Robot: robot}
		if s.from != nil {
			m.From = s.from.place
		}
		if s.to != nil {
			m.To = s.to.place
		}
		imported = imported || m.From.Type == changer.Mail || m.To.Type == changer.Mail
		if l.onMove != nil {
			l.onMove(m)
		}
	}
	if !robot && l.tell != nil {
		l.tell(imported)
	}
}
