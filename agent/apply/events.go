package apply

import (
	"context"
	"iter"
	"sync"
	"time"
)

// mostEvents is how many events are kept for those who were away.
const mostEvents = 1024

// events are the last that have happened. Those who add never wait for those who read.
type events struct {
	mu   sync.Mutex
	last uint64            // the sequence number of the last; 0: there was none
	ring [mostEvents]Event // that with the number n is at n modulo the size
	more chan struct{}     // is closed when there is another; nil: nobody waits
}

// add gives an event its number.
func (s *events) add(ev Event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.last++
	ev.Sequence = s.last
	s.ring[ev.Sequence%mostEvents] = ev
	if s.more != nil {
		close(s.more)
		s.more = nil
	}
}

// next returns the event with a number, or the first that is there after it. If it is still to come,
// more is closed when there is one.
func (s *events) next(number uint64) (ev Event, more <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if number > s.last {
		if s.more == nil {
			s.more = make(chan struct{})
		}
		return Event{}, s.more
	}
	if s.last >= mostEvents {
		number = max(number, s.last-mostEvents+1)
	}
	return s.ring[number%mostEvents], nil
}

// end is the number that the next event will have.
func (s *events) end() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.last + 1
}

// Watch yields events, from one on; from 0: those that come from now on. Where some are not kept any more it
// yields a [*GapError], and goes on with the next. It ends with ctx.
func (e *Engine) Watch(ctx context.Context, from uint64) iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		switch end := e.events.end(); {
		case from == 0:
			from = end
		case from > end: // it is of another run of the daemon
			if !yield(Event{}, &GapError{Wanted: from, Next: end}) {
				return
			}
			from = end
		}
		for {
			ev, more := e.events.next(from)
			if more != nil {
				select {
				case <-more:
					continue
				case <-ctx.Done():
					return
				case <-e.ctx.Done():
					return
				}
			}
			if ctx.Err() != nil {
				return
			}
			if ev.Sequence != from && !yield(Event{}, &GapError{Wanted: from, Next: ev.Sequence}) {
				return
			}
			if !yield(ev, nil) {
				return
			}
			from = ev.Sequence + 1
		}
	}
}

// Note tells an event that the engine does not know of itself, such as a login. Its sequence number,
// generation, and time if it has none, are set.
func (e *Engine) Note(ev Event) {
	if ev.Time.IsZero() {
		ev.Time = time.Now()
	}
	ev.Generation = e.shown.Load().Generation
	e.events.add(ev)
}
