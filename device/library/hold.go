package library

import (
	"context"
	"errors"
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

// hold waits until nothing is done with the elements that choose returns, and makes them busy: from then on what they have
// changes only for who holds them. choose is called with l.mu held, again after each wait; its error is returned. A nil element
// is the shelf, which is never busy.
func (l *Library) hold(ctx context.Context, choose func() ([]*element, error)) ([]*element, error) {
	for {
		l.mu.Lock()
		if l.closed {
			l.mu.Unlock()
			return nil, ErrClosed
		}
		all, err := choose()
		if err != nil {
			l.mu.Unlock()
			return nil, err
		}
		if !slices.ContainsFunc(all, func(e *element) bool { return e != nil && e.busy }) {
			for _, e := range all {
				if e != nil {
					e.busy = true
				}
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

// release ends what hold began.
func (l *Library) release(all []*element) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, e := range all {
		if e != nil {
			e.busy = false
		}
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
