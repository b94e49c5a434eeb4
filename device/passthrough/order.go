package passthrough

import (
	"slices"
	"sync"

	"github.com/lunette-io/lunette/target"
)

// A queue says which command goes to the device next.
//
// Commands that move a medium or go by its position are positioned: the device has one of them at a time, in the order in which they arrived. A
// command that waits for data of its initiator is passed by those of other initiators, but not by those of its own: so commands of
// one initiator are never done in another order, and who owes data holds up nobody else.
//
// Of all others the device has as many as it takes. Each initiator has a line of its own, and the lines take turns, so that
// nobody's flood keeps others waiting. Positioned commands and the rest take turns too.
type queue struct {
	mu    sync.Mutex
	link  *link   // the device; nil: it is gone, and nothing waits for it
	open  []*link // those that are not closed yet
	depth int     // how many commands it gets at a time
	held  int     // reasons why it gets none just now
	shut  bool    // there will be no other link

	positioned []*command // in order of arrival
	turn       *command   // the positioned one that the device has
	after      bool       // the last one was positioned

	lines map[*target.ITL]*lane
	own   lane  // of commands of lunette's own
	first *lane // those with commands, in a ring: the one whose turn it is
	last  *lane

	advancing bool // one goroutine is in advance, and asks until there is no more
}

// A lane has the commands of one I_T_L nexus that wait and are not positioned.
type lane struct {
	first, last *command
	next        *lane // the ring is a list of those that have commands
}

// attach makes a line for x, detach takes it away: x has no task any more.
func (q *queue) attach(x *target.ITL) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.lines == nil {
		q.lines = make(map[*target.ITL]*lane)
	}
	q.lines[x] = new(lane)
}

func (q *queue) detach(x *target.ITL) {
	q.mu.Lock()
	defer q.mu.Unlock()
	delete(q.lines, x)
}

// there reports that the device is there.
func (q *queue) there() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.link != nil
}

// reserve gives c, which waits for its data, its place among the positioned ones, or reports false if its task is aborted.
func (q *queue) reserve(c *command) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if c.task.Aborted() {
		return false
	}
	q.positioned = append(q.positioned, c)
	return true
}

// enter lets c wait for its turn, from the place that it has if it has one. It reports false if its task is aborted, and then c is not there: the abort may
// have looked for it before.
func (q *queue) enter(c *command) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if c.task != nil && c.task.Aborted() {
		q.remove(c)
		return false
	}
	c.state = waiting
	switch {
	case c.rule == nil || !c.rule.alone:
		q.put(c)
	case !slices.Contains(q.positioned, c):
		q.positioned = append(q.positioned, c)
	}
	return true
}

// put puts c at the end of its line. q.mu is held.
func (q *queue) put(c *command) {
	l := q.lane(c)
	c.next = nil
	if l.last != nil {
		l.last.next = c
		l.last = c
		return
	}
	l.first, l.last = c, c
	q.queueLane(l)
}

// queueLane lets l, which has commands now, have its turn after all others. q.mu is held.
func (q *queue) queueLane(l *lane) {
	l.next = nil
	if q.last != nil {
		q.last.next = l
	} else {
		q.first = l
	}
	q.last = l
}

// lane is the line of c. q.mu is held.
func (q *queue) lane(c *command) *lane {
	if l := q.lines[c.x]; l != nil {
		return l
	}
	return &q.own
}

// leave takes c, which waits for its data, out of the order.
func (q *queue) leave(c *command) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.remove(c)
}

// cancel takes c, whose task is aborted, out of the queue, and reports true if it waited there for its turn only. One that waits for data is told
// by its transfer. One that the device has, or is about to have, is abandoned.
func (q *queue) cancel(c *command) (waited, has bool, serial uint64) {
	q.mu.Lock()
	defer q.mu.Unlock()
	switch c.state {
	case waiting:
		waited = q.remove(c)
	case begun, sent:
		if has = true; c.link != nil && !c.abandoned {
			c.abandoned = true
			c.link.abandoned++
		}
	}
	return waited, has, c.serial
}

// sends and ends note that the device gets c, and that it has ended it, or will never get it.
func (q *queue) sends(c *command) {
	q.mu.Lock()
	c.state = sent
	q.mu.Unlock()
}

func (q *queue) ends(c *command) {
	q.mu.Lock()
	c.state = over
	q.mu.Unlock()
}

// orphan takes the task from c, if the device has it and it is the same command still.
func (q *queue) orphan(c *command, serial uint64) *target.Task {
	q.mu.Lock()
	defer q.mu.Unlock()
	if c.state != sent || c.serial != serial {
		return nil
	}
	t := c.task
	c.task = nil
	return t
}

// forget makes c one that may be used again.
func (q *queue) forget(c *command) {
	q.mu.Lock()
	c.state, c.abandoned, c.link, c.next = arriving, false, nil, nil
	c.serial++
	q.mu.Unlock()
}

// remove takes c out of wherever it waits, and reports whether it was there. q.mu is held.
func (q *queue) remove(c *command) bool {
	if i := slices.Index(q.positioned, c); i >= 0 {
		q.positioned = slices.Delete(q.positioned, i, i+1)
		return true
	}
	if c.rule != nil && c.rule.alone {
		return false
	}
	l := q.lane(c)
	for before, o := (*command)(nil), l.first; o != nil; before, o = o, o.next {
		if o != c {
			continue
		}
		if before != nil {
			before.next = c.next
		} else {
			l.first = c.next
		}
		if l.last == c {
			l.last = before
		}
		c.next = nil
		if l.first == nil {
			q.unqueueLane(l)
		}
		return true
	}
	return false
}

// unqueueLane takes l, which has no commands any more, out of the ring. q.mu is held.
func (q *queue) unqueueLane(l *lane) {
	for before, o := (*lane)(nil), q.first; o != nil; before, o = o, o.next {
		if o != l {
			continue
		}
		if before != nil {
			before.next = l.next
		} else {
			q.first = l.next
		}
		if q.last == l {
			q.last = before
		}
		l.next = nil
		return
	}
}

// begin reports that the caller may let commands go: nobody else does.
func (q *queue) begin() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.advancing {
		return false
	}
	q.advancing = true
	return true
}

// pop takes the next command whose turn has come; nil ends what begin has begun. When the device is gone everybody's turn has come, and their link is nil.
func (q *queue) pop() *command {
	q.mu.Lock()
	defer q.mu.Unlock()
	c := q.choose()
	if c == nil {
		q.advancing = false
		return nil
	}
	c.state = begun
	if c.link = q.link; c.link != nil {
		c.link.underWay++
	}
	return c
}

// choose takes out who comes next. q.mu is held.
func (q *queue) choose() *command {
	gone := q.link == nil
	if !gone && (q.held > 0 || q.link.underWay >= q.depth) {
		return nil
	}
	if q.after && q.first != nil {
		return q.chooseOther()
	}
	if q.turn == nil || gone {
		for i, c := range q.positioned {
			if c.state != waiting || slices.ContainsFunc(q.positioned[:i], func(o *command) bool { return o.x == c.x }) {
				continue
			}
			q.positioned = slices.Delete(q.positioned, i, i+1)
			if !gone {
				q.turn = c
			}
			q.after = true
			return c
		}
	}
	return q.chooseOther()
}

// chooseOther takes out the first of the line whose turn it is. q.mu is held.
func (q *queue) chooseOther() *command {
	q.after = false
	l := q.first
	if l == nil {
		return nil
	}
	c := l.first
	l.first, c.next = c.next, nil
	if q.first = l.next; q.first == nil {
		q.last = nil
	}
	if l.first == nil {
		l.last, l.next = nil, nil
	} else {
		q.queueLane(l)
	}
	return c
}

// release notes that the device has ended c, or will never get it. It reports whether to look for the device.
func (q *queue) release(c *command) (look bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.turn == c {
		q.turn = nil
	}
	return c.link != nil && q.leaveLink(c.link, c.abandoned)
}

// hold lets no command go until resume was called as often.
func (q *queue) hold() {
	q.mu.Lock()
	q.held++
	q.mu.Unlock()
}

func (q *queue) resume() {
	q.mu.Lock()
	q.held--
	q.mu.Unlock()
}
