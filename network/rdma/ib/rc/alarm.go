package rc

import (
	"fmt"
	"time"

	"github.com/lunette-io/lunette/network/rdma"
)

// An alarm is the one timer of a queue pair. It is armed lazily: a time that is put off leaves the timer as it is, and who wakes too early sleeps again. The queue
// pair's mu guards it.
type alarm struct {
	timer *time.Timer
	at    time.Duration // when it will ring; 0: it will not
}

const (
	// patience is how long a batch may be in the hands of the queue pair's user, before acknowledgements and what was posted are sent without waiting for its end.
	patience = 5 * time.Millisecond
	// linger is how long Close(nil) waits at the least for the peer to take what was posted.
	linger = 2 * time.Second
)

// ring has the alarm ring at a time, or before. mu is held.
func (q *QP) ring(at time.Duration) {
	if q.wound || q.alarm.at != 0 && q.alarm.at <= at {
		return
	}
	q.alarm.at = max(at, 1)
	wait := max(at-q.now(), 0)
	if q.alarm.timer == nil {
		q.alarm.timer = time.AfterFunc(wait, q.rang)
	} else {
		q.alarm.timer.Reset(wait)
	}
}

// rearm has the alarm ring when there will be something to do, if it is known to be. mu is held.
func (q *QP) rearm(now time.Duration) {
	if q.over {
		return
	}
	if at := q.req.due(now); at > 0 {
		q.ring(at)
	}
	if at := q.silent(); at > 0 {
		q.ring(at)
	}
	if q.closing {
		q.ring(q.until)
	}
}

// rang is called by the timer.
func (q *QP) rang() {
	q.mu.Lock()
	q.alarm.at = 0
	now := q.now()
	if q.over {
		q.mu.Unlock()
		return
	}
	var err error
	if q.closing && now >= q.until {
		err = fmt.Errorf("%w: the peer did not take what was left at the end", rdma.ErrLost)
	} else {
		err = q.req.elapsed(now)
	}
	if q.held {
		if at := q.since + patience; now < at { // Batch will come, most likely
			q.ring(at)
			q.rearm(now)
			q.mu.Unlock()
			if err != nil {
				q.finish(err, false)
			}
			return
		}
	}
	if at := q.silent(); err == nil && at > 0 && now >= at {
		q.req.knock()
	}
	q.mu.Unlock()
	if err != nil {
		q.finish(err, false)
		return
	}
	q.send() // it arms the alarm again
}
