package nport

import "time"

// end lets r have no exchanges any more: nothing of them is posted or delivered, and its identifiers mean nothing to us any more.
func (t *tables) end(r *Remote) {
	t.mu.Lock()
	defer t.mu.Unlock()
	r.over = true
	for x := r.first; x != nil; x = x.next {
		x.mu.Lock()
		x.live, x.dirty = false, true // frames of the old login may be on their way
		x.mu.Unlock()
		end := &t.theirs
		if x.ours {
			end = &t.ours
		}
		i := int(x.index)
		end.unlist(i)
		end.unhash(i)
		if end.slots[i].phase == open {
			r.busy--
		}
		end.slots[i].phase = ended
	}
	// A new login begins anew with the identifiers of aborted exchanges too. Those that rest go on to rest: they are ours.
	for i := t.theirs.resting.first; i != 0; i = t.theirs.slots[i-1].right {
		if s := &t.theirs.slots[i-1]; s.found && idOf(s.key) == r.id {
			t.theirs.unhash(int(i - 1))
		}
	}
	for i := range t.theirs.slots {
		if t.aborting == 0 {
			break
		}
		if s := &t.theirs.slots[i]; s.phase == aborted && s.found && idOf(s.key) == r.id {
			t.theirs.unhash(i)
		}
	}
	for ox, a := range t.aborts {
		if a.r != r {
			continue
		}
		delete(t.aborts, ox)
		if a.done != nil {
			t.told = append(t.told, verdict{a.done, ErrLoggedOut})
		}
		if t.ours.slots[ox].x == nil {
			t.ours.rest(int(ox), r.p.now()+r.p.resourceAllocation())
		}
	}
}

// forgettable is the oldest of the exchanges that are kept, if there are more than want or its time has come; it is no longer kept then.
func (t *tables) forgettable(now time.Duration, want int) (x *Exchange, next time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	i, next := t.theirs.due(&t.theirs.kept, now)
	if i < 0 {
		if t.theirs.kept.n <= want {
			return nil, next
		}
		i = int(t.theirs.kept.first - 1)
	}
	return t.forget(i), 0
}

// forget lets i, which is kept, be found no longer. t.mu is held.
func (t *tables) forget(i int) *Exchange {
	s := &t.theirs.slots[i]
	t.theirs.unlist(i)
	t.theirs.unhash(i)
	s.phase = ended
	s.x.mu.Lock()
	s.x.live = false
	s.x.mu.Unlock()
	return s.x
}

// rested gives back those identifiers that have rested for long enough.
func (t *tables) rested(now time.Duration) (next time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, end := range []*table{&t.theirs, &t.ours} {
		for {
			i, then := end.due(&end.resting, now)
			if i < 0 {
				next = sooner(next, then)
				break
			}
			t.reinstate(end, i)
		}
	}
	return next
}

// reinstate ends the rest of i: it may be given again, once the upper layer has closed its exchange. t.mu is held.
func (t *tables) reinstate(end *table, i int) {
	if end.slots[i].x == nil {
		end.give(i)
		return
	}
	end.unlist(i)
	end.unhash(i)
	end.slots[i].phase = ended
}

// sooner is the lesser of two times, 0 being none.
func sooner(a, b time.Duration) time.Duration {
	if a == 0 || b != 0 && b < a {
		return b
	}
	return a
}
