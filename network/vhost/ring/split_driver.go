package ring

import (
	"encoding/binary"
	"fmt"
)

// A splitDriver is the driver's half of a split ring. What it knows of its requests it keeps to itself, and reads nothing of it from the ring.
type splitDriver struct {
	Place
	Tables
	size       uint16
	mask       uint16
	eventIndex bool
	fence      barrier

	free  uint16     // the first descriptor that is free; they are a list
	room  int        // how many are
	next  []uint16   // by descriptor: the next of its list
	posts []posted   // by head
	all   []combined // of the request that is being added

	avail uint16 // index of the next request
	told  uint16 // index that the device sees
	used  uint16 // index of the next that comes back
	mute  uint32 // flags of the avail ring
}

// posted is a request that the device has.
type posted struct {
	token uint64
	n     int // descriptors of the ring; 0: the device does not have it
}

// combined is a piece of a request, and which way it goes.
type combined struct {
	Piece
	write bool
}

func newSplitDriver(p Place, o Options, t Tables) (*splitDriver, error) {
	if !aligned(p.Avail, 4) {
		return nil, fmt.Errorf("ring: a driver wants its part aligned to 4 bytes")
	}
	d := &splitDriver{Place: p, Tables: t, size: uint16(p.Size), mask: uint16(p.Size - 1), eventIndex: o.EventIndex, room: p.Size, next: make([]uint16, p.Size), posts: make([]posted, p.Size)}
	for i := range d.next {
		d.next[i] = uint16(i + 1)
	}
	return d, nil
}

// combine puts what goes out and what comes in into one list.
func combine(to []combined, out, in []Piece) []combined {
	to = to[:0]
	for _, p := range out {
		to = append(to, combined{p, false})
	}
	for _, p := range in {
		to = append(to, combined{p, true})
	}
	return to
}

func (c *combined) flags() uint16 {
	if c.write {
		return flagWrite
	}
	return 0
}

// Add posts a request.
func (d *splitDriver) Add(out, in []Piece, token uint64) error {
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
	case take > d.room:
		return ErrFull
	}
	head := d.free
	if indirect {
		table, addr := d.of(head)
		for i, p := range d.all {
			e := descriptor{addr: p.Addr, len: p.Len, flags: p.flags(), other: uint16(i + 1)}
			if i < n-1 {
				e.flags |= flagNext
			} else {
				e.other = 0
			}
			e.put(table[i*descriptorSize:])
		}
		descriptor{addr: addr, len: uint32(n * descriptorSize), flags: flagIndirect}.put(d.Desc[int(head)*descriptorSize:])
		d.free = d.next[head]
	} else {
		for i, p := range d.all {
			e := descriptor{addr: p.Addr, len: p.Len, flags: p.flags()}
			if i < n-1 {
				e.flags |= flagNext
				e.other = d.next[d.free]
			}
			e.put(d.Desc[int(d.free)*descriptorSize:])
			d.free = d.next[d.free]
		}
	}
	d.room -= take
	d.posts[head] = posted{token, take}
	binary.LittleEndian.PutUint16(d.Avail[4+2*int(d.avail&d.mask):], head)
	d.avail++
	return nil
}

// Kick lets the device see all that was added.
func (d *splitDriver) Kick() bool {
	if d.avail == d.told {
		return false
	}
	old := d.told
	store32(d.Avail, 0, d.mute|uint32(d.avail)<<16)
	d.told = d.avail
	if d.eventIndex {
		event := load16(d.Used, 4+8*int(d.size))
		return d.avail-event-1 < d.avail-old
	}
	return load16(d.Used, 0)&1 == 0
}

// Get takes a request that the device has given back.
func (d *splitDriver) Get() (token uint64, written uint32, ok bool, err error) {
	if load16(d.Used, 2) == d.used {
		return 0, 0, false, nil
	}
	e := d.Used[4+8*int(d.used&d.mask):]
	id, written := binary.LittleEndian.Uint32(e), binary.LittleEndian.Uint32(e[4:])
	if id >= uint32(d.size) || d.posts[id].n == 0 {
		return 0, 0, false, fmt.Errorf("ring: the device gives request %d back, which it does not have", id)
	}
	head := uint16(id)
	p := &d.posts[head]
	last := head
	for range p.n - 1 {
		last = d.next[last]
	}
	d.next[last] = d.free
	d.free = head
	d.room += p.n
	p.n = 0
	d.used++
	return p.token, written, true, nil
}

// Want asks the device to call, or not to.
func (d *splitDriver) Want(on bool) (already bool) {
	switch {
	case d.eventIndex && !on:
		return false
	case d.eventIndex:
		store16(d.Avail, 4+2*int(d.size), d.used)
		d.fence.wait()
	default:
		d.mute = 1
		if on {
			d.mute = 0
		}
		store32(d.Avail, 0, d.mute|uint32(d.told)<<16)
	}
	return load16(d.Used, 2) != d.used
}
