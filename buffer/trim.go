package buffer

import (
	"slices"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// What a peak leaves behind goes back to the system: some seconds later, and without a lock that
// anybody waits for. A block of [MaxBlock] that is wholly free loses its pages; they come back,
// cleared, when it is lent again. Some stay, so that what goes up and down all the time does not
// cost page faults.

const (
	trimEvery = 5 * time.Second
	// trimLeaves is how many blocks stay above what was lent at most since the last look.
	trimLeaves = 16
	// trimMost is how many blocks lose their pages at a time.
	trimMost = 64
)

// A trimmer gives memory of an arena back to the system. Arena.mu guards it, but for busy.
type trimmer struct {
	busy    sync.Mutex // held while pages are given back; before Arena.mu
	timer   *time.Timer
	stopped bool
	high    int64  // the most that was lent since the last look
	used    []bool // by block of MaxBlock: it was lent since it lost its pages
	n       int    // how many of used are true
}

// blockIndex is the place of the block of [MaxBlock] in which b lies, in used.
func blockIndex(b block) int {
	return int(b.region)*(regionSz/MaxBlock) + int(b.page)>>(maxShift-minShift)
}

// touch notes that a block is lent. a.mu is held.
func (a *Arena) touch(b block) {
	t := &a.trimmer
	i := blockIndex(b)
	if !t.used[i] {
		t.used[i] = true
		t.n++
	}
	t.high = max(t.high, a.lent.Load())
}

// keeps is how many blocks have pages for good reason. a.mu is held.
func (a *Arena) keeps() int { return int((a.trimmer.high+MaxBlock-1)/MaxBlock) + trimLeaves }

// trimSoon looks soon whether memory is left from a peak. a.mu is held.
func (a *Arena) trimSoon() {
	if t := &a.trimmer; t.timer == nil && !t.stopped && t.n > trimLeaves+int(a.lent.Load()/MaxBlock) {
		t.timer = time.AfterFunc(trimEvery, a.trim)
	}
}

// stop lets nothing be trimmed any more. Arena.mu is held, and busy.
func (t *trimmer) stop() {
	t.stopped = true
	if t.timer != nil {
		t.timer.Stop()
		t.timer = nil
	}
}

// trim gives back what a peak has left.
func (a *Arena) trim() {
	t := &a.trimmer
	t.busy.Lock()
	defer t.busy.Unlock()
	a.mu.Lock()
	t.timer = nil
	if t.stopped {
		a.mu.Unlock()
		return
	}
	cold := a.spare(min(t.n-a.keeps(), trimMost))
	again := len(cold) > 0 || t.high > a.lent.Load()
	t.high = a.lent.Load()
	regions := slices.Clone(a.regions)
	a.mu.Unlock()
	gone := make([]bool, len(cold))
	for i, b := range cold {
		gone[i] = regions[b.region].discard(b)
	}
	a.mu.Lock()
	for i, b := range cold {
		if gone[i] {
			t.used[blockIndex(b)] = false
			t.n--
		}
		a.state[b.region][b.page] = uint8(orders)
	}
	// To the bottom: what has its pages is lent first.
	a.free[orders-1] = slices.Insert(a.free[orders-1], 0, cold...)
	if again { // else all that is left is pinned, or there for good reason
		a.trimSoon()
	}
	a.mu.Unlock()
}

// spare takes up to n blocks that are free and have pages off the free list, those that came back
// first. Nobody gets them until they are pushed again. a.mu is held.
func (a *Arena) spare(n int) []block {
	var all []block
	rest := a.free[orders-1][:0]
	for _, b := range a.free[orders-1] {
		switch {
		case a.state[b.region][b.page] != uint8(orders): // merged away, or a second entry
		case len(all) < n && a.trimmer.used[blockIndex(b)] && !a.regions[b.region].Pinned():
			a.state[b.region][b.page] = 0
			all = append(all, b)
		default:
			rest = append(rest, b)
		}
	}
	a.free[orders-1] = rest
	return all
}

// discard gives the pages of a block, which nobody uses, back to the system. It reports false if
// they stay.
func (r *Region) discard(b block) bool {
	at := int(b.page) << minShift
	return r.Unless(func() error { return unix.Madvise(r.Mem[at:at+MaxBlock], unix.MADV_DONTNEED) })
}
