package iwarp

import "github.com/lunette-io/lunette/network/rdma"

// Works is a list of works, linked by themselves.
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

// remove takes w out. false: it is not there.
func (q *works) remove(w *rdma.Work) bool {
	var before *rdma.Work
	for x := q.head; x != w; x = x.Next {
		if x == nil {
			return false
		}
		before = x
	}
	if before == nil {
		q.head = w.Next
	} else {
		before.Next = w.Next
	}
	if q.tail == w {
		q.tail = before
	}
	w.Next = nil
	return true
}

// An answer is a Read of the peer that is not answered yet.
type answer struct {
	win    *window
	key    uint32 // of win when the peer asked
	at     int64  // in its data
	size   int64
	sink   uint32
	sinkTO uint64
}

// answers is a queue of them. It has room for as many as the peer may have outstanding.
type answers struct {
	ring    []answer
	head, n int
	max     int
}

// push queues a. false: there are as many as there may be.
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

// front is the first one. There is one.
func (q *answers) front() *answer { return &q.ring[q.head] }

func (q *answers) pop() {
	q.ring[q.head] = answer{}
	q.head = (q.head + 1) % q.max
	q.n--
}
