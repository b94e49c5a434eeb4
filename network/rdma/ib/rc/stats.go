package rc

import (
	"sync/atomic"

	"github.com/lunette-io/lunette/network/rdma"
)

// Counters are what is counted without a lock: see [rdma.Stats].
type counters struct {
	messagesIn, messagesOut, writes, reads, bytesIn, bytesOut, placed, receives, sends, copied, copiedPlaced atomic.Int64
	unfinished                                                                                               atomic.Bool // the responder's: a message or a Write has come in part
}

// Stats implements rdma.Conn.
func (q *QP) Stats() rdma.Stats {
	n := &q.count
	s := rdma.Stats{
		MessagesIn: n.messagesIn.Load(), MessagesOut: n.messagesOut.Load(), Writes: n.writes.Load(), Reads: n.reads.Load(),
		BytesIn: n.bytesIn.Load(), BytesOut: n.bytesOut.Load(), Placed: n.placed.Load(), Receives: n.receives.Load(),
		Sends: n.sends.Load(), Copied: n.copied.Load(), CopiedPlaced: n.copiedPlaced.Load(), Unfinished: n.unfinished.Load(),
	}
	q.mu.Lock()
	s.Queued, s.BytesQueued = int64(q.req.queued), q.req.bytes
	for w := q.req.reads.head; w != nil; w = w.Next {
		s.Asked++
	}
	q.mu.Unlock()
	return s
}
