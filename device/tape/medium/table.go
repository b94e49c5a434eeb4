package medium

import (
	"encoding/binary"
	"hash/crc32"
	"slices"
)

const entryLen = 48

// An entry is one of an index: where a frame starts, and in the filemark index how many filemarks it is.
type entry struct {
	position
	count uint32
}

func (e *entry) put(b []byte, seed uint32, i int64) {
	e.position.put(b)
	binary.BigEndian.PutUint32(b[40:], e.count)
	binary.BigEndian.PutUint32(b[44:], entrySum(b, seed, i))
}

// entrySum is the checksum of entry number i, which is right at no other place.
func entrySum(b []byte, seed uint32, i int64) uint32 {
	return crc32.Update(seed+uint32(i), castagnoli, b[:44])
}

// takeEntry reads entry number i; false: it is damaged.
func takeEntry(b []byte, seed uint32, i int64) (e entry, ok bool) {
	if len(b) < entryLen || binary.BigEndian.Uint32(b[44:]) != entrySum(b, seed, i) {
		return e, false
	}
	e.position, ok = takePosition(b)
	e.count = binary.BigEndian.Uint32(b[40:])
	return e, ok
}

// A table is an index: entries in the order of all their fields. Those in the file are durable, the rest waits for that.
type table struct {
	f       file // nil: there is none
	seed    uint32
	n       int64 // in the file
	pending []entry
	buf     [entryLen]byte
	vec     [1][]byte
}

func (t *table) len() int64 { return t.n + int64(len(t.pending)) }

// entry reads entry number i; false: it is damaged.
func (t *table) entry(i int64) (entry, bool) {
	if i >= t.n {
		return t.pending[i-t.n], true
	}
	if t.f == nil {
		return entry{}, false
	}
	t.vec[0] = t.buf[:]
	if _, err := t.f.readv(t.vec[:], i*entryLen); err != nil {
		return entry{}, false
	}
	return takeEntry(t.buf[:], t.seed, i)
}

// search finds the last entry of which before holds, and the first of which it does not: before holds of some first ones
// and of none after them. lo or hi is false if there is no such entry. Damaged entries are passed over.
func (t *table) search(before func(entry) bool) (lo, hi entry, isLo, isHi bool) {
	from, to := int64(-1), t.len()
	for from+1 < to {
		mid := from + (to-from)/2
		e, ok := t.entry(mid)
		at := mid
		for !ok && at-1 > from {
			at--
			e, ok = t.entry(at)
		}
		for up := mid; !ok && up+1 < to; {
			up++
			e, ok = t.entry(up)
			at = up
		}
		switch {
		case !ok:
			return lo, hi, isLo, isHi
		case before(e):
			from, lo, isLo = max(at, from), e, true
			if at < mid {
				from = mid // what is between is damaged
			}
		default:
			to, hi, isHi = at, e, true
			if at > mid {
				to = from + 1 // as above
			}
		}
	}
	return lo, hi, isLo, isHi
}

// cut forgets the entries from offset on. It does not touch the file: the header says how many count.
func (t *table) cut(offset int64) {
	i, _ := slices.BinarySearchFunc(t.pending, offset, func(e entry, o int64) int { return int(max(min(e.offset-o, 1), -1)) })
	t.pending = slices.Clip(t.pending[:i]) // others may still read what follows
	if i > 0 {
		return
	}
	from, to := int64(0), t.n
	for from < to {
		mid := from + (to-from)/2
		at, ok := mid, false
		var e entry
		for ; at < to; at++ {
			if e, ok = t.entry(at); ok {
				break
			}
		}
		if ok && e.offset < offset {
			from = at + 1
		} else {
			to = mid
		}
	}
	t.n = from
}

// write writes entries, of which the first has number at, and makes them durable.
func (t *table) write(all []entry, at int64) error {
	if len(all) == 0 {
		return nil
	}
	b := make([]byte, len(all)*entryLen)
	for i := range all {
		all[i].put(b[i*entryLen:], t.seed, at+int64(i))
	}
	if err := writeAt(t.f, b, at*entryLen); err != nil {
		return space(err)
	}
	return space(t.f.sync())
}

// flushed says that the first k pending ones are in the file.
func (t *table) flushed(k int) {
	t.n += int64(k)
	t.pending = slices.Clone(t.pending[k:])
}
