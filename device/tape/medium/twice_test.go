package medium

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
)

// The process is killed in the middle of something, again in the middle of the start after that, and then the power goes, at every pair of places: what
// somebody has seen after the first two is there after the third.
func TestCrashTwice(t *testing.T) {
	ctx := context.Background()
	for first := range 12 {
		for second := -1; second < 10; second++ {
			for seed := range uint64(24) {
				what := fmt.Sprintf("killed at %d and %d, seed %d", first, second, seed)
				d := newLossy(rand.New(rand.NewPCG(seed, uint64(first*100+second))))
				must(t, createIn(d, Spec{Barcode: "A", Capacity: 1 << 20}))
				c, err := openIn(d, Options{}, small, nil)
				must(t, err)
				h := c.Head(0)
				for i := range 3 {
					_, err := appendBlocks(t, h, Plain, pattern(3000, i, false))
					must(t, err)
				}
				must(t, c.Sync(ctx))
				if seed%3 == 0 {
					must(t, c.Close())
					c, err = openIn(d, Options{}, small, nil)
					must(t, err)
					h = c.Head(0)
				}
				d.set(first, 0)
				_ = h.Locate(ctx, 1)
				if seed%3 > 0 {
					_, _ = appendBlocks(t, h, Plain, pattern(3000, 10, false))
				}
				_ = c.SetAttributes(0, []Attribute{{ID: 0x800, Value: []byte("x")}})
				_ = c.Sync(ctx)
				d.killed()
				d.set(second, 0)
				seen := -1
				if c, err = openIn(d, Options{}, small, nil); err == nil {
					seen = len(c.Attributes(0))
				} else if !errors.Is(err, errPower) {
					t.Fatalf("%s: %v", what, err)
				}
				d.powerOff()
				c, err = openIn(d, Options{}, small, nil)
				if err != nil {
					t.Fatalf("%s: %v", what, err)
				}
				if n := len(c.Attributes(0)); seen >= 0 && n != seen {
					t.Fatalf("%s: there were %d attributes and are %d", what, seen, n)
				}
				if b, err := readBlock(c.Head(0)); err != nil || string(b) != string(pattern(3000, 0, false)) {
					t.Fatalf("%s: %v", what, err)
				}
				must(t, c.Close())
			}
		}
	}
}
