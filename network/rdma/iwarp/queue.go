package iwarp

import (
	"github.com/lunette-io/lunette/network/rdma"
	"github.com/lunette-io/lunette/network/rdma/internal/windows"
	linked "github.com/lunette-io/lunette/network/rdma/internal/works"
)

// A works is a list of works, linked by their Next.
type works struct{ head, tail *rdma.Work }

func (q *works) push(w *rdma.Work) {
	w.Next = nil
	if q.head == nil {
		q.head = w
	} else {
		q.tail.Next = w
	}
	q.tail = w
}

func (q *works) pop() *rdma.Work {
	w := q.head
	if w != nil {
		q.head, w.Next = w.Next, nil
	}
	return w
}

// remove takes w out of the list, and reports whether it was in it.
func (q *works) remove(w *rdma.Work) bool { return linked.Remove(&q.head, &q.tail, w) }

// An answer is a Read of the peer that has not been answered.
type answer struct {
	win    *windows.Window
	key    uint32 // of win when the peer asked
	at     int64  // where the answer begins in the window's data
	size   int64
	sink   uint32
	sinkTO uint64
}

// answers is a queue of answers. It has room for as many as the peer may have Reads outstanding.
type answers struct {
	ring    []answer
	head, n int
	max     int
}

// push queues a, and reports whether there was room.
func (q *answers) push(a answer) bool {
	if q.n == q.max {
		return false
	}
	if q.ring == nil {
		q.ring = make([]answer, q.max)
	}
	q.ring[(q.head+q.n)%q.max] = a
	q.n++
	return true
}

// front is the first answer. The queue is not empty.
func (q *answers) front() *answer { return &q.ring[q.head] }

func (q *answers) pop() {
	q.ring[q.head] = answer{}
	q.head = (q.head + 1) % q.max
	q.n--
}
