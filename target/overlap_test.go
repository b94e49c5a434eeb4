package target

import (
	"math"
	"testing"
)

func TestOverlaps(t *testing.T) {
	const all = math.MaxUint64
	for _, c := range []struct {
		a, an, b, bn uint64
		want         bool
	}{
		{0, 8, 8, 8, false}, {0, 9, 8, 8, true}, {8, 8, 0, 9, true}, {5, 1, 5, 1, true}, {5, 0, 5, 1, false}, {5, 1, 5, 0, false},
		{0, all, 7, 1, true}, {7, 1, 0, all, true}, {all, 1, all, 1, true}, {all - 1, all, 3, 1, false}, {all, 8, 0, 1, false},
	} {
		if got := (Order{First: c.a, Blocks: c.an}).overlaps(Order{First: c.b, Blocks: c.bn}); got != c.want {
			t.Errorf("%d+%d and %d+%d: %v", c.a, c.an, c.b, c.bn, got)
		}
	}
}
