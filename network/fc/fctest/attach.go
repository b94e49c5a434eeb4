package fctest

import (
	"testing"

	"github.com/lunette-io/lunette/network/fc"
)

// testAttach: a port has an address, and the same one when it comes again; the network says what it is.
func testAttach(t *testing.T, b *bed) {
	x, y := b.pair()
	if x.id() == y.id() {
		t.Errorf("both have the address %v", x.id())
	}
	for _, n := range []fc.Network{b.A, b.B} {
		if i := n.Info(); i.Provider == "" || i.State == "" {
			t.Errorf("%+v", i)
		}
	}
	before := y.id()
	y.close()
	y = b.attach(b.B, nameB)
	b.meet(x, y)
	if y.id() != before {
		t.Errorf("the address was %v, and is %v", before, y.id())
	}
}

// testComeAndGo: neighbours find each other, and notice when one goes and comes again.
func testComeAndGo(t *testing.T, b *bed) {
	x, y := b.pair()
	for range 2 {
		id := y.id()
		y.close()
		if !b.Fabric {
			x.misses(id)
		}
		y = b.attach(b.B, nameB)
		b.meet(x, y)
		exchange(t, x, y)
	}
}

// testSeveral has more ports on each side; a frame arrives at the one that it is for.
func testSeveral(t *testing.T, b *bed) {
	if b.Single {
		t.Skip("a side has one port")
	}
	var xs, ys []*side
	for i := range fc.Name(3) {
		xs, ys = append(xs, b.attach(b.A, nameA+i)), append(ys, b.attach(b.B, nameB+i))
	}
	seen := make(map[fc.ID]bool)
	for _, x := range xs {
		for _, y := range ys {
			b.meet(x, y)
		}
	}
	for _, s := range append(append([]*side(nil), xs...), ys...) {
		if seen[s.id()] {
			t.Errorf("the address %v is there twice", s.id())
		}
		seen[s.id()] = true
	}
	for _, x := range xs {
		for _, y := range ys {
			exchange(t, x, y)
		}
	}
}

// exchange sends a frame each way.
func exchange(t *testing.T, x, y *side) {
	t.Helper()
	for _, p := range [][2]*side{{x, y}, {y, x}} {
		q := p[0].sequence(p[1], 100, shape{})
		p[0].post(q)
		p[1].gets(q)
		if err := p[0].back(q); err != nil {
			t.Error(err)
		}
	}
}
