package stats

import (
	"math/bits"
	"math/rand/v2"
	"runtime"
	"sync/atomic"
	"time"
)

// Op is what a call is counted as.
type Op uint8

// Operations.
const (
	Read Op = iota
	Write
	Flush
	Trim
	Zero
	Map
	Compare // CompareAndWrite
	// Ops is how many there are.
	Ops
)

// String is the operation's name in lower case.
func (o Op) String() string {
	return [Ops + 1]string{"read", "write", "flush", "trim", "zero", "map", "compare and write", "unknown"}[min(o, Ops)]
}

// Buckets is how many times Counts tells apart.
const Buckets = 12

// Bound is the time below which a call is in bucket i, if it is in none before: 16 us,
// then four times that of the bucket before. The last bucket has no bound: 0.
func Bound(i int) time.Duration {
	if i >= Buckets-1 {
		return 0
	}
	return 16 * time.Microsecond << (2 * i)
}

// bucket is the one that d is in.
func bucket(d time.Duration) int {
	us := uint64(max(d, 0) / (16 * time.Microsecond))
	return min((bits.Len64(us)+1)/2, Buckets-1)
}

// Counts is what was counted of one operation.
type Counts struct {
	Calls  uint64 // that were done, with or without an error
	Bytes  uint64 // of those without an error
	Errors uint64
	Missed uint64 // tries that would have waited
	// Times is how many of the calls that may block took how long: see Bound.
	Times [Buckets]uint64
	// Busy is the sum of these times.
	Busy time.Duration
}

// A Snapshot has the counts of each operation, by Op.
type Snapshot [Ops]Counts

type counters struct {
	calls, bytes, errors, missed, busy atomic.Uint64
	times                              [Buckets]atomic.Uint64
}

// A shard is counted in by few processors, and lies apart from the others.
type shard struct {
	ops [Ops]counters
	_   [128]byte
}

// newShards returns a power of two of shards, at least one for each processor.
func newShards() []shard {
	return make([]shard, 1<<bits.Len(uint(runtime.GOMAXPROCS(0)-1)))
}

// pick chooses a shard at random, which costs less than the contention it avoids:
// the generator is the processor's own.
func (s *Store) pick(op Op) *counters {
	return &s.shards[rand.Uint32()&uint32(len(s.shards)-1)].ops[op]
}

func (c *counters) add(n int64, err error) {
	c.calls.Add(1)
	if err != nil {
		c.errors.Add(1)
	} else if n > 0 {
		c.bytes.Add(uint64(n))
	}
}

func (s *Store) count(op Op, n int64, err error) { s.pick(op).add(n, err) }

func (s *Store) tried(op Op, n int64, done bool, err error) {
	if !done {
		s.pick(op).missed.Add(1)
		return
	}
	s.count(op, n, err)
}

func (s *Store) timed(op Op, n int64, start time.Time, err error) {
	d := time.Since(start)
	c := s.pick(op)
	c.add(n, err)
	c.times[bucket(d)].Add(1)
	c.busy.Add(uint64(max(d, 0)))
}

// Snapshot adds up what was counted so far. Calls that run meanwhile may be in it in
// part.
func (s *Store) Snapshot() Snapshot {
	var sum Snapshot
	for i := range s.shards {
		for op := range Ops {
			from, to := &s.shards[i].ops[op], &sum[op]
			to.Calls += from.calls.Load()
			to.Bytes += from.bytes.Load()
			to.Errors += from.errors.Load()
			to.Missed += from.missed.Load()
			to.Busy += time.Duration(from.busy.Load())
			for b := range from.times {
				to.Times[b] += from.times[b].Load()
			}
		}
	}
	return sum
}
