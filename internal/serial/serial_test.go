package serial

import (
	"math"
	"testing"

	"pgregory.net/rapid"
)

func TestOrder(t *testing.T) {
	const top = math.MaxUint32
	for _, c := range []struct {
		a, b         uint32
		less, lessEq bool
	}{
		{0, 0, false, true},
		{0, 1, true, true},
		{1, 0, false, false},
		{top, 0, true, true},
		{0, top, false, false},
		{top - 5, 10, true, true},
		{10, top - 5, false, false},
		{0, 1<<31 - 1, true, true},
		{0, 1 << 31, false, false},
		{1 << 31, 0, false, false},
		{0, 1<<31 + 1, false, false},
		{1<<31 + 1, 0, true, true},
		{0x7fffffff, 0x80000000, true, true},
	} {
		if got := Less(c.a, c.b); got != c.less {
			t.Errorf("Less(%#x, %#x) = %v", c.a, c.b, got)
		}
		if got := LessEq(c.a, c.b); got != c.lessEq {
			t.Errorf("LessEq(%#x, %#x) = %v", c.a, c.b, got)
		}
	}
}

func TestInWindow(t *testing.T) {
	const top = math.MaxUint32
	for _, c := range []struct {
		n, first, last uint32
		want           bool
	}{
		{5, 5, 5, true},
		{4, 5, 5, false},
		{6, 5, 5, false},
		{5, 5, 4, false}, // closed
		{4, 5, 4, false},
		{top, top - 1, 3, true},
		{0, top - 1, 3, true},
		{3, top - 1, 3, true},
		{4, top - 1, 3, false},
		{top - 2, top - 1, 3, false},
		{0, 0, top, false}, // closed at the wrap
		{0, 0, 1<<31 - 1, true},
		{1 << 30, 0, 1<<31 - 1, true},
	} {
		if got := InWindow(c.n, c.first, c.last); got != c.want {
			t.Errorf("InWindow(%#x, %#x, %#x) = %v", c.n, c.first, c.last, got)
		}
	}
}

func TestMaxDistance(t *testing.T) {
	if Max(math.MaxUint32, 2) != 2 || Max(2, math.MaxUint32) != 2 || Max(7, 7) != 7 {
		t.Error("Max does not wrap")
	}
	if Distance(math.MaxUint32, 2) != 3 || Distance(2, math.MaxUint32) != -3 {
		t.Error("Distance does not wrap")
	}
}

func TestProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a := rapid.Uint32().Draw(t, "a")
		n := rapid.Uint32Range(1, 1<<31-1).Draw(t, "n")
		b := a + n
		if !Less(a, b) || Less(b, a) || !LessEq(a, b) || LessEq(b, a) || Max(a, b) != b || Max(b, a) != b {
			t.Fatalf("%#x and %#x are out of order", a, b)
		}
		k := rapid.Uint32Range(0, n).Draw(t, "k")
		if !InWindow(a+k, a, b) {
			t.Fatalf("%#x is not in [%#x, %#x]", a+k, a, b)
		}
		if InWindow(a-1, a, b) {
			t.Fatalf("%#x is in [%#x, %#x]", a-1, a, b)
		}
	})
}
