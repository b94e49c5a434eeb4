package fcoe

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/lunette-io/lunette/network/ethernet"
	"github.com/lunette-io/lunette/network/fc"
)

const (
	// batchFrames is how many frames are built and handed to the wire at a time.
	batchFrames = 64
	// turnBytes is how much a lane sends before it is the next one's turn.
	turnBytes = 32 << 10
	// inTurn is how many batches somebody sends before another goroutine goes on: whoever flushes has something else to do, such as to receive, or to
	// look at the clock, and others may post as fast as it sends.
	inTurn = 8
	// maxControl is how many whole frames wait at most.
	maxControl = 256
)

// A router says between which stations the frames from s to d go; false: d is not to be reached from s. It is called with the sender's lock
// held: it takes no lock under which the sender is called, and is quick.
type router func(d, s fc.ID) (dst, src ethernet.MAC, ok bool)

// A sender sends all that leaves on a wire: frames of sequences, and other whole frames (FIP's). It alone calls [ethernet.Wire.Send]. The
// handler of the wire tells it what it learns: see receiving, batch, writable.
//
// Whoever flushes sends; who comes meanwhile only says that there is something. So frames are built and handed over by one goroutine at a time, without
// the lock. What is more than a few batches is sent by a goroutine of the sender's own.
type sender struct {
	wire  ethernet.Wire
	route router

	handing atomic.Bool // a batch of what has come is being handed over

	mu    sync.Mutex
	lanes map[laneKey]*lane // those that have sequences
	turn  ring              // of these, in the order of their turns
	spare []*lane
	whole [][]byte // frames that wait
	sick  bool     // something is cancelled, or an outlet has gone down: sequences are to be given back

	sending bool      // somebody is in pump
	again   bool      // somebody else has come meanwhile
	left    sync.Cond // told when sequences have been given back
	blocked bool      // the wire takes nothing until writable
	free    bool      // writable was called during a Send

	batchOf           // built, and not taken by the wire; who is in pump has it, others look at it when nobody is
	done    []returns // to be given back by who is in pump

	running sync.WaitGroup // goroutines that send what was too much for who has begun
}

// A batchOf is frames that are built. frames[first:n] are not taken yet.
type batchOf struct {
	frames   [batchFrames]ethernet.Frame
	parts    [batchFrames]part
	memory   [batchFrames]trimmings
	first, n int
	fresh    bool // their CRCs are not computed
}

// A part is what the sender knows of a frame that is built.
type part struct {
	s       *fc.Sequence // nil: a whole frame of control
	out     *outlet
	payload int64
	fill    int
	last    bool
}

// trimmings are the memory of a frame around its payload.
type trimmings struct {
	head [wholeHead]byte
	tail [maxTail]byte
}

// A returns is a sequence that is to be given back.
type returns struct {
	s   *fc.Sequence
	out *outlet
	err error
}

// newSender makes the sender of w. What it has to be told ends with the wire's Close; then close ends it.
func newSender(w ethernet.Wire, route router) *sender {
	x := &sender{wire: w, route: route, lanes: make(map[laneKey]*lane)}
	x.left.L = &x.mu
	return x
}

// control queues a whole frame, which is copied, in front of all sequences: for FIP. false: too many wait. It may be called with locks held. It
// leaves by flush.
func (x *sender) control(frame []byte) bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	if len(x.whole) >= maxControl || len(frame) < ethernet.HeaderLen {
		return false
	}
	x.whole = append(x.whole, slices.Clone(frame))
	return true
}

// flush sends what is queued and waits for nobody. No lock may be held: outlets are told of sequences that have left. While a batch of what has come is
// being handed over it does nothing.
func (x *sender) flush() {
	if !x.handing.Load() {
		x.pump()
	}
}

// close waits until nobody sends any more. The wire is closed, and outlets are down.
func (x *sender) close() { x.running.Wait() }

// receiving tells that a frame of a batch is about to be handled: the handler calls it from Received. What flush is asked for is put off until batch.
func (x *sender) receiving() {
	if !x.handing.Load() {
		x.handing.Store(true)
	}
}

// batch tells that a batch has been handled: the handler calls it from Batch.
func (x *sender) batch() {
	x.handing.Store(false)
	x.pump()
}

// writable tells that the wire may take more: the handler calls it from Writable.
func (x *sender) writable() {
	x.mu.Lock()
	x.blocked, x.free = false, true
	x.mu.Unlock()
	x.pump()
}

// pump sends until nothing is queued or the wire takes no more, unless somebody does already: a few batches, and then another goroutine goes on.
func (x *sender) pump() {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.again = true
	if !x.sending {
		x.sending = true
		x.work(inTurn)
	}
}

// rest sends what was too much for who has begun.
func (x *sender) rest() {
	defer x.running.Done()
	x.mu.Lock()
	defer x.mu.Unlock()
	x.work(0)
}

// work is what pump does, by one at a time: x.sending is set. If most is not 0 it is so many batches at the most. x.mu is held.
func (x *sender) work(most int) {
	for n := 1; x.again || !x.blocked && (x.first < x.n || x.turn.first != nil || len(x.whole) > 0); n++ {
		if most > 0 && n > most {
			x.running.Add(1)
			go x.rest()
			return
		}
		x.again = false
		if x.sick {
			x.cure()
		}
		if x.first == x.n && !x.blocked {
			x.build()
		}
		if x.first < x.n && !x.blocked {
			x.free = false
			x.mu.Unlock()
			if x.fresh {
				x.finish()
			}
			n, err := x.wire.Send(x.frames[x.first:x.n])
			x.mu.Lock()
			x.took(n, err)
		}
		x.giveBack()
	}
	x.sending = false
}

// finish computes the CRCs of the batch. The lock is not held: the memory is lent.
func (x *sender) finish() {
	for i := x.first; i < x.n; i++ {
		p, f := &x.parts[i], &x.frames[i]
		if p.s != nil {
			f.Tail = putTail(&x.memory[i].tail, checksum(f, p.fill), p.fill, p.last)
		}
	}
	x.fresh = false
}

// took notes that the wire has taken n frames of the batch, and what it says of the next. x.mu is held.
func (x *sender) took(n int, err error) {
	for range n {
		p := &x.parts[x.first]
		if p.s != nil {
			p.out.frames++
			p.out.bytes += p.payload
			p.out.queued -= p.payload
			if p.last {
				x.finished(p.s, p.out, nil)
			}
		}
		x.parts[x.first], x.frames[x.first] = part{}, ethernet.Frame{}
		x.first++
	}
	switch {
	case x.first == x.n:
	case err == nil:
		x.blocked = !x.free
	case errors.Is(err, ethernet.ErrTooLong):
		if p := x.parts[x.first]; p.s != nil {
			x.drop(func(s *fc.Sequence, _ *outlet) error {
				if s == p.s {
					return err
				}
				return nil
			})
		} else {
			x.first++
		}
	default:
		why := fmt.Errorf("%w: %w", fc.ErrDown, err)
		x.whole = nil
		x.dropWhole()
		x.drop(func(*fc.Sequence, *outlet) error { return why })
	}
}

// cure gives back what is cancelled, and all of the outlets that are down. x.mu is held.
func (x *sender) cure() {
	x.sick = false
	x.drop(func(s *fc.Sequence, o *outlet) error {
		switch {
		case o.limit == 0:
			return o.why
		case s.State == cancelled:
			return fc.ErrCancelled
		}
		return nil
	})
}

// drop takes sequences for which why has an error out of the lanes and of what is left of the batch. It goes through all of them: for what is
// rare. x.mu is held.
func (x *sender) drop(why func(*fc.Sequence, *outlet) error) {
	kept := x.first
	for i := x.first; i < x.n; i++ {
		p, f := x.parts[i], x.frames[i]
		x.parts[i], x.frames[i] = part{}, ethernet.Frame{}
		if p.s != nil {
			if err := why(p.s, p.out); err != nil {
				p.out.queued -= p.payload
				if p.last {
					x.finished(p.s, p.out, err)
				}
				continue
			}
		}
		x.parts[kept], x.frames[kept] = p, f
		kept++
	}
	x.n = kept
	for _, l := range x.lanes {
		l.drop(x, why)
	}
	x.turn.retain(func(l *lane) bool {
		if l.first == nil {
			x.retire(l)
		}
		return l.first != nil
	})
}

// dropWhole takes whole frames out of what is left of the batch. x.mu is held.
func (x *sender) dropWhole() {
	kept := x.first
	for i := x.first; i < x.n; i++ {
		p, f := x.parts[i], x.frames[i]
		x.parts[i], x.frames[i] = part{}, ethernet.Frame{}
		if p.s != nil {
			x.parts[kept], x.frames[kept] = p, f
			kept++
		}
	}
	x.n = kept
}

// finished notes that s is to be given back. x.mu is held.
func (x *sender) finished(s *fc.Sequence, o *outlet, err error) {
	x.done = append(x.done, returns{s, o, err})
}

// giveBack gives back what is finished, without the lock. x.mu is held.
func (x *sender) giveBack() {
	if len(x.done) == 0 {
		return
	}
	for i := range x.done {
		x.done[i].s.State = 0 // by the lock: whoever does not know yet that it comes back may cancel it
	}
	x.mu.Unlock()
	for i := range x.done {
		r := &x.done[i]
		r.s.Next = nil
		r.out.sent(r.s, r.err)
	}
	x.mu.Lock()
	for i := range x.done {
		x.done[i].out.taken--
	}
	clear(x.done)
	x.done = x.done[:0]
	x.left.Broadcast()
}
