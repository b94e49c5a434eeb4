package changer

import (
	"slices"
	"strings"

	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/scsi/cdb"
	"github.com/lunette-io/lunette/scsi/page"
	"github.com/lunette-io/lunette/target"
)

// inline is of how many elements the status is answered where the command arrives; that of more is put together on a worker.
const inline = 2048

// chunk is how much of an answer is put together before it is copied to where it is sent from.
const chunk = 32 << 10

// A query is what an initiator asks about elements.
type query struct {
	start      uint16
	count      uint16
	kind       ElementType // 0: all
	tags       bool
	identified bool                // with identifiers of drives
	action     uint8               // in the header
	matches    func(*Element) bool // nil: all
	allocation uint32
}

func (q *query) wants(e *Element) bool {
	return (q.kind == 0 || e.Type == q.kind) && (q.matches == nil || q.matches(e))
}

// A run is consecutive elements of a query that have one type: they share a page of the answer.
type run struct {
	kind  ElementType
	count int
}

// readStatus is READ ELEMENT STATUS (SMC-3 6.11), from a snapshot: it waits for no move.
func (c *Changer) readStatus(t *target.Task) {
	r, err := cdb.ParseReadElementStatus(t.CDB)
	if err == nil && r.Type > uint8(Drive) {
		err = scsi.InvalidFieldInCDB(1, 3)
	}
	if err != nil {
		c.FailWith(t, err)
		return
	}
	q := query{start: r.Start, count: r.Count, kind: ElementType(r.Type), tags: r.Tags, identified: r.Identifiers, allocation: r.Allocation}
	if len(c.addresses) <= inline {
		c.answer(t, &q)
		return
	}
	c.Workers().Run(t, func(t *target.Task) { c.answer(t, &q) })
}

// answer ends t with the status of the elements of q. Its lengths are those of all of it, however much of it is asked for; only
// as much is put together.
func (c *Changer) answer(t *target.Task, q *query) {
	elements := c.inventory.Elements()
	from, _ := slices.BinarySearchFunc(elements, q.start, func(e Element, a uint16) int { return int(e.Address) - int(a) })
	elements = elements[from:]
	h := page.ElementHeader{Action: q.action}
	var runs []run
	var total int64
	for i := range elements {
		e := &elements[i]
		if h.Count == q.count {
			elements = elements[:i]
			break
		}
		if !q.wants(e) {
			continue
		}
		if h.Count++; h.Count == 1 {
			h.First = e.Address
		}
		if n := len(runs); n == 0 || runs[n-1].kind != e.Type {
			runs = append(runs, run{kind: e.Type})
			total += page.ElementPageHeaderLen
		}
		runs[len(runs)-1].count++
		total += int64(c.descriptor(q, e.Type))
	}
	h.Bytes = uint32(total)
	total = min(total+page.ElementHeaderLen, int64(q.allocation))
	if total == 0 {
		c.Good(t)
		return
	}
	l, err := t.Memory(total)
	if err != nil {
		c.FailWith(t, err)
		return
	}
	var at int64
	b := h.Append(make([]byte, 0, min(chunk+512, total+512)))
	left := 0 // elements of the run that are still to come
	for i := range elements {
		e := &elements[i]
		if !q.wants(e) {
			continue
		}
		if at+int64(len(b)) >= total {
			break
		}
		size := c.descriptor(q, e.Type)
		if left == 0 {
			left = runs[0].count
			runs = runs[1:]
			b = page.ElementPage{Type: uint8(e.Type), Tags: q.tags, Length: uint16(size), Bytes: uint32(left * size)}.Append(b)
		}
		left--
		b = c.describe(q, e).Append(b, q.tags, size)
		if len(b) >= chunk {
			at += int64(l.Copy(at, b[:min(int64(len(b)), total-at)]))
			b = b[:0]
		}
	}
	l.Copy(at, b[:min(int64(len(b)), total-at)])
	t.Respond(target.Response{Moves: total, DataIn: l})
}

// descriptor is the length of the descriptors of elements of a type.
func (c *Changer) descriptor(q *query, kind ElementType) int {
	n := page.ElementDescriptorLen
	if q.tags {
		n += page.VolumeTagLen
	}
	if kind == Drive && c.identifies(q) {
		n += c.identifier
	}
	return n
}

// identifies reports that drives have their identifiers in the answer.
func (c *Changer) identifies(q *query) bool { return q.identified || c.model.IdentifierAlways }

// describe is what is said of an element.
func (c *Changer) describe(q *query, e *Element) page.ElementDescriptor {
	d := page.ElementDescriptor{Address: e.Address, Problem: e.Problem, Disabled: e.Disabled, Tag: e.Barcode}
	set := func(on bool, bit byte) {
		if on {
			d.Flags |= bit
		}
	}
	set(e.Full, page.ElementFull)
	set(e.Problem != 0, page.ElementProblem)
	set(e.Access && e.Type != Transport, page.ElementAccess)
	if e.Type == Mail {
		set(e.Imported, page.ElementImported)
		set(true, page.ElementImports|page.ElementExports)
	}
	if e.Full {
		d.Source, d.SourceValid = e.Source, e.SourceValid
		switch {
		case e.Cleaning:
			d.Medium = page.MediumCleaning
		case e.WORM:
			d.Medium = page.MediumWORM
		default:
			d.Medium = page.MediumData
		}
	}
	if c.identifies(q) {
		d.Identifier = c.identify(*e)
	}
	return d
}

// identify names the drive of an element: as its own VPD pages do, so that programs find which is which.
func (c *Changer) identify(e Element) page.Designator {
	if e.Drive == nil {
		return page.Designator{}
	}
	if c.model.Identifier == "serial" {
		serial := e.Drive.Serial + strings.Repeat(" ", max(c.model.IdentifierLength-len(e.Drive.Serial), 0))
		return page.Designator{CodeSet: page.CodeASCII, Type: page.DesignatorVendorSpecific, Data: []byte(serial)}
	}
	serial := e.Drive.Serial + strings.Repeat(" ", max(10-len(e.Drive.Serial), 0))
	return page.T10FieldsDesignator(e.Drive.Vendor, e.Drive.Product, serial)
}
