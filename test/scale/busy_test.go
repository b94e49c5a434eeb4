//go:build scale

package scale

import (
	"fmt"
	"slices"
	"testing"
	"time"
)

// TestFairness: a thousand sessions that read all the time get the same each. What they do
// together, and what a few do, is told, not judged.
func TestFairness(t *testing.T) {
	descriptors(t, 2000)
	s := start(t, "", "")
	for i, depth := range []int{1, 4} {
		few := gather(s, 2000*i, 16)
		few.warm(depth)
		base := few.rate(60000)
		few.leave()
		t.Run(fmt.Sprintf("%d each", depth), func(t *testing.T) {
			c := gather(s, 2000*i+1000, 1000)
			defer c.leave()
			c.fair(t, depth, base)
		})
	}
	served(s, 9999)
}

// fair counts what each host gets, until nearly all are near the median. Chance evens out as the
// counts grow: a host whose next command comes while the last one is being answered is served
// again at once. Who is treated worse than others is so for ever, and then there is an end.
func (c *crowd) fair(t *testing.T, depth int, base float64) {
	const step, most = 100, 2000 // commands for each host, on average
	n := len(c.hosts)
	c.warm(depth)
	was := c.s.ask("count")
	var rates []float64
	for round := step; ; round += step {
		rates = append(rates, c.rate(int64(step*n)))
		counts := make([]int64, n)
		for i := range c.hosts {
			counts[i] = c.hosts[i].done
		}
		slices.Sort(counts)
		median := counts[n/2]
		near := 0
		for _, k := range counts {
			if k*5 >= median*4 && k*5 <= median*6 {
				near++
			}
		}
		if near*100 < n*99 && round < most {
			continue
		}
		slices.Sort(rates)
		t.Logf("%d sessions do %.2f of what 16 do; after %d commands of each on average they have had %d to %d, %d of them within 20 %% of the median; %d MiB resident",
			n, rates[len(rates)/2]/base, round, counts[0], counts[n-1], near, c.s.resident()>>20)
		is := c.s.ask("count")
		each := float64(is.Mallocs-was.Mallocs) / float64(c.done)
		t.Logf("%.4f allocations for each command, %d collections, %d bytes of heap for each session",
			each, is.Collections-was.Collections, is.Heap/int64(n))
		if each > 0.05 {
			t.Errorf("%.4f allocations for each command", each)
		}
		if near*100 < n*99 {
			t.Errorf("only %d of %d sessions are within 20 %% of the median", near, n)
		}
		return
	}
}

// warm makes every host read, with depth commands on their way, until each has done some; the
// counts begin then.
func (c *crowd) warm(depth int) {
	c.t.Helper()
	c.begin(depth)
	c.run(func() bool { return !slices.ContainsFunc(c.hosts, func(h host) bool { return h.done == 0 }) })
	for i := range c.hosts {
		c.hosts[i].done = 0
	}
}

// rate is how many commands a second the hosts do, over n in all.
func (c *crowd) rate(n int64) float64 {
	c.t.Helper()
	began, end := time.Now(), c.done+n
	c.run(func() bool { return c.done >= end })
	return float64(n) / time.Since(began).Seconds()
}
