package iwarp

import "github.com/lunette-io/lunette/network/rdma"

// Post implements rdma.Conn.
func (c *Conn) Post(w *rdma.Work) bool {
	t := &c.tx
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.shut {
		return false
	}
	w.Moved = 0
	t.count++
	switch {
	case t.never && w.Op == rdma.Read: // the connection will end, and Done give it back with an error
		t.queue.push(w)
		t.Queued(0)
	case w.Op != rdma.Read:
		t.queue.push(w)
		t.Queued(len(w.Head) + int(w.Len))
	case t.allowed > 0:
		t.allowed--
		t.queue.push(w)
		t.Queued(0)
	default:
		t.waiting.push(w)
		t.later++
	}
	return true
}

// Cancel implements rdma.Conn.
func (c *Conn) Cancel(w *rdma.Work) bool {
	t := &c.tx
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case w.Op != rdma.Read:
		return false
	case t.waiting.remove(w):
		t.later--
	case t.queue.remove(w):
		t.allow()
	default:
		return false
	}
	t.count--
	return true
}

// allow queues a Read that waits, if there is one, since one fewer is outstanding. t.mu is held.
func (t *sender) allow() {
	t.allowed++
	if w := t.waiting.pop(); w != nil {
		t.allowed--
		t.later--
		t.queue.push(w)
		t.Queued(0)
	}
}

// answered notes that a Read has ended.
func (t *sender) answered() {
	t.mu.Lock()
	t.allow()
	t.mu.Unlock()
}

// serve queues the answer to a Read of the peer. It returns false if the peer has more Reads
// outstanding than were agreed on.
func (t *sender) serve(a answer) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.shut && !t.answers.push(a) {
		return false
	}
	t.Queued(0)
	return true
}

// queued is how many works, and how many bytes of them, have not been sent, but for Reads that wait for
// others; and how many Reads the peer has not answered that it was asked for.
func (t *sender) queued() (n, bytes, asked int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	m := &t.c.mem
	m.mu.Lock()
	reads := m.reads.n
	m.mu.Unlock()
	// A Read may be answered before the one who sends knows that it was sent.
	return int64(t.count - t.later), int64(t.Backlog()), int64(max(reads-t.asking, 0))
}
