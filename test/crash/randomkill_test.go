//go:build crash

package crash

import (
	"fmt"
	"testing"
	"time"
)

// TestRandomKills: the same, killed at any time.
func TestRandomKills(t *testing.T) {
	anyEngine(t)
	r := random(t)
	rounds := number(t, "CRASH_ROUNDS", 200)
	k := newKeeper(t, failing(t))
	kinds := planKinds()
	usual := 20 * time.Millisecond // what a change takes
	midway, before := 0, 0
	for round := range rounds {
		kind := kinds[r.IntN(len(kinds))]
		what := fmt.Sprintf("round %d: %s", round, kind.name)
		from, to := k.now, k.now.clone()
		kind.do(&to)
		stop := time.AfterFunc(time.Duration(r.Int64N(int64(usual))), func() { _ = k.cmd.Process.Kill() })
		began := time.Now()
		killed := k.apply(what, to)
		if killed {
			midway++
		} else {
			usual = max(usual*7/8+time.Since(began)/8, time.Millisecond)
		}
		stop.Stop()
		k.kill()
		if err := k.start(); err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		k.settles(what, from, to, !killed)
		back := k.now.clone()
		if k.now.same(to) {
			kind.undo(&back)
		} else {
			before++
		}
		k.changes("undo "+kind.name, back)
	}
	t.Logf("%d of %d kills came before the answer, %d before the decision", midway, rounds, before)
}
