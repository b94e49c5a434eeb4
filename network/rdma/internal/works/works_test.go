package works

import (
	"testing"

	"github.com/lunette-io/lunette/network/rdma"
)

func TestRemove(t *testing.T) {
	for at := range 3 {
		var all [3]rdma.Work
		all[0].Next, all[1].Next = &all[1], &all[2]
		head, tail := &all[0], &all[2]
		if !Remove(&head, &tail, &all[at]) || Remove(&head, &tail, &all[at]) {
			t.Fatalf("the work at %d is not taken out once", at)
		}
		n := 0
		var last *rdma.Work
		for w := head; w != nil; w = w.Next {
			if w == &all[at] {
				t.Errorf("the work at %d is still in the list", at)
			}
			last = w
			n++
		}
		if n != 2 || tail != last || all[at].Next != nil {
			t.Errorf("without the work at %d the list has %d, and its end is %p and not %p", at, n, tail, last)
		}
	}
	var none, one rdma.Work
	head, tail := &one, &one
	if Remove(&head, &tail, &none) || !Remove(&head, &tail, &one) || head != nil || tail != nil {
		t.Error("a list of one")
	}
}
