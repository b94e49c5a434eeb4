package tcp

import (
	"time"

	"golang.org/x/sys/unix"
)

// servedSlot marks events that were handled.
const servedSlot = bellSlot - 1

// serve handles events, a turn for each socket. Those whose turns are short come first, and again
// behind each of the others: so they wait for one long turn, and not for all.
func (r *reactor) serve(events []unix.EpollEvent) {
	if len(events) == 1 {
		r.handleEvent(events[0])
		return
	}
	rest := 0
	for i, ev := range events {
		if ev.Fd != bellSlot && r.table[ev.Fd] != nil && r.table[ev.Fd].heavy() {
			rest++
			continue
		}
		r.timed(ev)
		events[i].Fd = servedSlot
	}
	for _, ev := range events {
		if ev.Fd == servedSlot {
			continue
		}
		r.timed(ev)
		if rest--; rest > 0 {
			r.serveLight()
		}
	}
}

// serveLight handles what has come meanwhile for sockets whose turns are short.
func (r *reactor) serveLight() {
	for _, ev := range r.late[:r.poll(&r.late)] {
		if ev.Fd != bellSlot && r.table[ev.Fd] != nil && !r.table[ev.Fd].heavy() { // the bell goes on ringing
			r.timed(ev)
		}
	}
}

// timed handles an event, and notes whether that took long.
func (r *reactor) timed(ev unix.EpollEvent) {
	if ev.Fd == bellSlot {
		r.handleEvent(ev)
		return
	}
	s := r.table[ev.Fd]
	began := time.Now()
	r.handleEvent(ev)
	switch {
	case s == nil:
	case time.Since(began) < share/2:
		s.long = 0
	default:
		s.long++
	}
}

// heavy reports that the turns of the socket are long.
func (s *reactorSocket) heavy() bool { return s.long >= weighty }

// handleEvent does what an event is about.
func (r *reactor) handleEvent(ev unix.EpollEvent) {
	if ev.Fd == bellSlot {
		var b [8]byte
		_, _ = unix.Read(r.bell, b[:])
		return
	}
	// An event before this one may have freed the slot, and a new socket may have it: then
	// the event is too old, and does that socket no harm.
	if s := r.table[ev.Fd]; s != nil {
		r.handle(s, ev.Events)
	}
}
