package rc

import (
	"github.com/lunette-io/lunette/network/rdma"
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

// insert puts w behind before, or, if that is nil, first.
func (q *works) insert(before, w *rdma.Work) {
	at := &q.head
	if before != nil {
		at = &before.Next
	}
	w.Next, *at = *at, w
	if w.Next == nil {
		q.tail = w
	}
}

func (q *works) pop() *rdma.Work {
	w := q.head
	if w != nil {
		q.head, w.Next = w.Next, nil
	}
	return w
}

// join appends all works of o.
func (q *works) join(o works) {
	switch {
	case o.head == nil:
	case q.head == nil:
		*q = o
	default:
		q.tail.Next = o.head
		q.tail = o.tail
	}
}

// remove takes w out of the list, and reports whether it was in it.
func (q *works) remove(w *rdma.Work) bool { return linked.Remove(&q.head, &q.tail, w) }
