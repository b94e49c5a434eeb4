package fcoe

import "github.com/lunette-io/lunette/network/fc"

// An outlet is where the sequences of one link enter the sender. It is down at first. The sender's lock guards it.
type outlet struct {
	x     *sender
	sent  func(s *fc.Sequence, err error)
	limit int   // how much payload a frame may have; 0: it is down
	why   error // if it is down
	taken int   // sequences that were posted and not given back

	frames, bytes, queued int64
}

// outlet makes an outlet. sent is told of each sequence that was posted and has left, or does not leave any more, on any goroutine, with no lock
// held, but not from post or cancel. Calls of it come one at a time.
func (x *sender) outlet(sent func(s *fc.Sequence, err error)) *outlet {
	return &outlet{x: x, sent: sent, why: fc.ErrDown}
}

// up lets sequences in, from now on: limit is how much payload a frame may have. It may be called again with another limit, which counts for
// sequences that have not begun to leave. It may be called with locks held.
func (o *outlet) up(limit int) {
	o.x.mu.Lock()
	o.limit = max(limit, fc.MinPayload)
	o.x.mu.Unlock()
}

// down lets none in any more, and gives back all that have been posted, with why; when it returns sent has been called for each. It waits for a call of
// the system that is under way, and for calls of sent: no lock may be held that sent takes, and it is not called from sent.
func (o *outlet) down(why error) {
	x := o.x
	x.mu.Lock()
	o.limit, o.why, x.sick = 0, why, true
	x.mu.Unlock()
	x.pump()
	x.mu.Lock()
	for o.taken > 0 {
		x.left.Wait()
	}
	x.mu.Unlock()
}

// post queues s, which it takes until sent; false: the outlet is down, and s is not taken. It may be called with locks held.
func (o *outlet) post(s *fc.Sequence) bool {
	x := o.x
	if s.Len > 0 && (s.Data == nil || s.At < 0 || s.At > s.Data.Len()-s.Len) {
		return false // There is no such data: nothing may read behind the lease.
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	if o.limit == 0 {
		return false
	}
	o.taken++
	o.queued += s.Size()
	x.enqueue(s, o)
	return true
}

// cancel lets nothing more of s leave, which was posted and not given back. The next flush gives it back. It may be called with locks held.
func (o *outlet) cancel(s *fc.Sequence) {
	o.x.mu.Lock()
	s.State, o.x.sick = cancelled, true
	o.x.mu.Unlock()
}

// stats adds what the sender knows of the outlet to s: what has left is payload that the wire has taken. What was copied is that of the whole wire.
func (o *outlet) stats(s *fc.Stats) {
	s.Copied += o.x.wire.Stats().Copied
	o.x.mu.Lock()
	defer o.x.mu.Unlock()
	s.FramesOut += o.frames
	s.BytesOut += o.bytes
	s.BytesQueued += o.queued
}
