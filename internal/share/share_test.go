package share

import (
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// TestPot holds a pot to what it promises, by a count of its own.
func TestPot(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := Rule{Size: rapid.IntRange(0, 60).Draw(t, "size"), Least: rapid.IntRange(1, 5).Draw(t, "least"), Multiple: rapid.IntRange(1, 9).Draw(t, "multiple")}
		p := NewPot[int](r)
		has := map[int]int{}
		sum := 0
		owner := rapid.IntRange(0, 12)
		t.Repeat(map[string]func(*rapid.T){
			"take": func(t *rapid.T) {
				o, n := owner.Draw(t, "owner"), rapid.IntRange(0, 20).Draw(t, "n")
				most, kept := p.Most(o), min(r.Least-has[o], r.Size-p.taken-p.kept)
				if has[o] > 0 {
					kept = p.accounts[o].kept
				}
				if got := p.Take(o, n); got != (has[o]+n <= most) && n > 0 {
					t.Fatalf("%d has %d of at most %d and takes %d: %v", o, has[o], most, n, got)
				} else if got {
					has[o] += n
					sum += n
					// Beyond its least nobody has more than a multiple of what is left.
					if n > kept && has[o]+p.accounts[o].kept > r.Multiple*p.headroom() {
						t.Fatalf("%d has %d, and %d are left", o, has[o], p.headroom())
					}
				} else if n > 0 && (n <= kept || has[o]+n <= r.Multiple*(p.headroom()-n)) {
					t.Fatalf("%d has %d of its least %d and does not get %d of %d", o, has[o], kept, n, p.headroom())
				}
			},
			"give": func(t *rapid.T) {
				o := owner.Draw(t, "owner")
				if has[o] == 0 {
					t.Skip()
				}
				n := rapid.IntRange(0, has[o]).Draw(t, "n")
				p.Give(o, n)
				has[o] -= n
				sum -= n
			},
			"": func(t *rapid.T) {
				there := 0
				for o, n := range has {
					if p.Of(o) != n {
						t.Fatalf("%d has %d, not %d", o, p.Of(o), n)
					}
					if n > 0 {
						there++
						if n < p.Most(o) != p.May(o, 1) {
							t.Fatalf("%d has %d of %d", o, n, p.Most(o))
						}
					}
				}
				if p.Taken() != sum || p.Owners() != there || sum > r.Size || p.taken+p.kept > r.Size {
					t.Fatalf("%d of %d taken, %d kept, by %d", p.Taken(), sum, p.kept, p.Owners())
				}
			},
		})
		for o, n := range has {
			if n > 0 {
				p.Give(o, n)
			}
		}
		if p.taken != 0 || p.kept != 0 || len(p.accounts) != 0 {
			t.Fatalf("%+v is left", p)
		}
	})
}

// TestShares: how much greedy owners get, and that something is left for who comes.
func TestShares(t *testing.T) {
	for greedy, want := range map[int][]int{1: {80}, 2: {80, 16}, 3: {80, 16, 3}} {
		p := NewPot[int](Rule{Size: 100})
		for o := range greedy {
			for p.Take(o, 1) {
			}
			if p.Of(o) != want[o] {
				t.Errorf("owner %d of %d gets %d", o, greedy, p.Of(o))
			}
		}
		if !p.Take(99, 1) {
			t.Errorf("nothing is left beside %d", greedy)
		}
	}
	// In turn they get the same.
	p := NewPot[int](Rule{Size: 90})
	for p.Take(0, 1) || p.Take(1, 1) {
		for o := 1; o < 2; o++ {
			p.Take(o, 1)
		}
	}
	if a, b := p.Of(0), p.Of(1); a != 40 || b != 40 {
		t.Errorf("%d and %d of 90", a, b)
	}
	// What is kept for one is not another's.
	p = NewPot[int](Rule{Size: 20, Least: 5})
	if !p.Take(0, 1) {
		t.Fatal("nothing at all")
	}
	for p.Take(1, 1) {
	}
	if !p.Take(0, 4) {
		t.Errorf("the least of who is there has gone to the greedy one, who has %d", p.Of(1))
	}
}

func TestPotDoesNotAllocate(t *testing.T) {
	p := NewPot[string](Rule{Size: 1000})
	p.Take("other", 1)
	if n := testing.AllocsPerRun(100, func() { p.Take("one", 3); p.Give("one", 3) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
	p.Give("other", 2) // it had one
	if p.Taken() != 0 {
		t.Errorf("%d are taken", p.Taken())
	}
}

// TestCrowd compares a crowd with a list that is searched from end to end.
func TestCrowd(t *testing.T) {
	type one struct {
		m   *Member[int, int]
		key int
	}
	rapid.Check(t, func(t *rapid.T) {
		most := rapid.IntRange(1, 12).Draw(t, "most")
		c := NewCrowd[int, int](most)
		var all []one // oldest first
		next := 0
		count := func(key int) (n int) {
			for _, x := range all {
				if x.key == key {
					n++
				}
			}
			return n
		}
		t.Repeat(map[string]func(*rapid.T){
			"add": func(t *rapid.T) {
				key := rapid.IntRange(0, 4).Draw(t, "owner")
				m := &Member[int, int]{Value: next}
				next++
				top := 0
				for _, x := range all {
					top = max(top, count(x.key))
				}
				full := len(all) == most
				out := c.Add(key, m)
				if full != (out != nil) {
					t.Fatalf("%d of %d, and %v goes", len(all), most, out)
				}
				if out != nil {
					i := slices.IndexFunc(all, func(x one) bool { return x.m == out })
					k := all[i].key
					if count(k) != top || count(key) == top && k != key || slices.IndexFunc(all, func(x one) bool { return x.key == k }) != i || out.Present() {
						t.Fatalf("%d of %d goes, who has %d; the most are %d", out.Value, k, count(k), top)
					}
					all = slices.Delete(all, i, i+1)
				}
				all = append(all, one{m, key})
			},
			"remove": func(t *rapid.T) {
				if len(all) == 0 {
					t.Skip()
				}
				i := rapid.IntRange(0, len(all)-1).Draw(t, "which")
				c.Remove(all[i].m)
				c.Remove(all[i].m)
				all = slices.Delete(all, i, i+1)
			},
			"": func(t *rapid.T) {
				if c.Len() != len(all) {
					t.Fatalf("%d members, not %d", c.Len(), len(all))
				}
				owners := map[int]bool{}
				for _, x := range all {
					owners[x.key] = true
					if !x.m.Present() || c.Of(x.key) != count(x.key) {
						t.Fatalf("%d has %d members, not %d", x.key, c.Of(x.key), count(x.key))
					}
				}
				if c.Owners() != len(owners) || (c.Oldest() == nil) != (len(all) == 0) {
					t.Fatalf("%d owners, not %d", c.Owners(), len(owners))
				}
			},
		})
	})
}

// TestMoves: a member leaves the crowd that it was in.
func TestMoves(t *testing.T) {
	a, b := NewCrowd[int, int](2), NewCrowd[int, int](2)
	var m Member[int, int]
	a.Add(1, &m)
	b.Add(2, &m)
	a.Remove(&m)
	if a.Len() != 0 || b.Len() != 1 || a.Owners() != 0 || b.Of(2) != 1 {
		t.Errorf("%d and %d members", a.Len(), b.Len())
	}
	b.Remove(&m)
	if m.Present() || b.Len() != 0 || b.Oldest() != nil {
		t.Errorf("%d members", b.Len())
	}
}

func TestCrowdDoesNotAllocate(t *testing.T) {
	c := NewCrowd[string, int](100)
	members := make([]Member[string, int], 200)
	for i := range members {
		c.Add("greedy", &members[i])
	}
	var m Member[string, int]
	if n := testing.AllocsPerRun(100, func() { c.Add("modest", &m); c.Remove(&m) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkCrowd(b *testing.B) {
	c := NewCrowd[int, int](1000)
	members := make([]Member[int, int], 2000)
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		m := &members[i%len(members)]
		c.Remove(m)
		c.Add(i%7, m)
		i++
	}
}
