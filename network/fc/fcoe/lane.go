package fcoe

import (
	"fmt"

	"github.com/lunette-io/lunette/network/ethernet"
	"github.com/lunette-io/lunette/network/fc"
)

// spareLanes is how many lanes are kept for the next who need one.
const spareLanes = 64

// cancelled is the state of a sequence of which nothing more is to leave (fc.Sequence.State).
const cancelled = 1

// A lane has the sequences of an outlet to one address, in the order in which they were posted. The sender's lock guards it.
type lane struct {
	key         laneKey
	first, last *fc.Sequence
	limit       int   // how much payload frames of the first one have, once it has begun
	left        int64 // of its turn
	dst, src    ethernet.MAC

	next *lane // in the order of turns
}

// A laneKey is whose sequences a lane has, and where they go.
type laneKey struct {
	out  *outlet
	d, s fc.ID
}

// A ring is lanes in the order of their turns.
type ring struct{ first, last *lane }

// append puts l at the end.
func (r *ring) append(l *lane) {
	l.next = nil
	if r.last == nil {
		r.first = l
	} else {
		r.last.next = l
	}
	r.last = l
}

// pop takes the first one out.
func (r *ring) pop() {
	r.first = r.first.next
	if r.first == nil {
		r.last = nil
	}
}

// retain keeps those for which keep says so.
func (r *ring) retain(keep func(*lane) bool) {
	l := r.first
	*r = ring{}
	for l != nil {
		next := l.next
		if keep(l) {
			r.append(l)
		}
		l = next
	}
}

// enqueue queues s in its lane. x.mu is held.
func (x *sender) enqueue(s *fc.Sequence, o *outlet) {
	key := laneKey{o, s.Header.D, s.Header.S}
	l := x.lanes[key]
	if l == nil {
		if n := len(x.spare); n > 0 {
			l, x.spare = x.spare[n-1], x.spare[:n-1]
		} else {
			l = new(lane)
		}
		l.key, l.left = key, turnBytes
		x.lanes[key] = l
		x.turn.append(l)
	}
	s.Next, s.Moved, s.State = nil, 0, 0
	s.Queued()
	if l.last == nil {
		l.first = s
	} else {
		l.last.Next = s
	}
	l.last = s
}

// retire forgets a lane that has no sequences, and is out of the ring. x.mu is held.
func (x *sender) retire(l *lane) {
	delete(x.lanes, l.key)
	*l = lane{}
	if len(x.spare) < spareLanes {
		x.spare = append(x.spare, l)
	}
}

// pop takes the first sequence out.
func (l *lane) pop() {
	s := l.first
	l.first, s.Next = s.Next, nil
	if l.first == nil {
		l.last = nil
	}
}

// drop takes sequences for which why has an error out of the lane. x.mu is held.
func (l *lane) drop(x *sender, why func(*fc.Sequence, *outlet) error) {
	s := l.first
	l.first, l.last = nil, nil
	for s != nil {
		next := s.Next
		s.Next = nil
		if err := why(s, l.key.out); err != nil {
			l.key.out.queued -= s.Size() - s.Moved
			x.finished(s, l.key.out, err)
		} else {
			if l.last == nil {
				l.first = s
			} else {
				l.last.Next = s
			}
			l.last = s
		}
		s = next
	}
}

// build makes frames of what is queued, as many as a batch has. x.mu is held.
func (x *sender) build() {
	x.first, x.n, x.fresh = 0, 0, true
	for x.n < batchFrames && len(x.whole) > 0 {
		x.frames[x.n] = ethernet.Frame{Head: x.whole[0]}
		x.n++
		x.whole[0] = nil
		if x.whole = x.whole[1:]; len(x.whole) == 0 {
			x.whole = nil
		}
	}
	for x.n < batchFrames && x.turn.first != nil {
		l := x.turn.first
		x.advance(l)
		switch {
		case l.first == nil:
			x.turn.pop()
			x.retire(l)
		case l.left <= 0:
			l.left = turnBytes
			x.turn.pop()
			x.turn.append(l)
		}
	}
}

// advance builds the next frame of a lane. x.mu is held.
func (x *sender) advance(l *lane) {
	s, o := l.first, l.key.out
	if s.Moved == 0 {
		ok := false
		if l.dst, l.src, ok = x.route(s.Header.D, s.Header.S); !ok {
			l.pop()
			o.queued -= s.Size()
			x.finished(s, o, fmt.Errorf("%w: nobody is at %v", fc.ErrDown, s.Header.D))
			return
		}
		l.limit = o.limit
	}
	p := s.Part(l.limit, s.Moved)
	m := &x.memory[x.n]
	putHead(&m.head, l.dst, l.src, &p)
	x.frames[x.n] = ethernet.Frame{Head: m.head[:], Body: p.Head, Data: s.Data, At: p.At, Len: p.Len}
	n := p.Payload()
	x.parts[x.n] = part{s: s, out: o, payload: n, fill: p.Fill, last: p.Last}
	x.n++
	s.Moved += n
	l.left -= n + overhead
	if p.Last {
		s.Leaves()
		l.pop()
	}
}
