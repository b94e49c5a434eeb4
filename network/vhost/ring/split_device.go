package ring

import (
	"encoding/binary"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/lunette-io/lunette/internal/guard"
)

// A splitDevice is the device's half of a split ring (virtio 1.3, 2.7):
//
//	avail   flags u16, index u16, heads u16[size], used_event u16
//	used    flags u16, index u16, {id u32, len u32}[size], avail_event u16
//
// Indices count to 65535 and go on with 0. What touches the ring is in functions of its own, which package guard calls; they put what they have found into fields.
type splitDevice struct {
	Place
	size       uint16
	mask       uint16
	eventIndex bool
	area       *splitArea // nil: nobody keeps what the device has
	held       []atomic.Bool
	fence      barrier

	// Who takes requests has what follows.
	gatherer
	again []uint16 // heads that a device before this one has had
	last  uint16   // index of the next request to take
	seen  uint16   // the driver's index, when it was read last
	head  uint16   // of the request that look has found
	found bool
	moved bool
	on    bool // the driver is asked to kick
	wrong error
	calls struct{ look, peek, want, put, publish func() } // made once: a method as a value allocates

	// Who gives them back has what follows.
	used    uint16 // index of the next that is given back
	told    uint16 // index that the driver sees
	asked   uint16 // told, when it was looked last whether the driver wants to be called
	asks    bool   // publish looks
	id      uint16 // of what put gives back
	written uint32
	event   uint16 // the driver's used_event, or its flags

	word sync.Mutex // without EventIndex, for flags and index of the used ring, which are one word: flags is who takes' and index who gives back's
	mute uint32     // those flags; guarded by word
}

func newSplitDevice(p Place, o Options, m Memory, s Start) (*splitDevice, error) {
	d := &splitDevice{Place: p, size: uint16(p.Size), mask: uint16(p.Size - 1), eventIndex: o.EventIndex, held: make([]atomic.Bool, p.Size), gatherer: newGatherer(m, o, p.Size), last: uint16(s.Base)}
	d.calls.look, d.calls.peek, d.calls.want, d.calls.put, d.calls.publish = d.look, d.peek, d.want, d.put, d.publish
	if err := guard.Do(func() { d.used = load16(d.Used, 2) }); err != nil {
		return nil, err
	}
	d.told, d.asked = d.used, d.used
	if s.Inflight != nil {
		area, again, fresh, err := openSplitArea(s.Inflight, p.Size, d.used)
		if err != nil {
			return nil, err
		}
		d.area, d.again = area, again
		if !fresh {
			// The front-end cannot ask a device that has died for the base: what it says then is a guess.
			d.last = d.used + uint16(len(again))
		}
	}
	d.seen = d.last
	return d, nil
}

// Next finds the next request.
func (d *splitDevice) Next(b *Buffers) (bool, error) {
	b.Again = len(d.again) > 0
	switch err := d.looks(); {
	case err != nil:
		return false, err
	case d.wrong != nil:
		return false, d.wrong
	case !d.found:
		return false, nil
	}
	b.ID = d.head
	if err := d.request(b); err != nil {
		d.wrong = err
		return false, err
	}
	if b.Again {
		d.again = d.again[1:]
	} else {
		d.last++
	}
	d.held[d.head].Store(true)
	return true, nil
}

// looks calls look. What the driver posts again as soon as it sees that it has it back is not to be taken before Publish has noted that in the area.
func (d *splitDevice) looks() error {
	if d.area == nil {
		return guard.Do(d.calls.look)
	}
	d.area.mu.Lock()
	defer d.area.mu.Unlock()
	return guard.Do(d.calls.look)
}

// look finds the head of the next request and reads its descriptors.
func (d *splitDevice) look() {
	d.found = false
	if d.wrong != nil {
		return
	}
	if len(d.again) > 0 {
		d.head = d.again[0]
	} else {
		if d.seen == d.last {
			index := load16(d.Avail, 2)
			if index == d.last {
				return
			}
			if n := index - d.last; n > d.size {
				d.wrong = broken("%d new requests in a ring of %d", n, d.size)
				return
			}
			d.seen = index
		}
		d.head = binary.LittleEndian.Uint16(d.Avail[4+2*int(d.last&d.mask):])
	}
	if d.head >= d.size {
		d.wrong = broken("descriptor %d of a ring that has %d", d.head, d.size)
		return
	}
	if d.held[d.head].Load() {
		d.wrong = broken("descriptor %d, which the device has", d.head)
		return
	}
	if d.area != nil && len(d.again) == 0 {
		d.area.take(d.head)
	}
	d.found = d.walk(d.head)
}

// walk reads a chain of descriptors into the list.
func (d *splitDevice) walk(at uint16) bool {
	d.list = d.list[:0]
	for {
		if at >= d.size {
			d.wrong = broken("descriptor %d of a ring that has %d", at, d.size)
			return false
		}
		if len(d.list) == cap(d.list) {
			d.wrong = broken("a request of more than %d descriptors, or a loop", len(d.list))
			return false
		}
		var raw [descriptorSize]byte
		copy(raw[:], d.Desc[int(at)*descriptorSize:])
		e := parseSplit(raw[:])
		d.list = append(d.list, e)
		if e.flags&flagNext == 0 || e.flags&flagIndirect != 0 {
			return true
		}
		at = e.other
	}
}

// Moved reports that there is a request.
func (d *splitDevice) Moved() bool {
	if d.seen != d.last || len(d.again) > 0 {
		return true
	}
	return guard.Do(d.calls.peek) != nil || d.moved // a fault is for Next to tell
}

func (d *splitDevice) peek() { d.moved = load16(d.Avail, 2) != d.last }

// Want asks the driver to kick, or not to. With an event index there is nothing to do for the latter: the driver kicks once, when it gets past the index.
func (d *splitDevice) Want(on bool) (already bool, err error) {
	if d.eventIndex && !on {
		return false, nil
	}
	d.on = on
	if !d.eventIndex {
		d.word.Lock()
		defer d.word.Unlock()
	}
	if err := guard.Do(d.calls.want); err != nil {
		return false, err
	}
	return d.moved || d.seen != d.last || len(d.again) > 0, nil
}

func (d *splitDevice) want() {
	if d.eventIndex {
		store16(d.Used, 4+8*int(d.size), d.last)
		d.fence.wait()
	} else {
		d.mute = 1
		if d.on {
			d.mute = 0
		}
		// Publish stores its index in the same word, with these flags.
		store32(d.Used, 0, d.mute|uint32(d.told)<<16)
	}
	d.moved = load16(d.Avail, 2) != d.last
}

// Put gives a request back.
func (d *splitDevice) Put(id uint16, written uint32) error {
	if id >= d.size || !d.held[id].Load() {
		return fmt.Errorf("ring: request %d is given back, which the device does not have", id)
	}
	d.id, d.written = id, written
	if err := guard.Do(d.calls.put); err != nil {
		return err
	}
	d.used++
	d.returned(id)
	d.held[id].Store(false)
	return nil
}

func (d *splitDevice) put() {
	if d.area != nil {
		d.area.put(d.id)
	}
	e := d.Used[4+8*int(d.used&d.mask):]
	binary.LittleEndian.PutUint32(e, uint32(d.id))
	binary.LittleEndian.PutUint32(e[4:], d.written)
}

// Publish lets the driver see all that was put. Indices go round: it is asked at least once in a round of the ring.
func (d *splitDevice) Publish(ask bool) (call bool, err error) {
	d.asks = ask || d.used-d.asked >= d.size
	if d.used == d.told && (!d.asks || d.used == d.asked) {
		return false, nil
	}
	if !d.eventIndex {
		d.word.Lock()
		defer d.word.Unlock()
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
	if d.eventIndex {
		return d.used-d.event-1 < d.used-old, nil
	}
	return d.event&1 == 0, nil
}

func (d *splitDevice) publish() {
	store32(d.Used, 0, d.mute|uint32(d.used)<<16)
	if d.area != nil {
		d.area.published(d.used)
	}
	switch {
	case !d.asks:
	case d.eventIndex:
		d.event = load16(d.Avail, 4+2*int(d.size))
	default:
		d.event = load16(d.Avail, 0)
	}
}

// Base is the index of the next request.
func (d *splitDevice) Base() uint32 { return uint32(d.last) }
