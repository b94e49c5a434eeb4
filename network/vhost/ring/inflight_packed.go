package ring

import (
	"cmp"
	"encoding/binary"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/lunette-io/lunette/internal/guard"
)

// A packedArea is the part of a queue with a packed ring. Entries of such a ring are written over while the device has what they said, so they are kept here:
//
//	features u64, version u16, desc_num u16, free_head u16, old_free_head u16, used_idx u16, old_used_idx u16, used_wrap_counter u8, old_used_wrap_counter u8, padding to 32
//	{inflight u8, padding, next u16 at 2, last u16, num u16, counter u64, id u16, flags u16, len u32, addr u64} [desc_num]
//
// Entries that are free are a list, from free_head by next; a request takes as many from its front as it has descriptors. What is without “old” is ahead of the ring while the device publishes what it has given
// back; one look at the ring tells a device after it whether the driver has seen that.
//
// Its methods touch the memory: package guard calls them, and the caller has mu. What they find their way by is not read from there.
type packedArea struct {
	mem []byte
	// mu: what Publish does is one step to who takes.
	mu      sync.Mutex
	counter uint64   // of the next that is taken
	next    []uint16 // by entry
	head    uint16   // free_head
	heads   []uint16 // by ID: the first entry of a request, and the last
	lasts   []uint16
	batch   []uint16      // IDs of what was given back and is not published; who gives back has it
	unseen  []atomic.Bool // by ID: it is in batch, so that no driver that keeps the rules can have posted it again
	word    uint16        // used_idx and used_wrap_counter, while it is published
}

const (
	packedHeader = 32
	packedEntry  = 32

	// Where the fields of the header are.
	atVersion, atNumber                  = 8, 10
	atFreeHead, atOldFreeHead            = 12, 14
	atUsedIndex, atOldUsedIndex          = 16, 18
	atUsedWrap, atOldUsedWrap            = 20, 21
	atNext, atLast, atNum, atCounter     = 2, 4, 6, 8 // and of an entry
	atID, atFlags, atLen, atAddr     int = 16, 18, 20, 24
)

// A replay is a request that a device before this one has had.
type replay struct {
	id      uint16
	counter uint64
	list    []descriptor
}

func (a *packedArea) entry(i uint16) []byte {
	return a.mem[packedHeader+int(i)*packedEntry:][:packedEntry]
}

func (a *packedArea) put16(at int, v uint16) { binary.LittleEndian.PutUint16(a.mem[at:], v) }

// openPackedArea makes what d says of its ring agree with the area, or the area with d if nobody has used it before.
func openPackedArea(mem []byte, d *packedDevice) (*packedArea, error) {
	n := min((len(mem)-packedHeader)/packedEntry, MaxSize)
	if n < d.Size || !aligned(mem, 8) {
		return nil, broken("an in-flight area of %d bytes for a ring of %d", len(mem), d.Size)
	}
	a := &packedArea{mem: mem, next: make([]uint16, n), heads: make([]uint16, d.Size), lasts: make([]uint16, d.Size), batch: make([]uint16, 0, d.Size), unseen: make([]atomic.Bool, d.Size)}
	was := make([]byte, packedHeader+n*packedEntry)
	if _, err := guard.Copy(was, mem); err != nil {
		return nil, err
	}
	switch version := binary.LittleEndian.Uint16(was[atVersion:]); version {
	case 0:
		return a, a.fresh(was, d)
	case areaVersion:
		return a, a.recover(was, d)
	default:
		return nil, broken("an in-flight area of version %d", version)
	}
}

// fresh lays the area out. The version is last: a device that dies before that starts anew.
func (a *packedArea) fresh(was []byte, d *packedDevice) error {
	clear(was)
	for i := range a.next {
		a.next[i] = uint16(i + 1)
		binary.LittleEndian.PutUint16(was[packedHeader+i*packedEntry+atNext:], uint16(i+1))
	}
	binary.LittleEndian.PutUint16(was[atVersion:], areaVersion)
	binary.LittleEndian.PutUint16(was[atNumber:], uint16(len(a.next)))
	entry, wrap := d.split(d.used)
	for _, at := range []int{atUsedIndex, atOldUsedIndex} {
		binary.LittleEndian.PutUint16(was[at:], uint16(entry))
	}
	if wrap {
		was[atUsedWrap], was[atOldUsedWrap] = 1, 1
	}
	if _, err := guard.Copy(a.mem[packedHeader:], was[packedHeader:]); err != nil {
		return err
	}
	_, err := guard.Copy(a.mem, was[:packedHeader])
	return err
}

// header is what matters of the area's, in one of its two forms.
type header struct {
	free uint16
	used uint32 // a position
}

func (d *packedDevice) header(was []byte, free, index, wrap int) (header, error) {
	w := binary.LittleEndian.Uint16(was[index:])
	if w >= 1<<15 {
		w = 1<<15 - 1
	}
	if was[wrap] != 0 {
		w |= 1 << 15
	}
	p, ok := d.position(w)
	if !ok {
		return header{}, broken("an in-flight area that is at entry %d of a ring of %d", w&^(1<<15), d.Size)
	}
	return header{binary.LittleEndian.Uint16(was[free:]), p}, nil
}

// recover finds out where the ring is and what the device has. Each step can be done again if the device dies in the middle of it.
func (a *packedArea) recover(was []byte, d *packedDevice) error {
	now, err := d.header(was, atFreeHead, atUsedIndex, atUsedWrap)
	if err != nil {
		return err
	}
	old, err := d.header(was, atOldFreeHead, atOldUsedIndex, atOldUsedWrap)
	if err != nil {
		return err
	}
	is := old
	if now.used != old.used {
		// The driver has seen that it got something back if the entry is not as the driver has posted it.
		entry, wrap := d.split(old.used)
		var word uint32
		if err := guard.Do(func() { word = load32(d.Desc, entry*descriptorSize+12) }); err != nil {
			return err
		}
		if uint16(word>>16)&flagsLap != available(wrap) {
			is = now
		}
	}
	free, err := a.walkFree(was, is.free)
	if err != nil {
		return err
	}
	total, err := a.replays(was, d, free)
	if err != nil {
		return err
	}
	a.head = is.free
	d.used = is.used
	d.last = d.add(d.used, total)
	d.out.Store(int32(total))
	return guard.Do(func() {
		a.settle(d.lap, is, free)
		d.unsay()
	})
}

// walkFree goes through the list of free entries.
func (a *packedArea) walkFree(was []byte, at uint16) ([]bool, error) {
	free := make([]bool, len(a.next))
	for i := range a.next {
		a.next[i] = binary.LittleEndian.Uint16(was[packedHeader+i*packedEntry+atNext:])
	}
	for range a.next {
		if int(at) >= len(free) {
			break
		}
		if free[at] {
			return nil, broken("an in-flight area whose free entries are a loop")
		}
		free[at] = true
		at = a.next[at]
	}
	return free, nil
}

// replays finds the requests that the device has, and reports how many entries of the ring they are. Each entry of the area is free, or of one of them.
func (a *packedArea) replays(was []byte, d *packedDevice, free []bool) (total uint32, err error) {
	count := 0
	for _, f := range free {
		if f {
			count++
		}
	}
	taken, ids := make([]bool, len(free)), make([]bool, d.Size)
	for i := range free {
		e := was[packedHeader+i*packedEntry:]
		if e[0] == 0 || free[i] {
			continue
		}
		r := replay{counter: binary.LittleEndian.Uint64(e[atCounter:])}
		n := binary.LittleEndian.Uint16(e[atNum:])
		if n == 0 || int(n) > min(d.Size, MaxPieces) {
			return 0, broken("an in-flight request of %d descriptors", n)
		}
		at := uint16(i)
		for j := range n {
			if int(at) >= len(free) || free[at] || taken[at] {
				return 0, broken("an in-flight request with entry %d, which is not its own", at)
			}
			taken[at] = true
			x := was[packedHeader+int(at)*packedEntry:]
			r.list = append(r.list, descriptor{
				addr: binary.LittleEndian.Uint64(x[atAddr:]), len: binary.LittleEndian.Uint32(x[atLen:]),
				flags: binary.LittleEndian.Uint16(x[atFlags:]), other: binary.LittleEndian.Uint16(x[atID:]),
			})
			if r.id = r.list[j].other; j == n-1 {
				break
			}
			at = a.next[at]
		}
		if int(r.id) >= d.Size || ids[r.id] {
			return 0, broken("an in-flight request with ID %d in a ring of %d", r.id, d.Size)
		}
		ids[r.id] = true
		a.heads[r.id], a.lasts[r.id] = uint16(i), at
		total += uint32(n)
		a.counter = max(a.counter, r.counter+1)
		d.again = append(d.again, r)
	}
	if int(total) > d.Size || count+int(total) != len(free) {
		return 0, broken("an in-flight area of %d entries, %d of them free, %d in flight", len(free), count, total)
	}
	slices.SortStableFunc(d.again, func(x, y replay) int { return cmp.Compare(x.counter, y.counter) })
	return total, nil
}

// settle makes both forms of the header say is, and clears what is free.
func (a *packedArea) settle(l lap, is header, free []bool) {
	a.put16(atOldFreeHead, is.free)
	a.put16(atFreeHead, is.free)
	a.agree(l.word(is.used))
	for i, f := range free {
		if f {
			a.entry(uint16(i))[0] = 0
		}
	}
}

// unsay takes back what a device has written into the ring before it died and the driver was not to see yet: of many that are given back at a time the first is written last. The driver would see the others as soon as it
// sees one that is given back now.
func (d *packedDevice) unsay() {
	for p := d.used; p != d.last; p = d.add(p, 1) {
		entry, wrap := d.split(p)
		at := entry*descriptorSize + 12
		store32(d.Desc, at, load32(d.Desc, at)&0xffff|uint32(available(wrap))<<16)
	}
}

// agree makes both positions of the header say w, by one store: a device that dies leaves none that is half of one and half of another.
func (a *packedArea) agree(w uint16) {
	index, wrap := uint64(w&^(1<<15)), uint64(w>>15)
	binary.LittleEndian.PutUint64(a.mem[atUsedIndex:], index|index<<16|wrap<<32|wrap<<40)
}

// take notes that the device has a request. It reports false if there is no room, which a driver cannot bring about that knows what it was given back.
func (a *packedArea) take(id uint16, list []descriptor) bool {
	head := a.head
	last, at := head, head
	for range list {
		if int(at) >= len(a.next) {
			return false
		}
		last, at = at, a.next[at]
	}
	e := a.entry(head)
	binary.LittleEndian.PutUint16(e[atNum:], 0)
	binary.LittleEndian.PutUint64(e[atCounter:], a.counter)
	a.counter++
	e[0] = 1
	binary.LittleEndian.PutUint16(e[atLast:], last)
	for i, d := range list {
		binary.LittleEndian.PutUint16(e[atNum:], uint16(i+1))
		x := a.entry(a.head)
		binary.LittleEndian.PutUint16(x[atID:], d.other)
		binary.LittleEndian.PutUint16(x[atFlags:], d.flags)
		binary.LittleEndian.PutUint32(x[atLen:], d.len)
		binary.LittleEndian.PutUint64(x[atAddr:], d.addr)
		a.head = a.next[a.head]
		a.put16(atFreeHead, a.head)
	}
	a.put16(atOldFreeHead, a.head)
	a.heads[id], a.lasts[id] = head, last
	return true
}

// free notes that what was put is given back, with the next of the used positions being w: the ring says so next.
func (a *packedArea) free(w uint16) {
	for _, id := range a.batch {
		binary.LittleEndian.PutUint16(a.entry(a.lasts[id])[atNext:], a.head)
		a.next[a.lasts[id]] = a.head
		a.head = a.heads[id]
		a.put16(atFreeHead, a.head)
	}
	a.word = w
	a.mem[atUsedWrap] = byte(w >> 15)
	a.put16(atUsedIndex, w&^(1<<15))
}

// published notes that the ring has said it.
func (a *packedArea) published() {
	for _, id := range a.batch {
		a.entry(a.heads[id])[0] = 0
		a.unseen[id].Store(false)
	}
	a.batch = a.batch[:0]
	a.put16(atOldFreeHead, a.head)
	a.agree(a.word)
}
