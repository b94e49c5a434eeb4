package ring

// A lap counts the entries of a packed ring of that size: positions go through it twice, from 0 to twice the size. In the first time the wrap counter is 1, in the second it is 0 (virtio 1.3, 2.8.1).
type lap uint32

// add is the position n entries, at most a lap, after p.
func (l lap) add(p, n uint32) uint32 {
	if p += n; p >= uint32(2*l) {
		p -= uint32(2 * l)
	}
	return p
}

// since is how many entries p is after from.
func (l lap) since(p, from uint32) uint32 {
	if p < from {
		p += uint32(2 * l)
	}
	return p - from
}

// split is the entry at p, and the wrap counter.
func (l lap) split(p uint32) (entry int, wrap bool) {
	if p >= uint32(l) {
		return int(p) - int(l), false
	}
	return int(p), true
}

// word is p as the two sides tell each other: 15 bits of the entry, one of the wrap counter.
func (l lap) word(p uint32) uint16 {
	entry, wrap := l.split(p)
	if wrap {
		return uint16(entry) | 1<<15
	}
	return uint16(entry)
}

// position is the one that w stands for; false: there is none.
func (l lap) position(w uint16) (uint32, bool) {
	p := uint32(w &^ (1 << 15))
	if p >= uint32(l) {
		return 0, false
	}
	if w>>15 == 0 {
		p += uint32(l)
	}
	return p, true
}

// available are the flags of an entry that the driver has posted when the wrap counter is wrap; used those of one that the device has given back then.
func available(wrap bool) uint16 {
	if wrap {
		return flagAvail
	}
	return flagUsed
}

func used(wrap bool) uint16 {
	if wrap {
		return flagAvail | flagUsed
	}
	return 0
}

const flagsLap = flagAvail | flagUsed

// How a side wants to be told (virtio 1.3, 2.8.10): position u16, flags u16, which are one word.
const (
	eventAlways = 0
	eventNever  = 1
	eventAt     = 2 // when that position is passed
)

// wanted reports that a side, which has said event, wants to be told of what happened from position old up to now.
func (l lap) wanted(event uint32, eventIndex bool, old, now uint32) bool {
	switch flags := event >> 16 & 3; {
	case flags == eventNever:
		return false
	case flags == eventAt && eventIndex:
		at, ok := l.position(uint16(event))
		return !ok || l.since(at, old) < l.since(now, old) // a position that is none: once too often does no harm
	}
	return true
}

// event is what a side says that wants to be told when position p is passed, or not at all.
func (l lap) event(on, eventIndex bool, p uint32) uint32 {
	switch {
	case !on:
		return eventNever << 16
	case eventIndex:
		return eventAt<<16 | uint32(l.word(p))
	}
	return eventAlways << 16
}
