//go:build crash

package crash

import (
	"fmt"
	"testing"
)

// TestFailpoints: wherever in a change the daemon is killed, whatever the change is about, the next start
// serves what was before or what was asked for, all of it, and says which; what was made for a change
// that did not come about is gone.
func TestFailpoints(t *testing.T) {
	places := failpoints(t)
	k := newKeeper(t, failing(t))
	reached := make(map[string]bool)
	cases := 0
	for _, kind := range planKinds() {
		for _, place := range places {
			// A place that is passed several times is one each time.
			for n := 1; n <= 6; n++ {
				at := fmt.Sprint(place, ":", n)
				what := kind.name + ", killed at " + at
				from, to := k.now, k.now.clone()
				kind.do(&to)
				k.killAt(at)
				killed := k.apply(what, to)
				k.killAt("")
				if !killed {
					k.settles(what, from, to, true)
				} else {
					cases++
					reached[place] = true
					if err := k.start(); err != nil {
						t.Fatalf("%s: %v", what, err)
					}
					k.settles(what, from, to, false)
				}
				back := k.now.clone()
				if k.now.same(to) {
					kind.undo(&back)
				}
				k.changes("undo "+kind.name, back)
				if !killed {
					break
				}
			}
		}
	}
	for _, place := range places {
		if !reached[place] {
			t.Logf("no change has come to %s", place)
		}
	}
	t.Logf("%d kills, at %d of %d places", cases, len(reached), len(places))
}

// TestFailpointsAtStart: the start that takes back what a change has made can be killed as well.
func TestFailpointsAtStart(t *testing.T) {
	k := newKeeper(t, failing(t))
	for _, kind := range planKinds()[:4] {
		for n := 1; n <= 20; n++ {
			what := fmt.Sprintf("%s, the start killed at its place %d", kind.name, n)
			from, to := k.now, k.now.clone()
			kind.do(&to)
			k.killAt("apply/prepared")
			if !k.apply(what, to) {
				t.Fatalf("%s: nothing was killed", what)
			}
			k.killAt(fmt.Sprint("*:", n))
			killed := k.start() != nil
			k.killAt("")
			if killed {
				if err := k.start(); err != nil {
					t.Fatalf("%s: %v", what, err)
				}
			}
			k.settles(what, from, to, false)
			if !k.now.same(from) {
				t.Fatalf("%s: a change that was not committed is there", what)
			}
			if !killed {
				break
			}
		}
	}
}
