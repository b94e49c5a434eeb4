package library

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/lunette-io/lunette/device/changer"
	"github.com/lunette-io/lunette/scsi"
)

// ErrClosed is what a library says that is closed.
var ErrClosed = errors.New("the library is closed")

// A Refusal is why something is not done, for people and as sense data for initiators. Nothing has changed.
type Refusal struct {
	Text  string
	Sense scsi.Sense
}

func (r *Refusal) Error() string { return r.Text }

// Unwrap lets errors.As find the sense.
func (r *Refusal) Unwrap() error { return r.Sense }

// refuse makes a Refusal that is an ILLEGAL REQUEST.
func refuse(asc scsi.ASC, text string) error { return &Refusal{text, scsi.IllegalRequest(asc)} }

// A request says which elements somebody wants to hold.
type request struct {
	what     wanted
	elements []*element // these
	barcode  string
	to       Place
	why      string // of wantQuiet: what shall be done
}

// What a request is for.
type wanted uint8

const (
	wantElements wanted = iota // those that are named
	wantMove                   // where barcode is, and to
	wantEject                  // the drive to, and where its cartridge goes
	wantImport                 // to, for a cartridge from the shelf
	wantExport                 // where barcode is
	wantQuiet                  // where barcode is, which is no drive; none if it is in no element
	wantDoor                   // a mail slot, to open it
)

// hold waits until nothing is done with the elements that r is about, and makes them busy: from then on what they have changes
// only for who holds them.
func (l *Library) hold(ctx context.Context, r request) ([]*element, error) {
	for {
		l.mu.Lock()
		if l.closed {
			l.mu.Unlock()
			return nil, ErrClosed
		}
		all, err := l.choose(r)
		if err != nil {
			l.mu.Unlock()
			return nil, err
		}
		if !slices.ContainsFunc(all, func(e *element) bool { return e.busy }) {
			for _, e := range all {
				e.busy = true
			}
			l.mu.Unlock()
			return all, nil
		}
		freed := l.freed
		l.mu.Unlock()
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-freed:
		}
	}
}

// choose returns the elements that r is about now, or why it cannot be had. What elements that are busy have is not looked at:
// they are waited for. l.mu is held.
func (l *Library) choose(r request) ([]*element, error) {
	switch r.what {
	case wantMove:
		return l.chooseMove(r)
	case wantEject:
		return l.chooseEject(r)
	case wantImport:
		return l.chooseImport(r)
	case wantExport, wantQuiet:
		return l.chooseCartridge(r)
	case wantDoor:
		if l.prevent {
			return nil, refuse(scsi.ASCMediumRemovalPrevented, prevented)
		}
	}
	return r.elements, nil
}

// chooseMove is choose for a move of a cartridge. l.mu is held.
func (l *Library) chooseMove(r request) ([]*element, error) {
	from, err := l.find(r.barcode)
	if err != nil {
		return nil, err
	}
	to, err := l.destination(r.to)
	if err != nil {
		return nil, err
	}
	if !from.busy && !to.busy {
		err = l.mayMove(from, to)
	}
	return []*element{from, to}, err
}

// chooseEject is choose for what is in a drive. l.mu is held.
func (l *Library) chooseEject(r request) ([]*element, error) {
	from, err := l.destination(r.to)
	if err != nil || from.busy {
		return []*element{from}, err
	}
	to := l.home(from)
	if to == nil {
		return nil, refuse(scsi.ASCMediumDestinationFull, "no slot is free: export a cartridge first")
	}
	return []*element{from, to}, l.mayTake(from, to)
}

// chooseImport is choose for a cartridge that comes. l.mu is held.
func (l *Library) chooseImport(r request) ([]*element, error) {
	e, err := l.destination(r.to)
	switch {
	case err != nil:
		return nil, err
	case !e.busy && e.full():
		return nil, refuse(scsi.ASCMediumDestinationFull, e.place.String()+" has a cartridge: "+e.barcode)
	case e.place.Type == changer.Mail && l.prevent:
		return nil, refuse(scsi.ASCMediumRemovalPrevented, prevented)
	}
	return []*element{e}, nil
}

// chooseCartridge is choose for a cartridge that goes to the shelf, or stays where it is. l.mu is held.
func (l *Library) chooseCartridge(r request) ([]*element, error) {
	if r.what == wantQuiet && l.of[r.barcode] == nil {
		return nil, nil
	}
	e, err := l.find(r.barcode)
	switch {
	case err != nil:
		return nil, err
	case e.drive != nil:
		return nil, fmt.Errorf("cartridge %s is in %v: unload it %s", r.barcode, e.place, r.why)
	case r.what == wantExport && e.place.Type == changer.Mail && l.prevent:
		return nil, refuse(scsi.ASCMediumRemovalPrevented, prevented)
	}
	return []*element{e}, nil
}

// release ends what hold began.
func (l *Library) release(all []*element) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, e := range all {
		e.busy = false
	}
	close(l.freed)
	l.freed = make(chan struct{})
}

// element is the one with an address. A transport keeps nothing, so that it is none here.
func (l *Library) element(address uint16) (*element, error) {
	i, ok := slices.BinarySearchFunc(l.all, address, func(e *element, a uint16) int { return int(e.address) - int(a) })
	if !ok {
		return nil, refuse(scsi.ASCInvalidElementAddress, "there is no such element")
	}
	return l.all[i], nil
}

// mayMove refuses a move of what is in from to to, in the order of SMC-3. l.mu is held.
func (l *Library) mayMove(from, to *element) error {
	if from != to && to.full() {
		return refuse(scsi.ASCMediumDestinationFull, to.place.String()+" has a cartridge: "+to.barcode)
	}
	return l.mayTake(from, to)
}

// mayTake refuses to take what is in from, to bring it to to. l.mu is held.
func (l *Library) mayTake(from, to *element) error {
	switch {
	case !from.full():
		return refuse(scsi.ASCMediumSourceEmpty, from.place.String()+" has no cartridge")
	case to.place.Type == changer.Mail && l.prevent && from != to:
		return refuse(scsi.ASCMediumRemovalPrevented, prevented)
	case from.open || to.open:
		return refuse(scsi.ASCMagazineNotAccessible, "the door of the mail slot is open: close it")
	}
	return nil
}

// prevented says why mail slots are locked.
const prevented = "an initiator prevents that cartridges are taken out (PREVENT ALLOW MEDIUM REMOVAL): end its program, or let it allow that"
