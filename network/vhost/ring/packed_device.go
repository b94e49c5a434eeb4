package ring

import (
	"encoding/binary"
	"fmt"
	"sync/atomic"

	"github.com/lunette-io/lunette/internal/guard"
)

// A packedDevice is the device's half of a packed ring (virtio 1.3, 2.8): one ring of descriptors, where the device writes what it gives back over what the driver has posted. Avail is where the driver says when
// it wants to be called, Used where the device says when it wants a kick. What touches the ring is in functions of its own, which package guard calls; they put what they have found into fields.
type packedDevice struct {
	Place
	lap
	eventIndex bool
	area       *packedArea // nil: nobody keeps what the device has
	held       []atomic.Bool
	counts     []uint16     // by ID: entries of a request that the device has
	out        atomic.Int32 // entries of all of these

	// Who takes requests has what follows.
	gatherer
	again []replay
	last  uint32 // position of the next request to take
	id    uint16 // of the request that look has found
	found bool
	moved bool
	on    bool // the driver is asked to kick
	wrong error
	calls struct{ look, peek, want, put, publish func() } // made once: a method as a value allocates

	// Who gives them back has what follows.
	used    uint32 // position of the next that is given back
	told    uint32 // position up to which the driver sees them
	asked   uint32 // told, when it was looked last whether the driver wants to be called
	asks    bool   // publish looks
	back    uint16 // ID of what put gives back
	written uint32
	first   uint32 // ID and flags of the one at told, which are stored last: the driver looks at no other before
	event   uint32 // what the driver has said
}

func newPackedDevice(p Place, o Options, m Memory, s Start) (*packedDevice, error) {
	d := &packedDevice{Place: p, lap: lap(p.Size), eventIndex: o.EventIndex, held: make([]atomic.Bool, p.Size), counts: make([]uint16, p.Size), gatherer: newGatherer(m, o, p.Size)}
	d.calls.look, d.calls.peek, d.calls.want, d.calls.put, d.calls.publish = d.look, d.peek, d.want, d.put, d.publish
	var okLast, okUsed bool
	d.last, okLast = d.position(uint16(s.Base))
	d.used, okUsed = d.position(uint16(s.Base >> 16))
	if !okLast || !okUsed || d.since(d.last, d.used) > uint32(p.Size) {
		return nil, broken("a base of %#x for a ring of %d", s.Base, p.Size)
	}
	if s.Inflight != nil {
		area, err := openPackedArea(s.Inflight, d)
		if err != nil {
			return nil, err
		}
		d.area = area
	}
	d.told, d.asked = d.used, d.used
	return d, nil
}

// Next finds the next request.
func (d *packedDevice) Next(b *Buffers) (bool, error) {
	if d.wrong != nil {
		return false, d.wrong
	}
	b.Again = len(d.again) > 0
	if b.Again {
		d.list, d.id, d.found = append(d.list[:0], d.again[0].list...), d.again[0].id, true
		d.counts[d.id] = uint16(len(d.list))
	} else {
		if err := d.looks(); err != nil {
			return false, err
		}
	}
	switch {
	case d.wrong != nil:
		return false, d.wrong
	case !d.found:
		return false, nil
	}
	n := uint32(len(d.list)) // request does not change it
	b.ID = d.id
	if err := d.request(b); err != nil {
		d.wrong = err
		return false, err
	}
	if b.Again {
		d.again = d.again[1:]
	} else {
		d.last = d.add(d.last, n)
		d.out.Add(int32(n))
	}
	d.held[d.id].Store(true)
	return true, nil
}

// posted reports the word of ID and flags at the next position, and whether the driver has posted something there.
func (d *packedDevice) posted() (word uint32, ok bool) {
	entry, wrap := d.split(d.last)
	word = load32(d.Desc, entry*descriptorSize+12)
	return word, uint16(word>>16)&flagsLap == available(wrap)
}

// looks calls look. What the driver posts again as soon as it sees that it has it back is not to be taken before Publish has noted that in the area.
func (d *packedDevice) looks() error {
	if d.area == nil {
		return guard.Do(d.calls.look)
	}
	d.area.mu.Lock()
	defer d.area.mu.Unlock()
	return guard.Do(d.calls.look)
}

// look finds the next request and reads its descriptors.
func (d *packedDevice) look() {
	word, ok := d.posted()
	if d.found = ok; !ok {
		return
	}
	d.list = d.list[:0]
	room := uint32(d.lap) - uint32(d.out.Load())
	for at := d.last; ; at = d.add(at, 1) {
		if len(d.list) == cap(d.list) {
			d.wrong = broken("a request of more than %d descriptors", len(d.list))
			return
		}
		if uint32(len(d.list)) >= room {
			d.wrong = broken("requests of more descriptors than the ring's %d", d.lap)
			return
		}
		entry, _ := d.split(at)
		var raw [descriptorSize]byte
		copy(raw[:], d.Desc[entry*descriptorSize:])
		e := parsePacked(raw[:])
		if len(d.list) == 0 {
			e.other, e.flags = uint16(word), uint16(word>>16)
		}
		d.list = append(d.list, e)
		if e.flags&flagNext == 0 || e.flags&flagIndirect != 0 {
			d.id = e.other
			break
		}
	}
	if uint32(d.id) >= uint32(d.lap) {
		d.wrong = broken("a request with ID %d in a ring of %d", d.id, d.lap)
		return
	}
	if d.held[d.id].Load() {
		d.wrong = broken("a request with ID %d, which the device has", d.id)
		return
	}
	if d.area != nil && d.area.unseen[d.id].Load() {
		d.wrong = broken("a request with ID %d, which the driver does not have back yet", d.id)
		return
	}
	d.counts[d.id] = uint16(len(d.list))
	if d.area != nil && !d.area.take(d.id, d.list) {
		d.wrong = broken("requests over such as were not given back")
	}
}

// Moved reports that there is a request.
func (d *packedDevice) Moved() bool {
	return len(d.again) > 0 || guard.Do(d.calls.peek) != nil || d.moved // a fault is for Next to tell
}

func (d *packedDevice) peek() { _, d.moved = d.posted() }

// Want asks the driver to kick, or not to.
func (d *packedDevice) Want(on bool) (already bool, err error) {
	d.on = on
	if err := guard.Do(d.calls.want); err != nil {
		return false, err
	}
	return d.moved || len(d.again) > 0, nil
}

func (d *packedDevice) want() {
	store32(d.Used, 0, d.lap.event(d.on, d.eventIndex, d.last))
	d.peek()
}

// Put gives a request back.
func (d *packedDevice) Put(id uint16, written uint32) error {
	if uint32(id) >= uint32(d.lap) || !d.held[id].Load() {
		return fmt.Errorf("ring: request %d is given back, which the device does not have", id)
	}
	d.back, d.written = id, written
	if err := guard.Do(d.calls.put); err != nil {
		return err
	}
	n := uint32(d.counts[id])
	d.used = d.add(d.used, n)
	if d.area != nil {
		d.area.batch = append(d.area.batch, id)
		d.area.unseen[id].Store(true) // before it is not held any more
	}
	d.returned(id)
	d.out.Add(-int32(n))
	d.held[id].Store(false)
	return nil
}

func (d *packedDevice) put() {
	entry, wrap := d.split(d.used)
	flags := used(wrap)
	if d.written > 0 {
		flags |= flagWrite // only then the length counts (2.8.6)
	}
	at := entry * descriptorSize
	binary.LittleEndian.PutUint32(d.Desc[at+8:], d.written)
	if word := uint32(d.back) | uint32(flags)<<16; d.used == d.told {
		d.first = word
	} else {
		store32(d.Desc, at+12, word)
	}
}

// Publish lets the driver see all that was put. Positions are those of two laps, and at most one lap is put at a time: it is asked at least once in a lap.
func (d *packedDevice) Publish(ask bool) (call bool, err error) {
	d.asks = ask || d.since(d.used, d.asked) >= uint32(d.lap)
	if d.used == d.told && (!d.asks || d.used == d.asked) {
		return false, nil
	}
	if d.area != nil {
		d.area.mu.Lock()
		defer d.area.mu.Unlock()
	}
	if err := guard.Do(d.calls.publish); err != nil {
		return false, err
	}
	d.told = d.used
	if !d.asks {
		return false, nil
	}
	old := d.asked
	d.asked = d.used
	return d.wanted(d.event, d.eventIndex, old, d.used), nil
}

func (d *packedDevice) publish() {
	if d.used != d.told {
		if d.area != nil {
			d.area.free(d.lap.word(d.used))
		}
		entry, _ := d.split(d.told)
		store32(d.Desc, entry*descriptorSize+12, d.first)
		if d.area != nil {
			d.area.published()
		}
	}
	if d.asks {
		d.event = load32(d.Avail, 0)
	}
}

// Base is the positions of the next request and of the next that is given back.
func (d *packedDevice) Base() uint32 { return uint32(d.word(d.last)) | uint32(d.word(d.used))<<16 }
