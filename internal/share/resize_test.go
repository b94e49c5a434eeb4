package share

import "testing"

// A pot or a crowd of another size keeps what it has, but for those of a crowd who have to go.
func TestResize(t *testing.T) {
	p := NewPot[string](Rule{Size: 10})
	if !p.Take("a", 8) {
		t.Fatal("a gets nothing")
	}
	p.Resize(4)
	if p.Take("b", 1) || p.Of("a") != 8 || p.Taken() != 8 {
		t.Errorf("a has %d of %d", p.Of("a"), p.Taken())
	}
	p.Give("a", 6)
	if !p.Take("b", 1) {
		t.Error("b gets nothing")
	}
	p.Resize(100)
	if !p.Take("a", 50) {
		t.Error("a gets no more")
	}

	c := NewCrowd[string, int](3)
	var all [6]Member[string, int]
	for i := range 3 {
		all[i].Value = i
		c.Add("a", &all[i])
	}
	if out := c.Resize(1); len(out) != 2 || out[0].Value != 0 || out[1].Value != 1 || c.Len() != 1 || out[0].Present() {
		t.Errorf("%v have to go", out)
	}
	c.Resize(5)
	for i := range 3 {
		all[3+i].Value = 3 + i
		if out := c.Add("a", &all[3+i]); out != nil {
			t.Errorf("%d has to go", out.Value)
		}
	}
	if c.Of("a") != 4 {
		t.Errorf("a has %d", c.Of("a"))
	}
}
