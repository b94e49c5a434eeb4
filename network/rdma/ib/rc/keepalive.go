package rc

import (
	"time"

	"github.com/lunette-io/lunette/network/rdma"
)

// Established tells that the peer's queue pair is there: from now on it is asked for a sign of life when it has been silent for [Config.KeepAlive].
//
// It is asked by an RDMA Write of no bytes, for which nothing is looked up and an acknowledgement is owed (9.7.5.1.1, 10.6.7.2). If that does not come it is sent again as
// anything is, and the queue pair ends when it has been often enough. As long as the peer owes another answer it is not asked.
func (q *QP) Established() {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.met || q.over {
		return
	}
	q.met = true
	if !q.held {
		q.since = q.now()
	}
	q.rearm(q.now())
}

// silent is when the peer will have been silent for too long; 0: that is not looked at now. mu is held.
func (q *QP) silent() time.Duration {
	if q.conf.KeepAlive <= 0 || !q.met || q.h == nil || q.closing || q.req.knocking || q.req.busy() {
		return 0
	}
	return q.since + q.conf.KeepAlive
}

// knock asks the peer for a sign of life. r.q.mu is held.
func (r *requester) knock() {
	r.knocking = true
	r.alive = rdma.Work{Op: rdma.Write}
	r.push(&r.alive)
}

// knocked takes back the work that has asked for a sign of life: it is nobody's.
func (q *QP) knocked() {
	q.mu.Lock()
	q.req.knocking = false
	q.mu.Unlock()
}
