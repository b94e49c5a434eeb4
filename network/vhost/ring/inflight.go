package ring

import (
	"cmp"
	"encoding/binary"
	"slices"
	"sync"

	"github.com/lunette-io/lunette/internal/guard"
)

// What a device has is noted in memory that the front-end keeps, so that a device after it knows what the driver waits for (vhost-user, “Inflight I/O tracking”). The front-end is believed no more than
// the driver: all that is read is read once and checked.

// InflightSize is how many bytes of that memory a queue of size entries takes: a multiple of 64.
func InflightSize(size int, packed bool) int {
	n := splitHeader + size*splitEntry
	if packed {
		n = packedHeader + size*packedEntry
	}
	return (n + 63) &^ 63
}

// A splitArea is the part of a queue with a split ring:
//
//	features u64, version u16, desc_num u16, last_batch_head u16, used_idx u16
//	{inflight u8, padding, next u16 at 6, counter u64 at 8} [desc_num]
//
// What was given back but is not published yet is a list, from last_batch_head by next: it is as long as the used ring is ahead of used_idx. A device that dies after it has published the list, and before
// it has noted that in each entry, leaves enough to do so later.
//
// Its methods touch the memory: package guard calls them.
type splitArea struct {
	mem []byte
	// mu: what Publish does is one step to who takes.
	mu      sync.Mutex
	counter uint64   // of the next that is taken
	head    uint16   // last_batch_head
	batch   []uint16 // what was given back and is not published
}

const (
	splitHeader = 16
	splitEntry  = 16

	areaVersion = 1
)

// openSplitArea finds out what the device has, oldest first, when the index of the used ring is used. fresh: nobody has used the area before.
func openSplitArea(mem []byte, size int, used uint16) (a *splitArea, again []uint16, fresh bool, err error) {
	need := splitHeader + size*splitEntry
	if len(mem) < need || !aligned(mem, 8) {
		return nil, nil, false, broken("an in-flight area of %d bytes for a ring of %d", len(mem), size)
	}
	a = &splitArea{mem: mem, batch: make([]uint16, 0, size)}
	was := make([]byte, need)
	if _, err := guard.Copy(was, mem); err != nil {
		return nil, nil, false, err
	}
	switch version := binary.LittleEndian.Uint16(was[8:]); version {
	case 0:
		fresh = true
		clear(was)
	case areaVersion:
		if again, err = a.recover(was, size, used); err != nil {
			return nil, nil, false, err
		}
	default:
		return nil, nil, false, broken("an in-flight area of version %d", version)
	}
	binary.LittleEndian.PutUint16(was[8:], areaVersion)
	binary.LittleEndian.PutUint16(was[10:], uint16(min((len(mem)-splitHeader)/splitEntry, MaxSize)))
	binary.LittleEndian.PutUint16(was[14:], used)
	a.head = binary.LittleEndian.Uint16(was[12:])
	// The version is last: a device that dies before that starts anew.
	if _, err := guard.Copy(mem[splitHeader:], was[splitHeader:]); err != nil {
		return nil, nil, false, err
	}
	_, err = guard.Copy(mem, was[:splitHeader])
	return a, again, fresh, err
}

// recover makes a copy of the area right, and says what the device has.
func (a *splitArea) recover(was []byte, size int, used uint16) ([]uint16, error) {
	entry := func(i uint16) []byte { return was[splitHeader+int(i)*splitEntry:] }
	behind := used - binary.LittleEndian.Uint16(was[14:])
	if int(behind) <= size {
		at := binary.LittleEndian.Uint16(was[12:])
		for range behind {
			if int(at) >= size {
				return nil, broken("entry %d of an in-flight area for %d", at, size)
			}
			entry(at)[0] = 0
			at = binary.LittleEndian.Uint16(entry(at)[6:])
		}
	}
	var again []uint16
	for i := range uint16(size) {
		if entry(i)[0] == 0 {
			continue
		}
		again = append(again, i)
		a.counter = max(a.counter, a.count(was, i)+1)
	}
	if int(behind) > size && len(again) > 0 {
		return nil, broken("an in-flight area that is %d behind a ring of %d", behind, size)
	}
	slices.SortStableFunc(again, func(i, j uint16) int {
		return cmp.Compare(a.count(was, i), a.count(was, j))
	})
	return again, nil
}

func (a *splitArea) count(was []byte, i uint16) uint64 {
	return binary.LittleEndian.Uint64(was[splitHeader+int(i)*splitEntry+8:])
}

// take notes that the device has a request. The caller has mu.
func (a *splitArea) take(head uint16) {
	e := a.mem[splitHeader+int(head)*splitEntry:]
	binary.LittleEndian.PutUint64(e[8:], a.counter)
	a.counter++
	e[0] = 1
}

// put notes that it is given back with the next index of the used ring.
func (a *splitArea) put(head uint16) {
	binary.LittleEndian.PutUint16(a.mem[splitHeader+int(head)*splitEntry+6:], a.head)
	binary.LittleEndian.PutUint16(a.mem[12:], head)
	a.head = head
	a.batch = append(a.batch, head)
}

// published notes that the driver sees all that was put, up to the index used. The caller has mu.
func (a *splitArea) published(used uint16) {
	for _, head := range a.batch {
		a.mem[splitHeader+int(head)*splitEntry] = 0
	}
	a.batch = a.batch[:0]
	binary.LittleEndian.PutUint16(a.mem[14:], used)
}
