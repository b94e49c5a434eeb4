//go:build crash

package crash

import (
	"context"
	"fmt"
	"os"
	"slices"
	"testing"
	"time"
)

// TestFailpoints: wherever in a change the daemon is killed, whatever the change is about, the next start
// serves what was before or what was asked for, all of it, and says which; what was made for a change
// that did not come about is gone.
func TestFailpoints(t *testing.T) {
	anyEngine(t)
	places, program := failpoints(t), failing(t)
	reached := make(map[string]int)
	for _, kind := range planKinds() {
		t.Run(kind.name, func(t *testing.T) {
			k := newKeeper(t, program)
			for _, place := range places {
				// A place that is passed several times is one each time.
				for n := 1; n <= 6 && k.killedIn(kind, fmt.Sprint(place, ":", n)); n++ {
					reached[place]++
				}
			}
		})
	}
	// Those that a change does not come to are those of other tests.
	others := []string{"apply/confirmed", "apply/reverted", "state/clearing", "state/takeback/begun"}
	kills := 0
	for _, place := range places {
		if kills += reached[place]; reached[place] == 0 && !slices.Contains(others, place) {
			t.Errorf("no change has come to %s", place)
		}
	}
	t.Logf("%d kills, at %d of %d places", kills, len(reached), len(places))
}

// killedIn makes a change with the daemon killed at a place, and goes on when it has been started again. It
// reports whether the change has come to that place.
func (k *keeper) killedIn(kind planKind, place string) bool {
	k.t.Helper()
	what := kind.name + ", killed at " + place
	from, to := k.now, k.now.clone()
	kind.do(&to)
	k.killAt(place)
	killed := k.apply(what, to)
	k.killAt("")
	if killed {
		if err := k.start(); err != nil {
			k.t.Fatalf("%s: %v", what, err)
		}
	}
	k.settles(what, from, to, !killed)
	back := k.now.clone()
	if k.now.same(to) {
		kind.undo(&back)
	}
	k.changes("undo "+kind.name, back)
	return killed
}

// TestFailpointsAtStart: the start that takes back what a change has made can be killed as well.
func TestFailpointsAtStart(t *testing.T) {
	anyEngine(t)
	k := newKeeper(t, failing(t))
	for _, kind := range planKinds()[:4] {
		for _, place := range []string{"state/takeback/begun", "state/clearing"} {
			from, to := k.now, k.now.clone()
			kind.do(&to)
			k.killAt("apply/prepared")
			if what := kind.name + ", the start killed at " + place; !k.apply(what, to) {
				t.Fatalf("%s: nothing was killed before", what)
			} else if k.killAt(place); k.start() == nil {
				t.Fatalf("%s: it was not", what)
			} else if k.killAt(""); k.start() != nil {
				t.Fatalf("%s: it does not start", what)
			} else {
				k.settles(what, from, from, false)
			}
		}
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

// TestFailpointsOfTries: a change that is tried is there after a crash if it was confirmed, and only then.
func TestFailpointsOfTries(t *testing.T) {
	anyEngine(t)
	places, program := failpoints(t), failing(t)
	reached := make(map[string]int)
	for _, kind := range planKinds() {
		switch kind.name {
		case "units create", "unit rename", "LUN map": // another size is not tried: see docs/adr/0022-tries.md
		default:
			continue
		}
		k := newKeeper(t, program)
		for _, confirm := range []bool{true, false} {
			for _, place := range append(slices.Clone(places), "") {
				what := fmt.Sprintf("%s, tried, confirmed: %v, killed at %q", kind.name, confirm, place)
				from, to := k.now, k.now.clone()
				kind.do(&to)
				if k.try(what, to, time.Hour) {
					t.Fatalf("%s: it was killed before", what)
				}
				k.killAt(place)
				var err error
				if confirm {
					_, err = k.client.Confirm(context.Background())
				} else {
					_, err = k.client.Revert(context.Background())
				}
				killed := k.killedBy(what, err)
				k.killAt("")
				if killed {
					reached[place]++
				}
				k.kill()
				if err := k.start(); err != nil {
					t.Fatalf("%s: %v", what, err)
				}
				k.settles(what, from, to, !killed && confirm)
				if !confirm && !k.now.same(from) {
					t.Fatalf("%s: it is there", what)
				}
				back := k.now.clone()
				if k.now.same(to) {
					kind.undo(&back)
				}
				k.changes("undo "+kind.name, back)
			}
		}
	}
	if reached["apply/confirmed"] == 0 || reached["apply/reverted"] == 0 {
		t.Errorf("only these places were come to: %v", reached)
	}
	t.Logf("kills: %v", reached)
}

// anyEngine skips a test that is about what is kept, whichever engine waits for connections.
func anyEngine(t *testing.T) {
	t.Helper()
	if os.Getenv("LUNETTE_ENGINE") == "reactors" {
		t.Skip("what is kept does not depend on the engine: the run with goroutines covers it")
	}
}
