package store_test

import (
	"testing"

	"github.com/lunette-io/lunette/store"
)

// counter counts, and may add something else meanwhile.
type counter struct {
	n    int
	then func()
}

func (c *counter) Flush() {
	c.n++
	if c.then != nil {
		c.then()
	}
}

func TestRun(t *testing.T) {
	var r store.Batch
	var a, b counter
	r.Add(&a, 100)
	r.Add(&b, 100)
	r.Add(&a, 100)
	if a.n != 0 || b.n != 0 {
		t.Error("flushed before the end")
	}
	r.End()
	r.End()
	if a.n != 1 || b.n != 1 {
		t.Errorf("flushed %d and %d times", a.n, b.n)
	}
	r.Add(&a, 255<<10)
	if r.Add(&b, 1<<10); a.n != 2 || b.n != 2 {
		t.Errorf("much was put off: %d %d", a.n, b.n)
	}
	for range 63 {
		r.Add(&a, 1)
	}
	if a.n != 2 {
		t.Error("flushed too early")
	}
	if r.Add(&a, 1); a.n != 3 {
		t.Error("put off too often")
	}
	var none *store.Batch
	if none.Add(&a, 1); a.n != 4 {
		t.Error("there is nothing to put it off to")
	}
	many := make([]counter, 1000)
	for i := range many {
		r.Add(&many[i], 1)
	}
	r.End()
	for i := range many {
		if many[i].n != 1 {
			t.Errorf("%d was flushed %d times", i, many[i].n)
		}
	}
}

// TestRunAgain: what a flush adds is flushed too.
func TestRunAgain(t *testing.T) {
	var r store.Batch
	var a, b counter
	a.then = func() {
		if a.n == 1 {
			r.Add(&b, 1)
			r.Add(&a, 1)
		}
	}
	r.Add(&a, 1)
	r.Add(&b, 1)
	r.End()
	if a.n != 2 || b.n != 2 {
		t.Errorf("%d and %d", a.n, b.n)
	}
}

func TestRunNoAllocations(t *testing.T) {
	var r store.Batch
	c := make([]counter, 8)
	if n := testing.AllocsPerRun(100, func() {
		for i := range 100 {
			r.Add(&c[i%8], 4096)
		}
		r.End()
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
