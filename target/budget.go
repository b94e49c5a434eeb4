package target

// A channel's tasks wait for a bounded amount of data-out at a time. A task takes its share,
// the budget, when it first asks for data that its initiator has not sent unasked, and gives it
// back when it ends: so long its data may lie in memory, if only the unit is slow. Tasks for
// one unit take budget in order. Each unit has a part for itself, so that a unit which is slow
// to use its data holds up no other.

// share is the part of Solicited that each unit has for itself: with the transports' defaults
// one piece that comes, and one to follow it at once.
const share = 8

// need is how much budget t takes.
func (t *Task) need() int64 { return min(t.HaveOut-t.Unasked, MaxPiece) }

// mustWait reports that t has to wait for budget; if not, it has what it needs.
func (ch *Channel) mustWait(t *Task) bool {
	need := t.need()
	if need <= 0 || t.transfer.budget > 0 {
		return false
	}
	ch.mu.Lock()
	defer ch.mu.Unlock()
	unit := ch.unit(t)
	for w := ch.first; w != nil; w = w.queue {
		if ch.unit(w) == unit {
			return true
		}
	}
	if !ch.fits(t, ch.first == nil) {
		return true
	}
	ch.charge(t, need)
	return false
}

// unit is the place of t's unit in ch.units. ch.mu is held.
func (ch *Channel) unit(t *Task) int {
	i, _ := t.LUN.Index()
	for len(ch.units) <= int(i) {
		ch.units = append(ch.units, 0)
	}
	return int(i)
}

// charge gives t its budget. ch.mu is held.
func (ch *Channel) charge(t *Task, n int64) {
	t.transfer.budget = n
	ch.solicited += n
	ch.units[ch.unit(t)] += n
}

// most is how much data-out the tasks may wait for: as much as the channel's limit says, but when
// memory gets short no more than there would be for its initiator.
func (ch *Channel) most() int64 {
	p := ch.nexus.Memory()
	return min(ch.limits.Solicited, max(p.Initiator().Used()+p.Room(), MaxPiece))
}

// fits reports that there is budget for t: as the first in turn, or of its unit's own part.
// ch.mu is held.
func (ch *Channel) fits(t *Task, first bool) bool {
	need, most := t.need(), ch.most()
	if first && (ch.solicited == 0 || ch.solicited+need <= most) {
		return true
	}
	others := ch.units[ch.unit(t)]
	return others == 0 || others+need <= most/share
}

// take lets t wait for budget; granted goes on with it.
func (ch *Channel) take(t *Task) {
	ch.mu.Lock()
	if t.Aborted() { // and the abort may have looked for t before it was here
		ch.mu.Unlock()
		t.dataOutEnds(ErrAborted)
		return
	}
	t.queue = nil
	if ch.last != nil {
		ch.last.queue = t
	} else {
		ch.first = t
	}
	ch.last = t
	ch.mu.Unlock()
	ch.grant() // there may be budget again
}

// unqueue takes t out of the queue; it reports whether t was there.
func (ch *Channel) unqueue(t *Task) bool {
	ch.mu.Lock()
	defer ch.mu.Unlock()
	for p, q := (*Task)(nil), ch.first; q != nil; p, q = q, q.queue {
		if q == t {
			ch.remove(p, t)
			return true
		}
	}
	return false
}

// remove takes t, which follows p, out of the queue. ch.mu is held.
func (ch *Channel) remove(p, t *Task) {
	if p != nil {
		p.queue = t.queue
	} else {
		ch.first = t.queue
	}
	if ch.last == t {
		ch.last = p
	}
	t.queue = nil
}

// giveBack takes the budget of t, which has ended, back. It reports that others wait for it.
func (ch *Channel) giveBack(t *Task) bool {
	if t.transfer.budget == 0 {
		return false
	}
	ch.mu.Lock()
	defer ch.mu.Unlock()
	ch.solicited -= t.transfer.budget
	ch.units[ch.unit(t)] -= t.transfer.budget
	t.transfer.budget = 0
	return ch.first != nil
}

// grant lets tasks go on for which there is budget. No lock is held. One goroutine is in the
// loop; a call in the meantime makes it look again.
func (ch *Channel) grant() {
	ch.mu.Lock()
	if ch.granting {
		ch.again = true
		ch.mu.Unlock()
		return
	}
	ch.granting = true
	for {
		ch.again = false
		t := ch.next()
		if t == nil {
			if ch.again {
				continue
			}
			break
		}
		ch.mu.Unlock()
		t.granted()
		ch.mu.Lock()
	}
	ch.granting = false
	ch.mu.Unlock()
}

// next takes the first task off the queue for which there is budget, and charges it. ch.mu is
// held.
func (ch *Channel) next() *Task {
	var room [8]int
	full := room[:0] // units of which a task waits on
	var p *Task
	for t := ch.first; t != nil; p, t = t, t.queue {
		unit := ch.unit(t)
		if contains(full, unit) {
			continue
		}
		if ch.fits(t, t == ch.first) {
			ch.remove(p, t)
			ch.charge(t, t.need())
			return t
		}
		if len(full) == len(room) {
			return nil
		}
		full = append(full, unit)
	}
	return nil
}

func contains(all []int, i int) bool {
	for _, o := range all {
		if o == i {
			return true
		}
	}
	return false
}
