package nport

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/lunette-io/lunette/network/fc"
)

// A table does what a plain model of it does: no identifier is given twice, each comes again as late as can be, keys find what they are of, and
// lists end in the order in which they began.
func TestTableModel(t *testing.T) {
	for seed := range uint64(20) {
		draw := rand.New(rand.NewPCG(seed, 0))
		var b table
		const n = 37
		b.init(n, true)
		var order []int // of the free ones
		for i := range n {
			order = append(order, i)
		}
		keys := map[uint64]int{}
		phases := make([]phase, n)
		var keptOnes, resters []int
		remove := func(l []int, i int) []int { return slices.DeleteFunc(l, func(o int) bool { return o == i }) }
		all := func(want phase) (l []int) {
			for i, p := range phases {
				if p == want {
					l = append(l, i)
				}
			}
			return l
		}
		pick := func(l []int) int { return l[draw.IntN(len(l))] }
		forget := func(i int) {
			for k, o := range keys {
				if o == i {
					delete(keys, k)
				}
			}
		}
		for range 5000 {
			key := keyOf(fc.ID(draw.IntN(3)), uint16(draw.IntN(20)))
			switch op := draw.IntN(7); {
			case op == 0:
				i, ok := b.take()
				if ok != (len(order) > 0) || ok && i != order[0] {
					t.Fatalf("took %d, %v, want the first of %v", i, ok, order)
				}
				if ok {
					order, phases[i] = order[1:], open
					forget(i)
				}
			case op == 1 && len(all(open)) > 0:
				if i := pick(all(open)); !b.slots[i].found && b.find(key) < 0 {
					b.hash(i, key)
					keys[key] = i
				}
			case op == 2 && len(all(open)) > 0:
				i := pick(all(open))
				b.keep(i, time.Duration(i))
				keptOnes, phases[i] = append(keptOnes, i), kept
			case op == 3 && len(all(open))+len(all(kept)) > 0:
				i := pick(append(all(open), all(kept)...))
				b.rest(i, time.Duration(i))
				keptOnes, resters, phases[i] = remove(keptOnes, i), append(resters, i), resting
			case op >= 4 && len(order) < n:
				i := pick(append(append(all(open), all(kept)...), all(resting)...))
				b.give(i)
				keptOnes, resters = remove(keptOnes, i), remove(resters, i)
				order, phases[i] = append(order, i), free
				forget(i)
			}
			for k := range 60 {
				key := keyOf(fc.ID(k/20), uint16(k%20))
				want := -1
				if i, ok := keys[key]; ok {
					want = i
				}
				if got := b.find(key); got != want {
					t.Fatalf("key %x finds %d, want %d", key, got, want)
				}
			}
			for _, l := range []struct {
				got  *list
				want []int
			}{{&b.kept, keptOnes}, {&b.resting, resters}} {
				var got []int
				for i := l.got.first; i != 0; i = b.slots[i-1].right {
					got = append(got, int(i-1))
				}
				if !slices.Equal(got, l.want) || l.got.n != len(l.want) {
					t.Fatalf("the list is %v (%d), want %v", got, l.got.n, l.want)
				}
			}
		}
	}
}
