// Package station is a port of a network that is inside the process: what leaves it, in lanes that take turns, and what has
// come for it, in batches, on a goroutine of its own. What becomes of a frame is the business of the network
// (package sim, package fabric).
package station

import (
	"sync"
	"sync/atomic"

	"github.com/lunette-io/lunette/network/fc"
)

// Bits of Sequence.State.
const (
	free uint32 = iota
	posted
	cancelled
	back // Sent is called, or was: the poster may not know yet
)

const (
	// most is how many events are one batch.
	most = 16
	// room is how many frames may wait to be handed over, before who sends to the station has to wait.
	room = 64
)

// Config says what a station is.
type Config struct {
	// Lock guards all stations of a network.
	Lock    *sync.Mutex
	Handler fc.Handler
	// Frame takes the next frame of the station, or says that it cannot be taken now: then somebody calls Poke. Lock is held.
	Frame func(s *fc.Sequence, p *fc.Part) bool
	// After is called at the end of each batch that the station has handed over, and flushed; nil: nothing is. No lock is held.
	After func()
	// Back is called when a sequence is about to be given back; nil: nothing is. Lock is held.
	Back func(s *fc.Sequence)
	// Misuse is told what the user of the station does wrong; nil: nobody is. Lock is held.
	Misuse func(what string)
}

// A Station is one port. Its fields are guarded by the lock of Config, but for those that say otherwise.
type Station struct {
	lock    *sync.Mutex
	handler fc.Handler
	frame   func(s *fc.Sequence, p *fc.Part) bool
	after   func()
	gives   func(s *fc.Sequence)
	misuse  func(what string)

	wake sync.Cond // for the goroutine
	kick bool      // there is something for it to look at

	up    bool // it has an address
	id    fc.ID
	limit int // payload of a frame

	posted  []*fc.Sequence // not flushed
	lanes   map[fc.ID]*lane
	turns   []*lane // those that have something
	back    []given // done, and to be given back
	pumping bool    // somebody works on these
	out     int     // sequences that are not given back

	in      []event
	frames  int // of them
	waiting map[*Station]struct{}

	closed bool
	why    error
	done   chan struct{}
	stats  fc.Stats

	// turn is held while the handler is called, but for Sent: calls come one at a time. It comes before the lock, and no method that a
	// handler may call takes it.
	turn sync.Mutex
	// fresh: something is posted and not flushed.
	fresh atomic.Bool
	// handing: a batch is being handed over, so that Flush does nothing. It is changed with turn held.
	handing atomic.Bool
	// told is what the handler knows: that the station is up. Guarded by turn.
	told bool
}

// A lane has the sequences to one address.
type lane struct {
	to    fc.ID
	queue []*fc.Sequence
}

type given struct {
	s   *fc.Sequence
	err error
}

// New makes a station, which is down, and its goroutine.
func New(c Config) *Station {
	t := &Station{
		lock: c.Lock, handler: c.Handler, frame: c.Frame, after: c.After, gives: c.Back, misuse: c.Misuse,
		lanes: make(map[fc.ID]*lane), waiting: make(map[*Station]struct{}), done: make(chan struct{}),
	}
	t.wake.L = t.lock
	go t.run()
	return t
}

// SetUp gives the station an address, and tells the handler; without an ID it sends for anybody. t.lock is held.
func (t *Station) SetUp(a fc.Attachment) {
	t.up, t.id, t.limit = true, a.ID, a.MaxPayload
	t.put(event{kind: up, attachment: a})
}

// SetDown takes the address away: all sequences are given back. t.lock is held.
func (t *Station) SetDown(why error) {
	if !t.up {
		return
	}
	t.up = false
	t.drop(why)
	t.put(event{kind: down, err: why})
}

// Up reports whether the station has an address. t.lock is held.
func (t *Station) Up() bool { return t.up && !t.closed }

// Close ends the station: it waits until all sequences are given back, with why, and no call to the handler is under way.
// No lock may be held, and it is not called from the handler.
func (t *Station) Close(why error) {
	t.lock.Lock()
	if !t.closed {
		t.closed, t.up, t.why = true, false, why
		t.poke()
	}
	t.lock.Unlock()
	<-t.done
}

// Handing reports that a batch is being handed over.
func (t *Station) Handing() bool { return t.handing.Load() }

// Stats is what the station has done.
func (t *Station) Stats() fc.Stats {
	t.lock.Lock()
	defer t.lock.Unlock()
	s := t.stats
	for _, q := range t.posted {
		s.BytesQueued += q.Size()
	}
	for _, l := range t.turns {
		for _, q := range l.queue {
			s.BytesQueued += q.Size() - q.Moved
		}
	}
	return s
}

// Dropped counts a frame that came and is thrown away. t.lock is held.
func (t *Station) Dropped() { t.stats.Dropped++ }

// Poke has the station look what there is to do. t.lock is held.
func (t *Station) Poke() { t.poke() }

func (t *Station) poke() {
	t.kick = true
	t.wake.Broadcast()
}

// run is the goroutine.
func (t *Station) run() {
	defer close(t.done)
	for t.wait() {
		t.turn.Lock()
		t.handing.Store(true)
		t.lock.Lock()
		t.handOver()
		t.lock.Unlock()
		t.handing.Store(false)
		t.turn.Unlock()
		t.work()
		if t.after != nil {
			t.after()
		}
	}
	// What was being handed over from elsewhere (Direct) has ended when turn is free.
	t.turn.Lock()
	t.told = false
	t.turn.Unlock()
	t.lock.Lock()
	t.drop(t.why)
	t.in, t.frames = nil, 0
	t.release()
	t.pump()
	for t.pumping || t.out > 0 {
		t.wake.Wait()
	}
	t.lock.Unlock()
}

// wait waits until there is something to do; false: the station is closed.
func (t *Station) wait() bool {
	t.lock.Lock()
	defer t.lock.Unlock()
	for !t.kick && !t.closed {
		t.wake.Wait()
	}
	t.kick = false
	return !t.closed
}
