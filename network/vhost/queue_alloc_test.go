//go:build !race

package vhost

import (
	"testing"

	"github.com/lunette-io/lunette/network/vhost/ring"
)

// Nothing on the way of a request allocates.
func TestQueueDoesNotAllocate(t *testing.T) {
	data := make([]byte, 64)
	for _, o := range options() {
		h := handling{handle: func(c *Chain) {
			if err := c.Write(0, data); err != nil {
				t.Error(err)
			}
			c.Return(64)
		}, burst: func(q *Queue) { q.Flush() }}
		r := newRig(t, 64, o, h, nil)
		_, at := r.cut(4096)
		out, in := []ring.Piece{{Addr: at, Len: 51}}, []ring.Piece{{Addr: at + 64, Len: 32}, {Addr: at + 128, Len: 32}}
		r.q.start()
		once := func() {
			for range 16 {
				if err := r.drv.Add(out, in, 1); err != nil {
					t.Fatal(err)
				}
			}
			r.kicks()
			for range 16 {
				r.get()
			}
		}
		for range 64 {
			once() // each chain has been used
		}
		if n := testing.AllocsPerRun(200, once); n >= 1 {
			t.Errorf("%+v: %v allocations for 16 requests", o, n)
		}
		r.end()
	}
}
