package virtio

import (
	"fmt"
	"maps"
	"testing"

	"pgregory.net/rapid"
)

func TestAssign(t *testing.T) {
	any := func(name string, order int64) wish { return wish{name, AnyNumber, order} }
	var many []wish
	for i := range 300 {
		many = append(many, any(fmt.Sprintf("t%03d", i), int64(300-i)))
	}
	for _, c := range []struct {
		what   string
		wishes []wish
		had    map[string]uint8
		want   map[string]uint8
	}{
		{"in the order of names", []wish{any("c", 1), any("a", 2), any("b", 3)}, nil, map[string]uint8{"a": 0, "b": 1, "c": 2}},
		{"a target keeps what it has", []wish{any("c", 1), any("a", 2)}, map[string]uint8{"c": 0}, map[string]uint8{"c": 0, "a": 1}},
		{"a number that is free is used again", []wish{any("c", 1), any("d", 2)}, map[string]uint8{"a": 0, "c": 1}, map[string]uint8{"c": 1, "d": 0}},
		{"its own number", []wish{any("a", 1), {"b", 0, 2}, {"c", 255, 3}}, nil, map[string]uint8{"a": 1, "b": 0, "c": 255}},
		{"its own number goes before what another has", []wish{any("a", 1), {"b", 0, 2}}, map[string]uint8{"a": 0}, map[string]uint8{"a": 1, "b": 0}},
		{"of two that want one the older has it", []wish{{"a", 3, 2}, {"b", 3, 1}}, nil, map[string]uint8{"a": 0, "b": 3}},
		{"a target that wants no number of its own any more", []wish{any("a", 1)}, map[string]uint8{"a": 7}, map[string]uint8{"a": 7}},
	} {
		if got := assign(c.wishes, c.had); !maps.Equal(got, c.want) {
			t.Errorf("%s: %v, want %v", c.what, got, c.want)
		}
	}
	got := assign(many, nil)
	if len(got) != numbers || got["t000"] != 0 || got["t255"] != 255 {
		t.Errorf("%d of 300 have numbers", len(got))
	}
}

// Numbers are never shared, all that fit are given, own numbers count, and who has one keeps it unless another's own is that.
func TestAssignHolds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		had := make(map[string]uint8)
		var wishes []wish
		for round := range rapid.IntRange(1, 4).Draw(t, "rounds") {
			wishes = wishes[:0]
			own := make(map[int]bool)
			for i := range rapid.IntRange(0, 40).Draw(t, "targets") {
				w := wish{fmt.Sprint("t", i), rapid.SampledFrom([]int{AnyNumber, AnyNumber, AnyNumber, 0, 1, 5, 255}).Draw(t, "number"), int64(i)}
				if rapid.IntRange(0, 3).Draw(t, "gone") > 0 {
					wishes = append(wishes, w)
					own[w.number] = true
				}
			}
			got := assign(wishes, had)
			seen := make(map[uint8]string)
			for _, w := range wishes {
				number, ok := got[w.name]
				if !ok || seen[number] != "" {
					t.Fatalf("round %d: %s has %d %v, as %s", round, w.name, number, ok, seen[number])
				}
				seen[number] = w.name
				if before, ok := had[w.name]; ok && w.number == AnyNumber && before != number && !own[int(before)] {
					t.Fatalf("round %d: %s had %d and has %d", round, w.name, before, number)
				}
			}
			had = got
		}
	})
}
