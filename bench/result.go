package bench

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// A Result is what workers have done in the measured part of a run.
type Result struct {
	Seconds float64   `json:"seconds"`
	Read    Direction `json:"read"`
	Write   Direction `json:"write"`
	// Errors counts the commands that have failed, by what the target has said. They
	// are in no other figure.
	Errors map[string]int64 `json:"errors"`
	// ClientCPU is the processor time of this process, in microseconds per command.
	ClientCPU float64 `json:"clientCPU"`
	// Wakes are those of a command, on average; nil: the two sides do not wake each other.
	Wakes *Wakes `json:"wakes,omitempty"`
}

// Wakes are how often the two sides of a ring have woken each other: batching makes it less, and so do sides that look without being told.
type Wakes struct {
	Kicks float64 `json:"kicks"` // the client woke the device
	Calls float64 `json:"calls"` // the device woke the client
	Waits float64 `json:"waits"` // the client slept
}

// since is what has been added to before, for each of n commands.
func (w Wakes) since(before Wakes, n int64) *Wakes {
	d := float64(max(n, 1))
	return &Wakes{(w.Kicks - before.Kicks) / d, (w.Calls - before.Calls) / d, (w.Waits - before.Waits) / d}
}

// A Direction is what reads or writes have done.
type Direction struct {
	Commands int64   `json:"commands"`
	Bytes    int64   `json:"bytes"`
	IOPS     float64 `json:"iops"`
	MBps     float64 `json:"mbps"` // 1,000,000 bytes
	Latency  Latency `json:"latency"`
}

// A Latency is how long commands took, in microseconds; those that were under way at the
// end of the measured part are in it.
type Latency struct {
	P50  float64 `json:"p50"`
	P90  float64 `json:"p90"`
	P99  float64 `json:"p99"`
	P999 float64 `json:"p999"`
	Max  float64 `json:"max"`
}

func newResult(window, all *counters, took time.Duration, cpu float64, errs map[string]int64) *Result {
	seconds := max(took.Seconds(), 1e-9)
	direction := func(n, bytes int64, c *Counts) Direction {
		us := func(d time.Duration) float64 { return float64(d) / 1e3 }
		return Direction{Commands: n, Bytes: bytes, IOPS: float64(n) / seconds, MBps: float64(bytes) / 1e6 / seconds, Latency: Latency{
			P50: us(c.Quantile(0.5)), P90: us(c.Quantile(0.9)), P99: us(c.Quantile(0.99)), P999: us(c.Quantile(0.999)), Max: us(c.Max()),
		}}
	}
	r := &Result{
		Seconds: took.Seconds(), Errors: errs,
		Read:  direction(window.read.total, window.inBytes, &all.read),
		Write: direction(window.write.total, window.outBytes, &all.write),
	}
	if r.Errors == nil {
		r.Errors = map[string]int64{}
	}
	r.ClientCPU = cpu / float64(max(r.Commands(), 1)) * 1e6
	return r
}

// Commands is how many have ended well, in both directions.
func (r *Result) Commands() int64 { return r.Read.Commands + r.Write.Commands }

// Err is nil if no command has failed.
func (r *Result) Err() error {
	var all []string
	n := int64(0)
	for _, kind := range slices.Sorted(maps.Keys(r.Errors)) {
		all = append(all, fmt.Sprintf("%s (%d times)", kind, r.Errors[kind]))
		n += r.Errors[kind]
	}
	if n == 0 {
		return nil
	}
	return fmt.Errorf("%d commands have failed: %s", n, strings.Join(all, ", "))
}
