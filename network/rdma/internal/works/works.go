// Package works is what providers of RDMA share about lists of works that are linked by their Next.
package works

import "github.com/lunette-io/lunette/network/rdma"

// Remove takes w out of the list from head to tail, and reports whether it was in it.
func Remove(head, tail **rdma.Work, w *rdma.Work) bool {
	var before *rdma.Work
	for x := *head; x != w; x = x.Next {
		if x == nil {
			return false
		}
		before = x
	}
	if before == nil {
		*head = w.Next
	} else {
		before.Next = w.Next
	}
	if *tail == w {
		*tail = before
	}
	w.Next = nil
	return true
}
