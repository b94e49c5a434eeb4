package fcp

import (
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// What is assumed of a network as long as it has not said what it is like.
const (
	defaultReceives    = 1 << 20
	defaultErrorDetect = 2 * time.Second
)

// Bounds of what one FCP_XFER_RDY asks for, unless the network takes less.
const (
	leastBurst = 64 << 10
	mostBurst  = 1 << 20
)

// asks share out what may be on its way to the ports of a network: a network has no flow control that counts bytes, and what is
// more than it can take is lost. Tasks wait for their turn in lines, one for each channel, and the lines have their turns one after the
// other; beside others a channel has three times what is left free at the most, which is three quarters of all while the others have nothing,
// and leaves something free however many there are. So those that do not send what they were asked for hold up nobody for long.
//
// It looks after the transfers that were asked for as well: one timer for all of a network, which is set while there are any.
type asks struct {
	limit  atomic.Int64 // Attachment.Receives
	detect atomic.Int64 // E_D_TOV

	mu       sync.Mutex // guards what follows
	out      int64      // what was asked for and has not come
	channels int
	ring     []*channel // that have a task waiting, in the order of their turns
	granting bool       // one goroutine lets tasks go on
	again    bool       // and shall look again
	active   *task      // those that were asked, by asking.next
	timer    *time.Timer
	due      time.Time // when the timer is set to; zero: it is not
	closed   bool

	// Of the timer, whose calls come one at a time.
	ticking sync.Mutex
	scratch []*task
}

// waits are a channel's part of asks.
type waits struct {
	first, last *task // in line, by asking.behind
	out         int64
}

// asking is a task's part of asks.
type asking struct {
	want                int64 // it is in line for so much; 0: it is not
	turn                uint32
	before, behind      *task // in line
	active              bool  // it was asked
	previous, following *task // of those
}

func newAsks() *asks {
	a := new(asks)
	a.limit.Store(defaultReceives)
	a.detect.Store(int64(defaultErrorDetect))
	return a
}

// set takes what the network says of itself.
func (a *asks) set(receives int64, detect time.Duration) {
	if receives > 0 {
		a.limit.Store(receives)
	}
	if detect > 0 {
		a.detect.Store(int64(detect))
	}
}

// errorDetect is E_D_TOV.
func (a *asks) errorDetect() time.Duration { return time.Duration(a.detect.Load()) }

// burst is how much is asked for by one FCP_XFER_RDY at the most: an eighth of what may be on its way, if that is not little.
func (a *asks) burst() int64 {
	limit := a.limit.Load()
	return min(max(limit/8, leastBurst), limit, mostBurst)
}

// join and quit count the channels that are there.
func (a *asks) join() { a.count(1) }
func (a *asks) quit() { a.count(-1) }

func (a *asks) count(n int) {
	a.mu.Lock()
	a.channels += n
	a.mu.Unlock()
}

// fits reports that there is a share of n bytes for c. a.mu is held.
func (a *asks) fits(c *channel, n int64) (all, own bool) {
	limit := a.limit.Load()
	all = a.out == 0 || a.out+n <= limit
	own = c.waits.out == 0 || a.channels <= 1 || c.waits.out+n <= 3*(limit-a.out-n)
	return all, own
}

// charge gives k a share, and looks after it from now on. a.mu is held.
func (a *asks) charge(k *task, n int64) {
	a.out += n
	k.c.waits.out += n
	q := &k.asking
	if q.active {
		return
	}
	q.active = true
	q.previous, q.following = nil, a.active
	if a.active != nil {
		a.active.asking.previous = k
	}
	a.active = k
	if a.due.IsZero() {
		a.arm(tickTime)
	}
}

// take gives k a share of n bytes, or lets it wait for one: then granted is called, for which the caller leaves a reference.
// k.mu is held.
func (a *asks) take(k *task, n int64) bool {
	c := k.c
	a.mu.Lock()
	defer a.mu.Unlock()
	if all, own := a.fits(c, n); all && own && !a.before(c) {
		a.charge(k, n)
		return true
	}
	q, w := &k.asking, &c.waits
	q.want, q.turn = n, k.get.turn
	q.before, q.behind = w.last, nil
	if w.last != nil {
		w.last.asking.behind = k
	} else {
		w.first = k
		a.ring = append(a.ring, c)
	}
	w.last = k
	return false
}

// before reports that others have their turn before a task of c that has just come: those that wait for the network, and not for what
// is out of their own. a.mu is held.
func (a *asks) before(c *channel) bool {
	for _, o := range a.ring {
		if o == c {
			return true
		}
		if _, own := a.fits(o, o.waits.first.asking.want); own {
			return true
		}
	}
	return false
}

// unline takes k out of its line. a.mu is held.
func (a *asks) unline(k *task) {
	q, w := &k.asking, &k.c.waits
	if q.before != nil {
		q.before.asking.behind = q.behind
	} else {
		w.first = q.behind
	}
	if q.behind != nil {
		q.behind.asking.before = q.before
	} else {
		w.last = q.before
	}
	q.want, q.before, q.behind = 0, nil, nil
	if w.first == nil {
		i := slices.Index(a.ring, k.c)
		a.ring = slices.Delete(a.ring, i, i+1)
	}
}

// forget ends what is known of k, whose transfer is over; its share is given back apart. It reports that k was in line: then granted is not
// called. k.mu is held.
func (a *asks) forget(k *task) (inLine bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	q := &k.asking
	if inLine = q.want > 0; inLine {
		a.unline(k)
	}
	if q.active {
		q.active = false
		if q.previous != nil {
			q.previous.asking.following = q.following
		} else {
			a.active = q.following
		}
		if q.following != nil {
			q.following.asking.previous = q.previous
		}
		q.previous, q.following = nil, nil
	}
	return inLine
}

// give takes back n bytes of what c has, and lets those go on for which there is a share now. One goroutine does the latter; a call in the meantime
// makes it look again. No lock is held.
func (a *asks) give(c *channel, n int64) {
	a.mu.Lock()
	a.out -= n
	c.waits.out -= n
	if a.granting {
		a.again = true
		a.mu.Unlock()
		return
	}
	a.granting = true
	for {
		a.again = false
		k, turn, want := a.next()
		if k == nil {
			if a.again {
				continue
			}
			break
		}
		a.mu.Unlock()
		k.granted(turn, want)
		a.mu.Lock()
	}
	a.granting = false
	a.mu.Unlock()
}

// uncharge takes back what a task was granted that does not need it. grant looks again.
func (a *asks) uncharge(c *channel, n int64) {
	a.mu.Lock()
	a.out -= n
	c.waits.out -= n
	a.mu.Unlock()
}

// next takes the first task out of its line whose turn it is, and for which there is a share, and charges it. a.mu is held.
func (a *asks) next() (k *task, turn uint32, n int64) {
	for i, c := range a.ring {
		k = c.waits.first
		n = k.asking.want
		switch all, own := a.fits(c, n); {
		case !own:
			continue
		case !all:
			return nil, 0, 0
		}
		turn = k.asking.turn
		a.unline(k)
		if c.waits.first != nil { // to the end
			copy(a.ring[i:], a.ring[i+1:])
			a.ring[len(a.ring)-1] = c
		}
		a.charge(k, n)
		return k, turn, n
	}
	return nil, 0, 0
}

// tickTime is how often transfers that were asked for are looked at.
const tickTime = 250 * time.Millisecond

// arm lets tick be called in d, if it is not sooner. a.mu is held.
func (a *asks) arm(d time.Duration) {
	due := time.Now().Add(d)
	switch {
	case a.closed || !a.due.IsZero() && !due.Before(a.due):
		return
	case a.timer == nil:
		a.timer = time.AfterFunc(d, a.tick)
	default:
		a.timer.Reset(d)
	}
	a.due = due
}

// look lets transfers be looked at in d.
func (a *asks) look(d time.Duration) {
	a.mu.Lock()
	a.arm(d)
	a.mu.Unlock()
}

// tick looks after the transfers that were asked for. A task that it finds may be another's by then, which does no harm.
func (a *asks) tick() {
	a.ticking.Lock()
	defer a.ticking.Unlock()
	a.mu.Lock()
	a.due = time.Time{}
	a.scratch = a.scratch[:0]
	for k := a.active; k != nil; k = k.asking.following {
		a.scratch = append(a.scratch, k)
	}
	a.mu.Unlock()
	again := tickTime
	now := time.Now()
	for _, k := range a.scratch {
		if k.check(now) {
			again = reorderTime
		}
	}
	a.mu.Lock()
	if a.active != nil {
		a.arm(again)
	}
	a.mu.Unlock()
}

// close ends the timer: no channel is left that may ask.
func (a *asks) close() {
	a.mu.Lock()
	a.closed = true
	if a.timer != nil {
		a.timer.Stop()
	}
	a.mu.Unlock()
	a.ticking.Lock() // one that runs ends
	a.scratch = nil
	a.ticking.Unlock()
}
