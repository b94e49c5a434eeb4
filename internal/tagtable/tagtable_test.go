package tagtable

import (
	"testing"

	"pgregory.net/rapid"
)

// TestModel compares a table with a map.
func TestModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var table Table[int]
		model := make(map[uint64]int)
		// Few tags, and some that have the same home: 2^60 apart they differ in their last hash bits.
		tag := rapid.Custom(func(t *rapid.T) uint64 {
			return rapid.Uint64Range(0, 40).Draw(t, "low") + rapid.Uint64Range(0, 3).Draw(t, "high")<<60
		})
		t.Repeat(map[string]func(*rapid.T){
			"add": func(t *rapid.T) {
				k, v := tag.Draw(t, "tag"), rapid.Int().Draw(t, "value")
				_, there := model[k]
				if table.Add(k, v) == there {
					t.Fatalf("add of %d while it is there: %v", k, there)
				}
				if !there {
					model[k] = v
				}
			},
			"remove": func(t *rapid.T) {
				k := tag.Draw(t, "tag")
				_, there := model[k]
				if table.Remove(k) != there {
					t.Fatalf("remove of %d: it is there: %v", k, there)
				}
				delete(model, k)
			},
			"": func(t *rapid.T) {
				if table.Len() != len(model) {
					t.Fatalf("%d tags instead of %d", table.Len(), len(model))
				}
				seen := 0
				for k, v := range table.All {
					if w, ok := model[k]; !ok || w != v {
						t.Fatalf("%d has %d instead of %d", k, v, w)
					}
					seen++
				}
				if seen != len(model) {
					t.Fatalf("%d tags were shown instead of %d", seen, len(model))
				}
				k := tag.Draw(t, "look for")
				v, ok := table.Find(k)
				if w, there := model[k]; ok != there || v != w {
					t.Fatalf("%d is found: %v, %d; it is there: %v, %d", k, ok, v, there, w)
				}
			},
		})
	})
}

// A table whose size has settled allocates nothing.
func TestAllocations(t *testing.T) {
	var table Table[*int]
	for i := range uint64(100) {
		table.Add(i, nil)
	}
	next := uint64(100)
	if n := testing.AllocsPerRun(10000, func() {
		table.Add(next, nil)
		table.Remove(next - 100)
		next++
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
