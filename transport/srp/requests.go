package srp

import (
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/lunette-io/lunette/internal/tagtable"
	"github.com/lunette-io/lunette/transport/srp/iu"
)

// requests are what the initiator has asked for by a channel and waits for: commands and task
// management functions. A request is open from its arrival until its answer is posted, or until
// nothing is left of it if it gets none. So long nobody else may have its tag.
type requests struct {
	noteLimit bool // CRED_REQ wakes the initiator

	mu        sync.Mutex // guards what follows, up to back
	credits   credits
	tags      tagtable.Table[struct{}]
	functions int // of the open requests, task management
	received  int64
	aborted   int64
	free      *task // unused, by next

	// live is how many requests there are of which something is left: those that are open, and those
	// whose answers have not been sent.
	live atomic.Int64

	// back is a stack of tasks that have come back since free was filled. All of them are taken at
	// a time, so that no task can be taken and come back while another goroutine looks at it.
	back atomic.Pointer[task]
}

func (q *requests) init(limit int, noteLimit bool) {
	q.credits = credits{limit: limit, left: limit}
	q.noteLimit = noteLimit
}

// untaken is how many times the request limit there may be of live requests. An initiator that keeps to
// what it is told never has more than the limit: it learns of credits by the answers that it takes. So one
// that has more does not take them, and sends all the same; there is room for answers that it has taken
// and that we do not know of yet.
const (
	untaken      = 3
	untakenLeast = 512
)

// open takes a request. An error ends the channel: the answer to a request whose tag is in use
// would be taken for that of another. q.mu is held.
func (q *requests) open(tag uint64) error {
	if !q.credits.take() {
		return errOverrun
	}
	if q.live.Load() >= max(untaken*int64(q.credits.limit), untakenLeast) {
		return errUntaken
	}
	if !q.tags.Add(tag, struct{}{}) {
		return fmt.Errorf("%w: %#016x", errTag, tag)
	}
	q.live.Add(1)
	q.received++
	return nil
}

// command opens a request and returns a task for it, which is the caller's.
func (q *requests) command(c *channel, tag uint64) (*task, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if err := q.open(tag); err != nil {
		return nil, err
	}
	if q.free == nil {
		q.free = q.back.Swap(nil)
	}
	k := q.free
	if k == nil {
		return newTask(c), nil
	}
	q.free, k.next = k.next, nil
	return k, nil
}

// function opens a request for task management.
func (q *requests) function(tag uint64) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if err := q.open(tag); err != nil {
		return err
	}
	q.functions++
	return nil
}

// answer ends a command that is answered, and returns the request limit delta of the answer. The
// caller posts it next: the initiator may use the tag again when it has it, which we are not told.
func (q *requests) answer(tag uint64) (delta int32) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.tags.Remove(tag)
	return q.credits.answer()
}

// answerFunction is answer for task management.
func (q *requests) answerFunction(tag uint64) (delta int32) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.tags.Remove(tag)
	q.functions--
	return q.credits.answer()
}

// drop ends a command that gets no answer. Nothing is left of it: only now the initiator may send
// another.
func (q *requests) drop(tag uint64) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.tags.Remove(tag)
	q.credits.drop()
	q.aborted++
}

// recycle takes a task back that nobody refers to any more, without a lock.
func (q *requests) recycle(k *task) {
	q.live.Add(-1)
	for {
		top := q.back.Load()
		k.next = top
		if q.back.CompareAndSwap(top, k) {
			return
		}
	}
}

// ask is what a CRED_REQ has to give back now.
func (q *requests) ask() (delta int32) {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.credits.ask(q.functions)
}

// confirm takes the initiator's answer to a CRED_REQ. false: there was none.
func (q *requests) confirm() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.credits.confirm()
}

// unconfirmed reports that the initiator has not answered our request.
func (q *requests) unconfirmed() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.credits.asked
}

// describe fills in what there is to say of requests.
func (q *requests) describe(x *ChannelInfo) {
	q.mu.Lock()
	defer q.mu.Unlock()
	x.Credits, x.Open, x.Due, x.Requests, x.Aborted = q.credits.left, q.credits.open, q.credits.due, q.received, q.aborted
}

// creditTag is the tag of our requests: there is one at a time.
const creditTag = 1

// giveCredits gives back the credits of commands that got no answer, if no answer will do it soon.
// No lock is held.
func (c *channel) giveCredits() {
	if c.link.leaving.Load() {
		return
	}
	delta := c.requests.ask()
	if delta == 0 {
		return
	}
	note := c.requests.noteLimit
	x := iu.CreditRequest{Solicited: note, Delta: delta, Tag: creditTag}
	if sendNote(c.link.conn, x.Append(nil), note, false) {
		c.link.conn.Flush()
	}
}
