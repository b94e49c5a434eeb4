// Package tagtable finds values by tags that somebody else has chosen.
package tagtable

// A Table maps tags to values: open addressing with linear probing, never more than half full,
// and without tombstones, so that a table whose size has settled allocates nothing any more. The
// zero value is an empty table. Its user guards it.
type Table[V any] struct {
	slots []slot[V]
	shift uint // a tag's home is the upper 64-shift bits of its hash
	n     int
}

type slot[V any] struct {
	tag  uint64
	used bool
	v    V
}

// minBits is the size of the smallest table, as a power of two.
const minBits = 4

// Len is how many tags there are.
func (t *Table[V]) Len() int { return t.n }

// home is the slot where a tag stands if nothing is in its way. The hash is Fibonacci's.
func (t *Table[V]) home(tag uint64) int { return int(tag * 0x9e3779b97f4a7c15 >> t.shift) }

// place is the slot of tag, or the free one where it would stand. The table has free slots.
func (t *Table[V]) place(tag uint64) *slot[V] {
	for i := t.home(tag); ; i = (i + 1) & (len(t.slots) - 1) {
		if s := &t.slots[i]; !s.used || s.tag == tag {
			return s
		}
	}
}

// Find returns the value of a tag.
func (t *Table[V]) Find(tag uint64) (v V, found bool) {
	if t.n == 0 {
		return v, false
	}
	s := t.place(tag)
	return s.v, s.used
}

// Add gives a tag a value. It reports false, and changes nothing, if the tag is there already.
func (t *Table[V]) Add(tag uint64, v V) bool {
	if 2*(t.n+1) > len(t.slots) {
		t.grow()
	}
	s := t.place(tag)
	if s.used {
		return false
	}
	*s = slot[V]{tag, true, v}
	t.n++
	return true
}

func (t *Table[V]) grow() {
	old := t.slots
	bits := uint(minBits)
	for 1<<bits <= len(old) {
		bits++
	}
	t.slots, t.shift = make([]slot[V], 1<<bits), 64-bits
	for i := range old {
		if old[i].used {
			*t.place(old[i].tag) = old[i]
		}
	}
}

// Remove takes a tag out. It reports whether it was there.
func (t *Table[V]) Remove(tag uint64) bool {
	if t.n == 0 {
		return false
	}
	mask := len(t.slots) - 1
	i := t.home(tag)
	for ; t.slots[i].tag != tag || !t.slots[i].used; i = (i + 1) & mask {
		if !t.slots[i].used {
			return false
		}
	}
	t.n--
	for j := i; ; { // close the gap with the next one that may stand there
		t.slots[i] = slot[V]{}
		for {
			j = (j + 1) & mask
			o := &t.slots[j]
			if !o.used {
				return true
			}
			if (j-t.home(o.tag))&mask >= (j-i)&mask {
				break
			}
		}
		t.slots[i] = t.slots[j]
		i = j
	}
}

// All calls yield for every tag and its value, in no order, until it returns false. Nothing is
// added or removed meanwhile.
func (t *Table[V]) All(yield func(tag uint64, v V) bool) {
	for i := range t.slots {
		if s := &t.slots[i]; s.used && !yield(s.tag, s.v) {
			return
		}
	}
}
