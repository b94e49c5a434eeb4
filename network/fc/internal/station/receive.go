package station

import (
	"slices"

	"github.com/lunette-io/lunette/network/fc"
)

// An event is what the handler is to be told.
type event struct {
	kind       kind
	frame      fc.Frame
	attachment fc.Attachment
	neighbour  fc.Neighbour
	id         fc.ID
	err        error
}

type kind uint8

const (
	up kind = iota
	down
	found
	gone
	received
)

// Found tells of a neighbour. t.lock is held.
func (t *Station) Found(n fc.Neighbour) { t.put(event{kind: found, neighbour: n}) }

// Gone tells that a neighbour is gone. t.lock is held.
func (t *Station) Gone(id fc.ID, why error) { t.put(event{kind: gone, id: id, err: why}) }

// Full reports that no more frames are taken now: whoever asks waits for its turn, and is poked. t.lock is held.
func (t *Station) Full(who *Station) bool {
	if t.frames < room || t.closed {
		return false
	}
	if who != nil {
		t.waiting[who] = struct{}{}
	}
	return true
}

// Deliver takes f, with its payload, for the handler: it has come for the station. t.lock is held.
func (t *Station) Deliver(f fc.Frame) {
	if !t.Up() {
		return
	}
	t.frames++
	t.put(event{kind: received, frame: f})
}

// Purge throws away what has come from a port and was not handed over. t.lock is held.
func (t *Station) Purge(from fc.ID) {
	t.in = slices.DeleteFunc(t.in, func(e event) bool {
		if e.kind != received || e.frame.S != from {
			return false
		}
		t.frames--
		return true
	})
	t.release()
}

// put queues an event. t.lock is held.
func (t *Station) put(e event) {
	if !t.closed {
		t.in = append(t.in, e)
		t.poke()
	}
}

// release pokes those that wait for room. t.lock is held.
func (t *Station) release() {
	for w := range t.waiting {
		w.poke()
	}
	clear(t.waiting)
}

// handOver hands over a batch of what has come. t.turn is held. t.lock is held. The handler is called without the lock.
func (t *Station) handOver() {
	if len(t.in) > 0 {
		t.stats.Receives++
	}
	for range most {
		if len(t.in) == 0 || t.closed {
			break
		}
		e := t.in[0]
		t.in[0] = event{}
		t.in = t.in[1:]
		if e.kind == received {
			t.frames--
			t.stats.FramesIn++
			t.stats.BytesIn += int64(len(e.frame.Payload))
		}
		t.lock.Unlock()
		t.tell(&e)
		t.lock.Lock()
	}
	if len(t.in) > 0 {
		t.kick = true
	}
	if t.frames < room/2 {
		t.release()
	}
}

// tell calls the handler. t.turn is held.
func (t *Station) tell(e *event) {
	switch e.kind {
	case up:
		t.told = true
		t.handler.Up(e.attachment)
	case down:
		t.told = false
		t.handler.Down(e.err)
	case found:
		t.handler.Found(e.neighbour)
	case gone:
		t.handler.Gone(e.id, e.err)
	case received:
		t.handler.Received(&e.frame)
		// It was borrowed: who keeps it sees this.
		for i := range e.frame.Payload {
			e.frame.Payload[i] = 0xdd
		}
		e.frame = fc.Frame{Header: fc.Header{RCtl: 0xdd, D: 0xdddddd, S: 0xdddddd, Type: 0xdd, OX: 0xdddd, RX: 0xdddd}}
	}
}

// Direct hands over a frame that was received elsewhere, at once, on the goroutine of whoever calls it, which calls Flush at the end of
// its batch. It borrows f. No lock may be held. false: the handler does not know yet, or any more, that the station is up.
func (t *Station) Direct(f *fc.Frame) bool {
	t.turn.Lock()
	defer t.turn.Unlock()
	if !t.told {
		return false
	}
	t.handing.Store(true)
	t.handler.Received(f)
	t.handing.Store(false)
	return true
}
