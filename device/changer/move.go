package changer

import (
	"context"
	"errors"
	"slices"

	"github.com/lunette-io/lunette/device/alert"
	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/scsi/cdb"
	"github.com/lunette-io/lunette/target"
)

// element returns an element of a snapshot, and false if there is none with the address.
func element(elements []Element, address uint16) (Element, bool) {
	i, ok := slices.BinarySearchFunc(elements, address, func(e Element, a uint16) int { return int(e.Address) - int(a) })
	if !ok {
		return Element{}, false
	}
	return elements[i], true
}

// index is where the element with an address is in what is noted of elements; less than 0: there is none.
func (c *Changer) index(address uint16) int {
	i, ok := slices.BinarySearch(c.addresses, address)
	if !ok {
		return -1
	}
	return i
}

// transport refuses a medium transport address that is neither the default one nor one that there is.
func (c *Changer) transport(elements []Element, address uint16) error {
	if e, ok := element(elements, address); address != 0 && (!ok || e.Type != Transport) {
		return scsi.IllegalRequest(scsi.ASCInvalidElementAddress)
	}
	return nil
}

// between refuses addresses that are those of no element, and of transports as destinations: they keep nothing (mode page
// 1Fh). It reports whether a mail slot is among them.
func (c *Changer) between(transport, source uint16, destinations ...uint16) (mail bool, err error) {
	elements := c.inventory.Elements()
	if err := c.transport(elements, transport); err != nil {
		return false, err
	}
	from, ok := element(elements, source)
	if !ok || from.Type == Transport {
		return false, scsi.IllegalRequest(scsi.ASCInvalidElementAddress)
	}
	mail = from.Type == Mail
	for _, d := range destinations {
		to, ok := element(elements, d)
		if !ok || to.Type == Transport {
			return false, scsi.IllegalRequest(scsi.ASCInvalidElementAddress)
		}
		mail = mail || to.Type == Mail
	}
	return mail, nil
}

// move is MOVE MEDIUM (SMC-3 6.8).
func (c *Changer) move(t *target.Task) {
	m, err := cdb.ParseMoveMedium(t.CDB)
	if err == nil {
		_, err = c.between(m.Transport, m.Source, m.Destination)
	}
	if err != nil {
		c.FailWith(t, err)
		return
	}
	c.Workers().RunLong(t, func(t *target.Task) {
		c.carry(t, func(ctx context.Context) error { return c.inventory.Move(ctx, m.Source, m.Destination) },
			m.Transport, m.Source, m.Destination)
	})
}

// exchange is EXCHANGE MEDIUM (SMC-3 6.4).
func (c *Changer) exchange(t *target.Task) {
	m, err := cdb.ParseExchangeMedium(t.CDB)
	if err == nil {
		_, err = c.between(m.Transport, m.Source, m.First, m.Second)
	}
	if err != nil {
		c.FailWith(t, err)
		return
	}
	c.Workers().RunLong(t, func(t *target.Task) {
		c.carry(t, func(ctx context.Context) error { return c.inventory.Exchange(ctx, m.Source, m.First, m.Second) },
			m.Transport, m.Source, m.First, m.Second)
	})
}

// carry lets the inventory move what is in source, and in all of destinations but the last. It is on a worker.
func (c *Changer) carry(t *target.Task, move func(context.Context) error, transport, source uint16, destinations ...uint16) {
	mail, err := c.between(transport, source, destinations...)
	if err == nil {
		err = move(t.Context())
	}
	if err != nil {
		c.failMove(t, err)
		return
	}
	from := source
	for _, to := range destinations {
		if to != from {
			c.statistics.moved(c.index(from), c.index(to))
		}
		from = to
	}
	if mail {
		c.announce(true, t.ITL())
	}
	c.Good(t)
}

// failMove ends a command that has moved nothing. What is no sense, and no abort, is a fault of the library.
func (c *Changer) failMove(t *target.Task, err error) {
	var sense scsi.Sense
	if !errors.As(err, &sense) && !errors.Is(err, context.Canceled) && !errors.Is(err, target.ErrAborted) {
		c.log.Error("a cartridge could not be moved", "error", err)
		c.flags.Raise(alert.RobotHardwareB)
	}
	c.FailWith(t, err)
}

// position is POSITION TO ELEMENT (SMC-3 6.10): there is nothing to position.
func (c *Changer) position(t *target.Task) {
	p, err := cdb.ParsePositionToElement(t.CDB)
	elements := c.inventory.Elements()
	if err == nil {
		err = c.transport(elements, p.Transport)
	}
	if _, ok := element(elements, p.Destination); err == nil && !ok {
		err = scsi.IllegalRequest(scsi.ASCInvalidElementAddress)
	}
	if err != nil {
		c.FailWith(t, err)
		return
	}
	c.Good(t)
}

// initialize is INITIALIZE ELEMENT STATUS (SMC-3 6.5), with and without a range. All elements are looked at: it is cheap.
func (c *Changer) initialize(t *target.Task) {
	c.Workers().Run(t, func(t *target.Task) {
		if err := c.inventory.Rescan(t.Context()); err != nil {
			c.log.Error("the elements of a library could not be looked at", "error", err)
			c.flags.Raise(alert.RobotInventory)
			c.FailWith(t, err)
			return
		}
		c.statistics.scanned(c.inventory.Elements())
		c.Good(t)
	})
}

// importExport is OPEN/CLOSE IMPORT/EXPORT ELEMENT (SMC-3 6.9).
func (c *Changer) importExport(t *target.Task) {
	d, err := cdb.ParseImportExport(t.CDB)
	if err == nil && d.Action > cdb.CloseElement {
		err = scsi.InvalidFieldInCDB(4, 4)
	}
	if e, ok := element(c.inventory.Elements(), d.Element); err == nil && (!ok || e.Type != Mail) {
		err = scsi.IllegalRequest(scsi.ASCInvalidElementAddress)
	}
	if err != nil {
		c.FailWith(t, err)
		return
	}
	c.Workers().Run(t, func(t *target.Task) {
		if err := c.inventory.Door(t.Context(), d.Element, d.Action == cdb.OpenElement); err != nil {
			c.failMove(t, err)
			return
		}
		if d.Action == cdb.OpenElement {
			c.statistics.doors.Add(1)
		}
		c.announce(true, t.ITL())
		c.Good(t)
	})
}

// prevent is PREVENT ALLOW MEDIUM REMOVAL (SPC-5 6.17): for each I_T nexus, and for the mail slots.
func (c *Changer) prevent(t *target.Task) {
	p, err := cdb.ParsePrevent(t.CDB)
	if err == nil && p.Mode > 1 {
		err = scsi.InvalidFieldInCDB(4, 1)
	}
	if err != nil {
		c.FailWith(t, err)
		return
	}
	c.mu.Lock()
	c.setPrevent(c.of(t.ITL()), p.Mode == 1)
	c.mu.Unlock()
	c.Good(t)
}
