package iser_test

import (
	"strings"
	"testing"

	"github.com/lunette-io/lunette/network/rdma"
	"github.com/lunette-io/lunette/transport/iscsi"
)

// Whoever flushes while a login request is being handled does not send its answer: the initiator
// would go on, and be told that it has not waited.
func TestLoginAnswerLeavesLast(t *testing.T) {
	s := &script{}
	m, f := begin(t, s, private, func(*rdma.Work) bool { return false })
	login(t, s, m, f, unhex(t, plain+"4387"+strings.Repeat("00", 46)), func(*iscsi.Arrival) {
		m.Enable(linux)
		before := f.count()
		m.Flush()
		if f.count() != before {
			t.Error("the answer has left before the request was handled")
		}
	})
}
