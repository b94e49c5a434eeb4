package iwarp

import "github.com/lunette-io/lunette/network/rdma"

// Post implements rdma.Conn.
func (c *Conn) Post(w *rdma.Work) bool {
	t := &c.tx
	t.Lock()
	defer t.Unlock()
	if t.shut {
		return false
	}
	w.Moved = 0
	t.count++
	switch {
	case t.never && w.Op == rdma.Read: // it will be told by Done
		t.queue.push(w)
	case w.Op != rdma.Read:
		t.queue.push(w)
		t.Grow(len(w.Head) + int(w.Len))
	case t.allowed > 0:
		t.allowed--
		t.queue.push(w)
	default:
		t.waiting.push(w)
	}
	return true
}

// Cancel implements rdma.Conn.
func (c *Conn) Cancel(w *rdma.Work) bool {
	t := &c.tx
	t.Lock()
	defer t.Unlock()
	switch {
	case w.Op != rdma.Read:
		return false
	case t.waiting.remove(w):
	case t.queue.remove(w):
		t.allow()
	default:
		return false
	}
	t.count--
	return true
}

// allow says that there may be one more Read. The lock is held.
func (t *sender) allow() {
	t.allowed++
	if w := t.waiting.pop(); w != nil {
		t.allowed--
		t.queue.push(w)
	}
}

// answered says that a Read has ended.
func (t *sender) answered() {
	t.Lock()
	t.allow()
	t.Unlock()
}

// serve queues the answer to a Read of the peer. false: it has too many outstanding.
func (t *sender) serve(a answer) bool {
	t.Lock()
	defer t.Unlock()
	return t.shut || t.answers.push(a)
}

func (t *sender) queued() (n, bytes int64) {
	t.Lock()
	defer t.Unlock()
	return int64(t.count), int64(t.Queued())
}
