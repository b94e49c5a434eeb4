package roce

import (
	"testing"

	"github.com/lunette-io/lunette/network/rdma/ib"
)

// Numbers spread over the lanes, are not given out twice, and not again for a while.
func TestNumbers(t *testing.T) {
	var q table
	q.init(4)
	all := make(map[ib.QPN]bool)
	lanes := make([]int, 4)
	for range 1000 {
		n, err := q.reserve()
		if err != nil || n < 0x100 || n > 0xfffffe || all[n] {
			t.Fatalf("%#x: %v", uint32(n), err)
		}
		all[n] = true
		lanes[n%4]++
		if q.find(n) != nil {
			t.Fatal("a number that is only reserved is somebody's")
		}
		q.put(&Conn{number: n})
		if c := q.find(n); c == nil || c.number != n {
			t.Fatal("a queue pair is not found")
		}
	}
	for i, n := range lanes {
		if n != 250 {
			t.Errorf("lane %d has %d", i, n)
		}
	}
	for n := range all {
		q.free(n)
		if q.find(n) != nil {
			t.Fatal("a queue pair is found after its end")
		}
	}
	if n := q.len(); n != 0 {
		t.Errorf("%d are left", n)
	}
	for range 20_000 {
		n, err := q.reserve()
		if err != nil {
			t.Fatal(err)
		}
		q.free(n)
	}
	kept := 0
	for i := range q.rows {
		kept += len(q.rows[i].at)
	}
	if kept > len(q.past) {
		t.Errorf("%d numbers are kept", kept)
	}
}
