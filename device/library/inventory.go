package library

import (
	"context"
	"fmt"

	"github.com/lunette-io/lunette/device/changer"
	"github.com/lunette-io/lunette/device/tape/medium"
	"github.com/lunette-io/lunette/scsi"
)

var _ changer.Inventory = (*Library)(nil)

// Elements implements [changer.Inventory].
func (l *Library) Elements() []changer.Element {
	prevented := make([]bool, len(l.by[changer.Drive]))
	for i, e := range l.by[changer.Drive] {
		prevented[i] = e.drive.Status().Prevented
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for i, e := range l.by[changer.Drive] {
		if e.access == prevented[i] {
			e.access, l.shown = !prevented[i], nil
		}
	}
	if l.shown != nil {
		return l.shown
	}
	all := make([]changer.Element, 0, len(l.all)+1)
	for _, e := range l.all[:l.before] {
		all = append(all, l.describe(e))
	}
	all = append(all, changer.Element{Address: l.transport, Type: changer.Transport})
	for _, e := range l.all[l.before:] {
		all = append(all, l.describe(e))
	}
	l.shown = all
	return all
}

// describe is e as the robot shows it. l.mu is held.
func (l *Library) describe(e *element) changer.Element {
	x := changer.Element{Address: e.address, Type: e.place.Type, Drive: e.name, Access: !e.open}
	if e.drive != nil {
		x.Access = e.access
	}
	if !e.full() {
		return x
	}
	x.Full, x.Barcode, x.Imported = true, e.barcode, e.imported
	x.Cleaning, x.WORM = e.kind == medium.Cleaning, e.kind == medium.WORM
	if from := l.at(Place{Type: changer.Storage, Index: e.source}); from != nil && from != e && !from.full() {
		x.Source, x.SourceValid = from.address, true
	}
	return x
}

// Move implements [changer.Inventory].
func (l *Library) Move(ctx context.Context, source, destination uint16) error {
	from, err := l.element(source)
	if err != nil {
		return err
	}
	to, err := l.element(destination)
	if err != nil {
		return err
	}
	return l.move(ctx, from, to, true)
}

// move carries what is in from to to.
func (l *Library) move(ctx context.Context, from, to *element, robot bool) error {
	held, err := l.hold(ctx, request{elements: []*element{from, to}})
	if err != nil {
		return err
	}
	defer l.release(held)
	l.mu.Lock()
	err = l.mayMove(from, to)
	l.mu.Unlock()
	if err != nil || from == to {
		return err
	}
	return l.run(ctx, []*step{{from: from, to: to, cell: from.cell}}, false, robot)
}

// run does steps, and tells of them.
func (l *Library) run(ctx context.Context, steps []*step, force, robot bool) error {
	if err := l.transfer(ctx, steps, force); err != nil {
		return err
	}
	l.tellMoves(steps, robot)
	return nil
}

// Exchange implements [changer.Inventory].
func (l *Library) Exchange(ctx context.Context, source, first, second uint16) error {
	var all [3]*element
	for i, address := range [...]uint16{source, first, second} {
		e, err := l.element(address)
		if err != nil {
			return err
		}
		all[i] = e
	}
	from, one, two := all[0], all[1], all[2]
	held, err := l.hold(ctx, request{elements: all[:]})
	if err != nil {
		return err
	}
	defer l.release(held)
	l.mu.Lock()
	err = l.mayExchange(from, one, two)
	l.mu.Unlock()
	if err != nil || from == one && one == two {
		return err
	}
	return l.run(ctx, []*step{{from: from, to: one, cell: from.cell}, {from: one, to: two, cell: one.cell}}, false, true)
}

// mayExchange refuses an exchange, in the order of SMC-3. l.mu is held.
func (l *Library) mayExchange(from, one, two *element) error {
	switch {
	case (from == one) != (one == two):
		return refuse(scsi.ASCInvalidElementAddress, "two of the elements of an exchange are the same")
	case two != from && two.full():
		return refuse(scsi.ASCMediumDestinationFull, two.place.String()+" has a cartridge: "+two.barcode)
	}
	if err := l.mayTake(from, one); err != nil {
		return err
	}
	return l.mayTake(one, two)
}

// Rescan implements [changer.Inventory]: it looks which cartridges are there.
func (l *Library) Rescan(context.Context) error {
	present, err := l.depot.present()
	if err != nil {
		return fmt.Errorf("the cartridges of library %s: %w", l.cfg.Name, err)
	}
	l.mu.Lock()
	for _, e := range l.all {
		if gone := e.barcode != "" && !present[e.barcode]; !e.busy && gone != e.missing && e.drive == nil { // drives have what they have
			e.missing, l.shown = gone, nil
		}
	}
	l.mu.Unlock()
	l.missing()
	return nil
}

// Prevent implements [changer.Inventory].
func (l *Library) Prevent(on bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.prevent = on
}

// Door implements [changer.Inventory].
func (l *Library) Door(ctx context.Context, mail uint16, open bool) error {
	e, err := l.element(mail)
	if err == nil && e.place.Type != changer.Mail {
		err = refuse(scsi.ASCInvalidElementAddress, e.place.String()+" has no door: it is no mail slot")
	}
	if err != nil {
		return err
	}
	r := request{elements: []*element{e}}
	if open {
		r.what = wantDoor
	}
	held, err := l.hold(ctx, r)
	if err != nil {
		return err
	}
	defer l.release(held)
	l.mu.Lock()
	e.open, l.shown = open, nil
	l.mu.Unlock()
	return nil
}
