package rc

import (
	"fmt"

	"github.com/lunette-io/lunette/network/rdma"
)

// Close implements rdma.Conn.
func (q *QP) Close(err error) {
	q.mu.Lock()
	started := q.h != nil
	switch {
	case err != nil:
		err = fmt.Errorf("%w: %w", rdma.ErrClosed, err)
	case started && !q.over && !q.req.idle():
		if !q.closing {
			q.closing, q.until = true, q.now()+max(linger, 2*q.req.timeout)
			q.rearm(q.now())
		}
		q.mu.Unlock()
		q.Flush() // who hears of the last acknowledgement ends it
		return
	}
	q.mu.Unlock()
	q.finish(err, err == nil)
	if !started {
		<-q.gone
	}
}

// Disconnected tells that the peer has ended the connection: err is nil after an orderly end.
func (q *QP) Disconnected(err error) { q.finish(err, false) }

// finish ends the queue pair. The first call says why. With words the responder has something to say first: acknowledgements, or a NAK. It may be called from everywhere with no lock
// held; works are given back, and Closed is called, by who leaves last: the one who receives, the one who sends, or the caller.
func (q *QP) finish(err error, words bool) {
	q.mu.Lock()
	if q.over {
		q.mu.Unlock()
		return
	}
	q.over, q.cause, q.parting = true, err, words
	receiving := q.receiving
	q.mu.Unlock()
	switch {
	case receiving: // Received goes on at its end
	case words:
		q.send()
	default:
		q.settle()
	}
}

// settle winds the queue pair up if it is over and nobody receives or sends: works are given back, and Closed is called.
func (q *QP) settle() {
	q.mu.Lock()
	if !q.over || q.wound || q.receiving || q.sending || q.parting {
		done := q.closing && !q.over && q.req.idle() && !q.sending
		q.mu.Unlock()
		if done {
			q.finish(nil, true)
		}
		return
	}
	q.wound = true
	if q.alarm.timer != nil {
		q.alarm.timer.Stop()
	}
	acked, placed, rest := q.req.stop()
	h, cause := q.h, q.cause
	q.resp.close()
	q.mu.Unlock()
	q.mem.close()
	q.give(acked, nil)
	q.give(placed, nil)
	flushed := rdma.ErrFlushed
	if cause != nil {
		flushed = fmt.Errorf("%w: %w", rdma.ErrFlushed, cause)
	}
	q.give(rest, flushed)
	if q.conf.Ended != nil {
		q.conf.Ended(cause)
	}
	if h != nil {
		h.Closed(cause)
	}
	close(q.gone)
}

// give gives works back. No lock is held.
func (q *QP) give(all works, err error) {
	for w := all.pop(); w != nil; w = all.pop() {
		if w == &q.req.alive {
			q.knocked()
			continue
		}
		q.h.Done(w, err)
	}
}
