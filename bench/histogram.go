package bench

import (
	"math/bits"
	"sync/atomic"
	"time"
)

// Values below 1<<precision have a bucket of their own; above, each power of two has as
// many, so that a value is known to one part in 64.
const (
	precision = 6
	buckets   = (64 - precision) << precision
)

// A Histogram counts latencies in buckets of which the width grows with the value. One
// goroutine records; any may look.
type Histogram struct {
	counts [buckets]atomic.Int64
	most   atomic.Int64
}

// bucketOf is where v, at least 0, is counted.
func bucketOf(v int64) int {
	shift := max(bits.Len64(uint64(v))-precision-1, 0)
	return shift<<precision + int(v>>shift)
}

// upper is the largest value of a bucket.
func upper(i int) int64 {
	if i < 2<<precision {
		return int64(i)
	}
	shift := i>>precision - 1
	return int64(i-shift<<precision+1)<<shift - 1
}

// Record counts one latency.
func (h *Histogram) Record(d time.Duration) {
	v := max(int64(d), 0)
	h.counts[bucketOf(v)].Add(1)
	if v > h.most.Load() {
		h.most.Store(v)
	}
}

// Counts is what histograms have counted, to be looked at. The zero Counts is none.
type Counts struct {
	buckets [buckets]int64
	most    int64
	total   int64
}

// Add adds what h has counted so far.
func (c *Counts) Add(h *Histogram) {
	for i := range h.counts {
		n := h.counts[i].Load()
		c.buckets[i] += n
		c.total += n
	}
	c.most = max(c.most, h.most.Load())
}

// Sub takes away what was counted before.
func (c *Counts) Sub(before *Counts) {
	last := 0
	for i := range c.buckets {
		c.buckets[i] -= before.buckets[i]
		if c.buckets[i] > 0 {
			last = i
		}
	}
	c.total -= before.total
	c.most = min(c.most, upper(last))
}

// Plus adds other counts.
func (c *Counts) Plus(o *Counts) {
	for i := range c.buckets {
		c.buckets[i] += o.buckets[i]
	}
	c.total += o.total
	c.most = max(c.most, o.most)
}

// Total is how many were counted.
func (c *Counts) Total() int64 { return c.total }

// Max is the longest: exactly, but for one that Sub has taken away.
func (c *Counts) Max() time.Duration { return time.Duration(c.most) }

// Quantile is the latency that a part q of them, 0 to 1, did not exceed; at most one part
// in 64 too much. It is 0 if nothing was counted.
func (c *Counts) Quantile(q float64) time.Duration {
	rank := int64(q * float64(c.total))
	if float64(rank) < q*float64(c.total) || rank == 0 {
		rank++
	}
	for i, n := range c.buckets {
		if rank -= n; rank <= 0 && n > 0 {
			return time.Duration(min(upper(i), c.most))
		}
	}
	return c.Max()
}
