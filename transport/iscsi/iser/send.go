package iser

import (
	"github.com/lunette-io/lunette/network/rdma"
	"github.com/lunette-io/lunette/transport/iscsi"
	"github.com/lunette-io/lunette/transport/iscsi/pdu"
)

// A work is what a PDU or a transfer needs to be posted. Works are recycled by their mover.
type work struct {
	rdma.Work
	pdu   iscsi.PDU
	x     *iscsi.Transfer // nil: the work is of pdu, or of neither
	hello bool            // head is complete
	state state
	size  int // bytes of data of a queued PDU
	next  *work
	head  []byte // room for Head: headers and data
}

// A state is where a work is. It is guarded by the mover's mu.
type state uint8

const (
	isFree state = iota
	isTaken
	isQueued
	isPosted
)

// headLen is how much room a work has for a message: all of full feature phase have enough.
const headLen = HeaderLen + pdu.HeaderLen + maxControl

// How many messages may wait to be sent, and how many bytes of data they may have. Answers to commands are
// regulated by the command window, and requests beside them are few (unexpected): who makes us wait
// with twice as many has sent requests without end and takes no answers.
const (
	usualQueued    = 2 * (128 + unexpected)
	maxQueuedBytes = 64 << 10
)

// work takes one from the free list. m.mu is held.
func (m *Mover) work() *work {
	v := m.free
	if v == nil {
		v = &work{head: make([]byte, 0, headLen)}
		v.Owner = v
		v.pdu.Frame = v
	} else {
		m.free = v.next
		v.next = nil
	}
	v.state = isTaken
	return v
}

// recycle gives a work back to the free list. m.mu is held.
func (m *Mover) recycle(v *work) {
	v.Work = rdma.Work{Owner: v}
	v.x, v.hello, v.size = nil, false, 0
	if cap(v.head) > 4*headLen { // a text
		v.head = make([]byte, 0, headLen)
	}
	v.state, v.next, m.free = isFree, m.free, v
}

// Control implements iscsi.Mover.
func (m *Mover) Control() *iscsi.PDU {
	m.mu.Lock()
	defer m.mu.Unlock()
	p := &m.work().pdu
	p.Data, p.Owner, p.Next, p.Memory, p.BHS = nil, nil, nil, iscsi.Memory{}, pdu.BHS{}
	return p
}

// SendControl implements iscsi.Mover.
func (m *Mover) SendControl(p *iscsi.PDU) {
	v := p.Frame.(*work)
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		m.recycle(v)
		return
	}
	v.size = len(p.Data)
	m.queue(v)
	m.queued++
	m.queuedBytes += v.size
}

// queue puts v at the end of the queue. m.mu is held.
func (m *Mover) queue(v *work) {
	v.state = isQueued
	if m.last != nil {
		m.last.next = v
	} else {
		m.first = v
	}
	m.last = v
}

// PutData implements iscsi.Mover: it makes one RDMA Write of x.
func (m *Mover) PutData(x *iscsi.Transfer) bool { return m.move(x, rdma.Write) }

// GetData implements iscsi.Mover: it makes one RDMA Read of x.
func (m *Mover) GetData(x *iscsi.Transfer) bool { return m.move(x, rdma.Read) }

// move queues a transfer. It never goes beyond what the command has advertised: the session
// asks for no more than that, and if it did the connection would end.
func (m *Mover) move(x *iscsi.Transfer, op rdma.Op) bool {
	w := &x.Window
	if !w.Valid || x.Offset < w.From || int64(x.Offset)+x.Len > int64(w.To) {
		m.Terminate(errBeyond)
		return false
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return false
	}
	v := m.work()
	v.x, x.Work = x, v
	v.Op, v.Data, v.At, v.Len = op, x.Data, x.At, x.Len
	v.Overtakes = op == rdma.Write // the response to its command is not queued yet, and to others it does not matter
	v.Remote = rdma.Remote{Key: rdma.Key(w.Key), Addr: w.Base + uint64(x.Offset-w.From)}
	m.queue(v)
	return true
}

// Flush implements iscsi.Mover.
func (m *Mover) Flush() {
	m.mu.Lock()
	if m.busy { // take sends it: an initiator that has the answer to its login may go on
		m.mu.Unlock()
		return
	}
	m.post()
	closed := m.closed
	m.mu.Unlock()
	if !closed {
		m.conn.Flush()
	}
}

// post posts the queue, in its order. m.mu is held.
func (m *Mover) post() {
	for m.first != nil {
		v := m.first
		if m.first = v.next; m.first == nil {
			m.last = nil
		}
		v.next = nil
		switch {
		case v.x == nil:
			m.encode(v)
		case v.Op == rdma.Read && m.reads >= m.most:
			m.wait(v)
			continue
		}
		m.give(v)
	}
}

// wait puts a Read behind those that wait for one to end. m.mu is held.
func (m *Mover) wait(v *work) {
	at := &m.waiting
	for *at != nil {
		at = &(*at).next
	}
	*at = v
}

// give posts v. m.mu is held.
func (m *Mover) give(v *work) {
	v.state = isPosted
	if !m.conn.Post(&v.Work) { // Closed gives it back
		v.state = isTaken
		v.next, m.refused = m.refused, v
		return
	}
	if v.x != nil && v.Op == rdma.Read {
		m.reads++
	}
}

// encode makes the message of a PDU. m.mu is held: the numbers are in the order of the wire.
func (m *Mover) encode(v *work) {
	v.Op = rdma.Send
	if !v.hello {
		p := &v.pdu
		m.h.Stamp(&p.BHS, p.Owner)
		p.BHS.SetDataSegmentLength(len(p.Data))
		b := Header{Kind: Control}.Append(v.head[:0])
		b = append(append(append(b, p.BHS[:]...), p.Data...), pdu.Padding(len(p.Data))...)
		v.head, p.Data, p.Owner = b, nil, nil
		// The response to a command ends what it has advertised (RFC 7145 7.3.2): of two tags
		// the message has room for one, that of the data-in.
		if key, ok := p.Memory.Ends(); ok && m.invalidate {
			v.Op, v.Invalidate = rdma.SendInvalidate, rdma.Key(key)
		}
	}
	v.Head = v.head
}

// Cancel implements iscsi.Mover.
func (m *Mover) Cancel(x *iscsi.Transfer) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	v, ok := x.Work.(*work)
	if !ok || v.x != x {
		return false
	}
	switch {
	case v.state == isQueued:
		m.unlink(v)
	case v.state == isPosted && m.conn.Cancel(&v.Work):
		m.reads--
		m.more()
	default:
		return false
	}
	x.Work = nil
	m.recycle(v)
	return true
}

// unlink takes a work that is not posted out of the list that it is in. m.mu is held.
func (m *Mover) unlink(v *work) {
	var before *work
	for o := m.first; o != nil; before, o = o, o.next {
		if o != v {
			continue
		}
		if before == nil {
			m.first = v.next
		} else {
			before.next = v.next
		}
		if m.last == v {
			m.last = before
		}
		v.next = nil
		return
	}
	for at := &m.waiting; *at != nil; at = &(*at).next {
		if *at == v {
			*at, v.next = v.next, nil
			return
		}
	}
}

// more posts a Read that waits, if it may. m.mu is held. It reports whether it did.
func (m *Mover) more() bool {
	v := m.waiting
	if v == nil || m.reads >= m.most {
		return false
	}
	m.waiting, v.next = v.next, nil
	m.give(v)
	return true
}

// Done implements rdma.Handler.
func (m *Mover) Done(w *rdma.Work, err error) {
	v := w.Owner.(*work)
	more := false
	m.mu.Lock()
	if v.x != nil && v.Op == rdma.Read {
		m.reads--
		more = err == nil && m.more()
	}
	m.mu.Unlock()
	if err != nil {
		err = iscsi.ErrTerminated // Closed says why
	}
	m.finish(v, err)
	if more {
		m.conn.Flush()
	}
}

// finish gives back what v was for, and v itself.
func (m *Mover) finish(v *work, err error) {
	m.mu.Lock()
	x := v.x
	if x == nil {
		m.queued--
		m.queuedBytes -= v.size
	} else {
		x.Work = nil
	}
	m.recycle(v)
	m.mu.Unlock()
	if x != nil {
		m.h.DataMoved(x, err)
	}
}
