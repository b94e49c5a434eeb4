package srp

import (
	"slices"

	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/target"
)

// mustWait reports that k cannot go to the target yet: its descriptors are not there, or the
// channel fetches as much data as it may already. Writes to a unit keep their order; reads pass
// writes that wait, ORDERED tasks pass nothing, and nothing but HEAD OF QUEUE passes them. c.mu is
// held.
func (c *channel) mustWait(k *task) bool {
	if k.fetching > 0 || (k.Attr == target.Ordered && c.starting > 0) || (c.ordered > 0 && k.Attr != target.HeadOfQueue) {
		return true
	}
	for _, w := range c.waiting {
		if k.Attr == target.Ordered || (w.Attr == target.Ordered && k.Attr != target.HeadOfQueue) ||
			(k.budget > 0 && w.LUN == k.LUN) {
			return true
		}
	}
	return !c.fits(k, len(c.waiting) == 0)
}

// share is the part of what a channel may fetch that each unit has for itself: with the defaults
// one piece that comes, and one to follow it at once.
const share = 8

// fits reports that the channel may fetch the data of k as well: as the first in turn, or because
// the tasks of its unit fetch so little that a unit which is slow to use its data never holds up
// another. c.mu is held.
func (c *channel) fits(k *task, first bool) bool {
	most := c.node.cfg.Solicited
	if k.budget == 0 || (first && (c.solicited == 0 || c.solicited+k.budget <= most)) {
		return true
	}
	others := int64(0)
	for _, o := range c.all {
		if o.LUN == k.LUN && o != k && o.state != waiting {
			others += o.budget
		}
	}
	return others == 0 || others+k.budget <= most/share
}

// turn is the place in c.waiting of the first task that may go, or -1. c.mu is held.
func (c *channel) turn() int {
	var room [8]scsi.LUN
	full := room[:0]         // units of which a task waits on
	first := true            // in turn for the channel's share
	ordered := c.ordered > 0 // nothing but HEAD OF QUEUE passes
	for i, k := range c.waiting {
		may := k.fetching == 0 && (!ordered || k.Attr == target.HeadOfQueue) && (k.Attr != target.Ordered || (i == 0 && c.starting == 0))
		if may && (k.budget == 0 || !slices.Contains(full, k.LUN)) && (k.fail != nil || c.fits(k, first)) {
			return i
		}
		ordered = ordered || k.Attr == target.Ordered
		if !slices.Contains(full, k.LUN) {
			if len(full) == len(room) {
				return -1
			}
			full = append(full, k.LUN)
		}
		first = first && k.fetching > 0
	}
	return -1
}

// unblock gives tasks that waited to the target. No lock is held.
func (c *channel) unblock() {
	for {
		c.mu.Lock()
		i := -1
		if !c.dead {
			i = c.turn()
		}
		if i < 0 {
			c.mu.Unlock()
			return
		}
		k := c.waiting[i]
		c.waiting = slices.Delete(c.waiting, i, i+1)
		c.solicited += k.budget
		k.state = starting
		k.refs++
		fail, ordered := k.fail, k.Attr == target.Ordered
		c.starting++
		if ordered {
			c.ordered++
		}
		c.mu.Unlock()
		if fail != nil {
			c.refuse(k, fail)
		} else {
			c.nx.x.Execute(&k.Task)
		}
		c.mu.Lock()
		c.starting--
		if ordered {
			c.ordered--
		}
		kill := k.state == starting && k.kill
		if k.state == starting {
			k.state = running
		}
		c.mu.Unlock()
		if kill { // task management came in between: it waits for the end of k
			c.nx.x.Abort(func(t *target.Task) bool { return t == &k.Task }, func() {})
		}
		c.mu.Lock()
		k.drop()
		c.unlock()
	}
}

// dropWaiting ends tasks that the target has not seen. m, if it is not nil, waits for those that
// do not end at once. c.mu is held, and given up with unlock.
func (c *channel) dropWaiting(match func(*task) bool, m *manage) int {
	n := 0
	c.waiting = slices.DeleteFunc(c.waiting, func(k *task) bool {
		if !match(k) {
			return false
		}
		n++
		if m != nil {
			m.watch(k)
		}
		k.state, k.mute, k.budget = ending, true, 0
		c.cancel(&k.get) // their tables
		c.cancel(&k.last)
		c.conclude(k)
		return true
	})
	return n
}
