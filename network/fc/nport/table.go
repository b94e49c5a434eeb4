package nport

import (
	"math/rand/v2"
	"time"

	"github.com/lunette-io/lunette/network/fc"
)

// A phase is what becomes of an identifier.
type phase uint8

const (
	free    phase = iota // nobody's
	open                 // of an exchange
	kept                 // of one that is complete, and kept for REC and SRR
	aborted              // ABTS is under way: no frame of the exchange is delivered, and the identifiers are not given again
	ended                // the login has ended, or it was forgotten; the upper layer has not closed the exchange yet
	resting              // of no exchange; frames may still be on their way (the recovery qualifier, or one of our own prudence)
)

// A slot is an identifier that this port gives: RX_ID for exchanges of others, OX_ID for our own.
type slot struct {
	x     *Exchange // until it is closed
	key   uint64    // of others: S_ID and OX_ID; ours: the address of the responder and the RX_ID
	until time.Duration
	next  int32 // the next one with the same hash, plus one
	// left and right are the neighbours, plus one, in the list that it is in (kept or resting).
	left, right int32
	gen         uint32 // how often it has been given
	sum         uint64 // of the payload of the first frame
	phase       phase
	found       bool // key finds it
	listed      bool
}

// A list has slots in the order in which they came in, by [slot.left] and [slot.right].
type list struct {
	first, last int32 // plus one
	n           int
}

// A table has the identifiers that this port gives for one end of exchanges: given in turn, so that each comes again as late as
// can be. It is guarded by the mutex of the tables that it is one of; the zero key is nobody's.
type table struct {
	slots   []slot
	buckets []int32 // by hash of the key, index plus one; none: keys are not looked for
	seed    uint64
	ring    []uint16 // those that are free, from at on
	at, n   int
	kept    list
	resting list
}

// keyOf is the key of an exchange that s has originated.
func keyOf(s fc.ID, ox uint16) uint64 { return 1<<63 | uint64(s&fc.MaxID)<<16 | uint64(ox) }

// idOf is the originator that a key is of.
func idOf(key uint64) fc.ID { return fc.ID(key>>16) & fc.MaxID }

// init makes room for n identifiers, which are looked for by keys or not.
func (t *table) init(n int, keys bool) {
	n = min(n, fc.NoID)
	t.slots, t.ring = make([]slot, n), make([]uint16, n)
	for i := range t.ring {
		t.ring[i] = uint16(i)
	}
	t.n = n
	if keys {
		size := 1
		for size < n {
			size *= 2
		}
		t.buckets = make([]int32, size)
		t.seed = rand.Uint64() | 1
	}
}

func (t *table) bucket(key uint64) *int32 {
	h := key*0x9e3779b97f4a7c15 ^ t.seed
	h *= t.seed
	return &t.buckets[(h>>32^h>>48)&uint64(len(t.buckets)-1)]
}

// find looks for the identifier of a key; -1: there is none.
func (t *table) find(key uint64) int {
	for i := *t.bucket(key); i != 0; i = t.slots[i-1].next {
		if t.slots[i-1].key == key {
			return int(i - 1)
		}
	}
	return -1
}

// hash lets find find i by key.
func (t *table) hash(i int, key uint64) {
	s := &t.slots[i]
	b := t.bucket(key)
	s.key, s.found, s.next = key, true, *b
	*b = int32(i) + 1
}

// unhash lets find no longer find i.
func (t *table) unhash(i int) {
	s := &t.slots[i]
	if !s.found {
		return
	}
	for b := t.bucket(s.key); *b != 0; b = &t.slots[*b-1].next {
		if *b == int32(i)+1 {
			*b, s.next, s.found = s.next, 0, false
			return
		}
	}
}

// take gives the identifier that has been free for longest.
func (t *table) take() (int, bool) {
	if t.n == 0 {
		return 0, false
	}
	i := t.ring[t.at]
	t.at, t.n = (t.at+1)%len(t.ring), t.n-1
	t.unhash(int(i))
	s := &t.slots[i]
	s.phase, s.gen = open, s.gen+1
	return int(i), true
}

// give takes an identifier back.
func (t *table) give(i int) {
	t.unhash(i)
	t.unlist(i)
	s := &t.slots[i]
	s.x, s.until, s.phase = nil, 0, free
	t.ring[(t.at+t.n)%len(t.ring)] = uint16(i)
	t.n++
}

// crowded says that as many identifiers rest as may: those that are given in turn rest a while by that.
func (t *table) crowded() bool { return t.resting.n >= len(t.slots)/2 }

func (t *table) listOf(i int) *list {
	if t.slots[i].phase == kept {
		return &t.kept
	}
	return &t.resting
}

// keep has i kept until then.
func (t *table) keep(i int, until time.Duration) {
	t.slots[i].phase = kept
	t.list(i, until)
}

// rest lets i rest until then; it must have no exchange any more, or one that is aborted.
func (t *table) rest(i int, until time.Duration) {
	t.unlist(i)
	t.slots[i].phase = resting
	t.list(i, until)
}

// list puts i at the end of the list of its phase.
func (t *table) list(i int, until time.Duration) {
	s, l := &t.slots[i], t.listOf(i)
	s.until, s.listed = until, true
	s.left, s.right = l.last, 0
	if l.last == 0 {
		l.first = int32(i) + 1
	} else {
		t.slots[l.last-1].right = int32(i) + 1
	}
	l.last = int32(i) + 1
	l.n++
}

// unlist takes i out of its list, if it is in one.
func (t *table) unlist(i int) {
	s := &t.slots[i]
	if !s.listed {
		return
	}
	l := t.listOf(i)
	if s.left == 0 {
		l.first = s.right
	} else {
		t.slots[s.left-1].right = s.right
	}
	if s.right == 0 {
		l.last = s.left
	} else {
		t.slots[s.right-1].left = s.left
	}
	s.left, s.right, s.listed = 0, 0, false
	l.n--
}

// due is the first of the list if its time has come, or -1; next is when to look again, or 0.
func (t *table) due(l *list, now time.Duration) (i int, next time.Duration) {
	if l.first == 0 {
		return -1, 0
	}
	i = int(l.first - 1)
	if until := t.slots[i].until; until > now {
		return -1, until
	}
	return i, 0
}
