package vhost

import (
	"testing"

	"github.com/lunette-io/lunette/network/vhost/ring"
)

// TestCatchUp: what a driver has posted is handled before it is said to be, also if the driver has not kicked, and the thread sleeps; and a queue that has no thread has caught up.
func TestCatchUp(t *testing.T) {
	for _, o := range options() {
		handled := 0 // of the thread
		h := handling{handle: func(c *Chain) {
			handled++
			c.Return(0)
		}, burst: func(q *Queue) { q.Flush() }}
		r := newRig(t, 64, o, h, nil)
		_, at := r.cut(64)
		caught := make(chan int, 1)
		r.q.CatchUp(func() { caught <- -1 })
		if n := <-caught; n != -1 {
			t.Errorf("%d before it has started", n)
		}
		r.q.start()
		posted := 0
		for round := range 200 {
			for range round % 5 {
				if err := r.drv.Add([]ring.Piece{{Addr: at, Len: 8}}, nil, 0); err != nil {
					t.Fatal(err)
				}
				posted++
			}
			if round%2 == 0 {
				r.kicks()
			} else {
				r.drv.Kick() // it is posted, and nobody kicks
			}
			r.q.CatchUp(func() { caught <- handled })
			if n := <-caught; n != posted {
				t.Fatalf("round %d: %d of %d have been handled", round, n, posted)
			}
			for {
				_, _, ok, err := r.drv.Get()
				if err != nil {
					t.Fatal(err)
				}
				if !ok {
					break
				}
			}
		}
		r.end()
		r.q.CatchUp(func() { caught <- -2 })
		if n := <-caught; n != -2 {
			t.Errorf("%d after it has ended", n)
		}
	}
}
