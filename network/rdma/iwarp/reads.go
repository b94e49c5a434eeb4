package iwarp

import "github.com/lunette-io/lunette/network/rdma"

// A reads has the Reads that the peer has been asked for, in the order of the requests, which is the
// order of the answers (RFC 5040 5.5). A Work's State is the STag that the answer goes to (the sink);
// tagged offsets there begin at 0.
type reads struct {
	head, tail *rdma.Work
	n, big     int // how many there are, and how many of them have data that is not to be copied
}

// bigRead is the size from which on the data of a Read is received directly into its place, whatever
// the size of its segments. The answer to a smaller Read may be received together with much else and
// copied, which saves system calls.
const bigRead = 16 << 10

func (r *reads) push(w *rdma.Work) {
	w.Next = nil
	if r.head == nil {
		r.head = w
	} else {
		r.tail.Next = w
	}
	r.tail = w
	r.n++
	if w.Len >= bigRead {
		r.big++
	}
}

func (r *reads) pop() *rdma.Work {
	w := r.head
	if w == nil {
		return nil
	}
	r.head, w.Next = w.Next, nil
	r.n--
	if w.Len >= bigRead {
		r.big--
	}
	return w
}

// ahead is how many bytes of data at least come before those of the first big Read. There is one.
func (r *reads) ahead() (n int64) {
	for w := r.head; w.Len < bigRead; w = w.Next {
		n += w.Len - w.Moved
	}
	return n
}

// expect checks that the segment h, which has n bytes, is the one that has to come next of the
// answer to the first Read, and returns that Read. mu is held.
func (m *memory) expect(h *header, n int) (*rdma.Work, *TerminateError) {
	w := m.reads.head
	switch {
	case w == nil:
		return nil, failure(causeOpcode, "a Read Response that answers nothing")
	case h.stag != w.State:
		return nil, failure(causeKey, "a Read Response to another sink")
	case h.to+uint64(n) < h.to:
		return nil, failure(causeWrap, "a Read Response that goes round the end of all addresses")
	case h.to != uint64(w.Moved):
		return nil, failure(causeBounds, "a Read Response at %d, expected %d", h.to, w.Moved)
	case int64(n) > w.Len-w.Moved:
		return nil, failure(causeBounds, "a Read Response of %d bytes where %d are left", n, w.Len-w.Moved)
	case h.last != (w.Moved+int64(n) == w.Len):
		return nil, failure(causeUnspecified, "a Read Response that ends at %d of %d bytes", w.Moved+int64(n), w.Len)
	}
	return w, nil
}
