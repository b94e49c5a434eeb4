package ring

import (
	"encoding/binary"
	"fmt"
)

// A packedDriver is the driver's half of a packed ring. What it knows of its requests it keeps to itself, and reads nothing of it from the ring.
type packedDriver struct {
	Place
	Tables
	lap
	eventIndex bool

	ids   []uint16 // that are free
	posts []posted // by ID
	room  int      // entries that are free
	all   []combined

	next  uint32 // position of the next request
	told  uint32 // position up to which the device sees them
	first uint32 // ID and flags of the entry at told, which are stored last
	used  uint32 // position of the next that comes back
}

func newPackedDriver(p Place, o Options, t Tables) *packedDriver {
	d := &packedDriver{Place: p, Tables: t, lap: lap(p.Size), eventIndex: o.EventIndex, room: p.Size, posts: make([]posted, p.Size)}
	for i := range p.Size {
		d.ids = append(d.ids, uint16(p.Size-1-i))
	}
	return d
}

// Add posts a request.
func (d *packedDriver) Add(out, in []Piece, token uint64) error {
	d.all = combine(d.all, out, in)
	n := len(d.all)
	indirect := n > 1 && n <= d.Entries
	take := n
	if indirect {
		take = 1
	}
	switch {
	case n == 0:
		return fmt.Errorf("ring: a request of nothing")
	case take > d.room || len(d.ids) == 0:
		return ErrFull
	}
	id := d.ids[len(d.ids)-1]
	d.ids = d.ids[:len(d.ids)-1]
	d.posts[id] = posted{token, take}
	d.room -= take
	if indirect {
		table, addr := d.of(id)
		for i, p := range d.all {
			descriptor{addr: p.Addr, len: p.Len, other: p.flags()}.put(table[i*descriptorSize:])
		}
		d.entry(addr, uint32(n*descriptorSize), id, flagIndirect)
		return nil
	}
	// The entries after the first are written before it, as the device may look at it at any time when it is not the first that the device does not see.
	head := d.next
	for i, p := range d.all[1:] {
		d.next = d.add(head, uint32(i+1))
		flags := p.flags()
		if i+2 < n {
			flags |= flagNext
		}
		d.entry(p.Addr, p.Len, id, flags)
	}
	end := d.add(head, uint32(n))
	d.next = head
	flags := d.all[0].flags()
	if n > 1 {
		flags |= flagNext
	}
	d.entry(d.all[0].Addr, d.all[0].Len, id, flags)
	d.next = end
	return nil
}

// entry writes the entry at next, and goes on to the one after it.
func (d *packedDriver) entry(addr uint64, n uint32, id, flags uint16) {
	entry, wrap := d.split(d.next)
	at := entry * descriptorSize
	binary.LittleEndian.PutUint64(d.Desc[at:], addr)
	binary.LittleEndian.PutUint32(d.Desc[at+8:], n)
	if word := uint32(id) | uint32(flags|available(wrap))<<16; d.next == d.told {
		d.first = word
	} else {
		store32(d.Desc, at+12, word)
	}
	d.next = d.add(d.next, 1)
}

// Kick lets the device see all that was added.
func (d *packedDriver) Kick() bool {
	if d.next == d.told {
		return false
	}
	entry, _ := d.split(d.told)
	store32(d.Desc, entry*descriptorSize+12, d.first)
	old := d.told
	d.told = d.next
	return d.wanted(load32(d.Used, 0), d.eventIndex, old, d.next)
}

// Get takes a request that the device has given back.
func (d *packedDriver) Get() (token uint64, written uint32, ok bool, err error) {
	word, ok := d.returned()
	if !ok {
		return 0, 0, false, nil
	}
	id := uint16(word)
	if int(id) >= len(d.posts) || d.posts[id].n == 0 {
		return 0, 0, false, fmt.Errorf("ring: the device gives request %d back, which it does not have", id)
	}
	if word>>16&flagWrite != 0 {
		entry, _ := d.split(d.used)
		written = binary.LittleEndian.Uint32(d.Desc[entry*descriptorSize+8:])
	}
	p := &d.posts[id]
	d.used = d.add(d.used, uint32(p.n))
	d.room += p.n
	p.n = 0
	d.ids = append(d.ids, id)
	return p.token, written, true, nil
}

// returned reports the word of ID and flags at the next position, and whether the device has given something back there.
func (d *packedDriver) returned() (word uint32, ok bool) {
	if d.room == int(d.lap) {
		return 0, false // it has nothing
	}
	entry, wrap := d.split(d.used)
	word = load32(d.Desc, entry*descriptorSize+12)
	return word, uint16(word>>16)&flagsLap == used(wrap)
}

// Want asks the device to call, or not to.
func (d *packedDriver) Want(on bool) (already bool) {
	store32(d.Avail, 0, d.lap.event(on, d.eventIndex, d.used))
	_, already = d.returned()
	return already
}
