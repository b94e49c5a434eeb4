package virtio

import (
	"cmp"
	"slices"
)

// numbers is how many numbers of targets there are behind a socket.
const numbers = 256

// A wish is a target that is to have a number.
type wish struct {
	name   string
	number int // or AnyNumber
	order  int64
}

// assign gives targets their numbers: to each its own, if it has one and no older target has the same; to others what they had, by had, as long as nobody's own is that; and to the rest the lowest that are free,
// in the order of their names. Those that no number is left for are not in the answer.
func assign(wishes []wish, had map[string]uint8) map[string]uint8 {
	all := slices.Clone(wishes)
	slices.SortFunc(all, func(a, b wish) int { return cmp.Or(cmp.Compare(a.order, b.order), cmp.Compare(a.name, b.name)) })
	numbered := make(map[string]uint8, len(all))
	var taken [numbers]bool
	give := func(w wish, number uint8) {
		numbered[w.name], taken[number] = number, true
	}
	var rest []wish
	for _, w := range all {
		if w.number != AnyNumber && !taken[w.number] {
			give(w, uint8(w.number))
		} else {
			rest = append(rest, w)
		}
	}
	all, rest = rest, nil
	for _, w := range all {
		if number, ok := had[w.name]; ok && !taken[number] {
			give(w, number)
		} else {
			rest = append(rest, w)
		}
	}
	slices.SortFunc(rest, func(a, b wish) int { return cmp.Compare(a.name, b.name) })
	next := 0
	for _, w := range rest {
		for next < numbers && taken[next] {
			next++
		}
		if next == numbers {
			break
		}
		give(w, uint8(next))
	}
	return numbered
}
