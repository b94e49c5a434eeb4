//go:build scale

package scale

import (
	"slices"
	"testing"
	"time"
)

// TestFairness: a thousand sessions that read all the time get the same each, and together no
// less than a few do by themselves.
func TestFairness(t *testing.T) {
	descriptors(t, 2000)
	s := start(t, "", "")
	few := gather(s, 0, 16)
	base := few.rate(8, 100000)
	few.leave()
	for i, depth := range []int{1, 4} {
		c := gather(s, 1000*(i+1), 1000)
		rate := c.rate(depth, 300*1000)
		counts := make([]int64, 0, 1000)
		for i := range c.hosts {
			counts = append(counts, c.hosts[i].done)
		}
		slices.Sort(counts)
		median := counts[len(counts)/2]
		within := 0
		for _, n := range counts {
			if n*5 >= median*4 && n*5 <= median*6 {
				within++
			}
		}
		t.Logf("1,000 sessions with %d commands each: %.2f of what 16 sessions with 8 do; commands of a session %d to %d, median %d, %d within 20 %%; %d MiB resident",
			depth, rate/base, counts[0], counts[999], median, within, s.resident()>>20)
		if within < 990 {
			t.Errorf("only %d of 1,000 sessions have within 20 %% of the median", within)
		}
		c.leave()
	}
	served(s, 9999)
}

// rate is how many commands a second the hosts do, with depth each, over n commands in all. The
// count of each host begins when every host has done a few.
func (c *crowd) rate(depth int, n int64) float64 {
	c.t.Helper()
	c.begin(depth)
	c.run(func() bool { return c.done >= int64(len(c.hosts)*depth*2) })
	for i := range c.hosts {
		c.hosts[i].done = 0
	}
	c.done = 0
	began := time.Now()
	c.run(func() bool { return c.done >= n })
	return float64(c.done) / time.Since(began).Seconds()
}
