package station

import (
	"slices"

	"github.com/lunette-io/lunette/network/fc"
)

// Post queues s; see [fc.Link].
func (t *Station) Post(s *fc.Sequence) bool {
	t.lock.Lock()
	defer t.lock.Unlock()
	if what := wrong(s); what != "" {
		t.complain(what)
		return false
	}
	if !t.Up() {
		return false
	}
	if t.id != 0 && s.Header.S != t.id {
		t.complain("a sequence was posted whose S_ID is not that of the port")
		return false
	}
	s.State, s.Moved, s.Next = posted, 0, nil
	s.Queued()
	t.posted = append(t.posted, s)
	t.out++
	t.fresh.Store(true)
	return true
}

// wrong says what is wrong with a sequence that is to be posted.
func wrong(s *fc.Sequence) string {
	switch {
	case s.State == posted || s.State == cancelled:
		return "a sequence was posted that is posted"
	case s.Len < 0 || s.At < 0 || (s.Len > 0 && (s.Data == nil || s.At > s.Data.Len()-s.Len)):
		return "a sequence is not within its data"
	case s.MaxPayload != 0 && len(s.Head) > max(s.MaxPayload, fc.MinPayload):
		return "the head of a sequence does not fit in a frame"
	}
	return ""
}

// complain tells of misuse. t.lock is held.
func (t *Station) complain(what string) {
	if t.misuse != nil {
		t.misuse(what)
	}
}

// Flush sends what is queued; see [fc.Link].
func (t *Station) Flush() {
	if !t.handing.Load() && t.fresh.Load() {
		t.work()
	}
}

// work sends what can be sent.
func (t *Station) work() {
	t.lock.Lock()
	defer t.lock.Unlock()
	t.flush()
	t.pump()
}

// flush lets lanes see what is posted. t.lock is held.
func (t *Station) flush() {
	t.fresh.Store(false)
	for _, s := range t.posted {
		l := t.lanes[s.Header.D]
		if l == nil {
			l = &lane{to: s.Header.D}
			t.lanes[l.to] = l
		}
		if len(l.queue) == 0 {
			t.turns = append(t.turns, l)
		}
		l.queue = append(l.queue, s)
	}
	t.posted = t.posted[:0]
}

// Cancel lets nothing more of s leave; see [fc.Link].
func (t *Station) Cancel(s *fc.Sequence) {
	t.lock.Lock()
	defer t.lock.Unlock()
	switch s.State {
	case free:
		t.complain("a sequence was cancelled that is not posted")
	case posted:
		s.State = cancelled
		is := func(o *fc.Sequence) bool { return o == s }
		if i := slices.IndexFunc(t.posted, is); i >= 0 {
			t.posted = slices.Delete(t.posted, i, i+1)
		} else if l := t.lanes[s.Header.D]; l != nil && slices.ContainsFunc(l.queue, is) {
			l.queue = slices.DeleteFunc(l.queue, is)
			t.tidy(l)
		} else {
			return // all of it has left
		}
		t.give(s, fc.ErrCancelled)
		t.poke()
	}
}

// tidy forgets a lane that is empty. t.lock is held.
func (t *Station) tidy(l *lane) {
	if len(l.queue) == 0 {
		t.turns = slices.DeleteFunc(t.turns, func(o *lane) bool { return o == l })
		delete(t.lanes, l.to)
	}
}

// give queues s to be given back. t.lock is held.
func (t *Station) give(s *fc.Sequence, err error) {
	if t.gives != nil {
		t.gives(s)
	}
	t.back = append(t.back, given{s, err})
}

// drop has everything that was posted given back. t.lock is held.
func (t *Station) drop(why error) {
	for _, s := range t.posted {
		t.give(s, why)
	}
	for _, l := range t.turns {
		for _, s := range l.queue {
			t.give(s, why)
		}
	}
	t.posted, t.turns = nil, nil
	clear(t.lanes)
}

// pump sends what is in the lanes, and gives back what is done, unless somebody does already. t.lock is held. The handler is called without it.
func (t *Station) pump() {
	if t.pumping {
		return
	}
	t.pumping = true
	for {
		for len(t.back) > 0 {
			g := t.back[0]
			t.back = t.back[1:]
			g.s.State = back
			t.lock.Unlock()
			t.handler.Sent(g.s, g.err)
			t.lock.Lock()
			t.out--
		}
		if !t.round() {
			break
		}
	}
	t.pumping = false
	if t.closed {
		t.wake.Broadcast()
	}
}

// round sends a frame of each lane; false: none could go, and nothing is to be given back. t.lock is held.
func (t *Station) round() bool {
	moved := false
	for _, l := range slices.Clone(t.turns) {
		if len(l.queue) == 0 {
			continue
		}
		s := l.queue[0]
		p := s.Part(t.limit, s.Moved)
		if p.Last {
			s.Leaves()
		}
		if !t.frame(s, &p) {
			if p.Last {
				s.Queued()
			}
			t.stats.Blocked++
			continue
		}
		moved = true
		t.stats.FramesOut++
		t.stats.BytesOut += p.Payload()
		s.Moved += p.Payload()
		if p.Last {
			l.queue = slices.Delete(l.queue, 0, 1)
			t.tidy(l)
			t.give(s, nil)
		}
	}
	return moved || len(t.back) > 0
}

// Payload copies the payload of a frame that is about to leave. t.lock is held.
func (t *Station) Payload(s *fc.Sequence, p *fc.Part) []byte {
	b := append(make([]byte, 0, p.Payload()), p.Head...)
	for at, left := p.At, p.Len; left > 0; {
		m := s.Data.At(at)
		m = m[:min(int64(len(m)), left)]
		b = append(b, m...)
		at, left = at+int64(len(m)), left-int64(len(m))
	}
	t.stats.Copied += int64(len(b))
	return b
}
