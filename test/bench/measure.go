package main

import (
	"context"
	"fmt"
	"os/exec"
	"regexp"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/lunette-io/lunette/bench"
)

// A sample is one measurement.
type sample struct {
	Backing, Workload, Peer string
	Client                  string // "lunette", or the foreign one
	Round                   int
	IOPS                    float64
	CPU                     float64 // of the target, microseconds per command
	Commands                int64
}

const warmUp = 100 * time.Millisecond

// load runs w against p. It calls begin and end around the measured part, while the
// connections are there and at work.
func load(ctx context.Context, p *peer, w workload, d time.Duration, gens *atomic.Uint64, begin, end func() error) (*bench.Result, error) {
	workers := make([]*bench.Worker, w.conns)
	for i := range workers {
		c, err := p.dial(ctx, i)
		if err != nil {
			return nil, err
		}
		defer c.Close()
		share := int64(unitSize / (w.conns / w.units))
		workers[i], err = bench.NewWorker(c, bench.WorkerConfig{
			Workload: w.Workload, Part: bench.Part{Unit: i % w.units, From: int64(i/w.units) * share, Len: share},
			Checks: bench.SomeChecks, Seed: gens.Load(), Gens: gens,
		})
		if err != nil {
			return nil, err
		}
	}
	r, err := bench.Plan{WarmUp: warmUp, Time: d, Begin: begin, End: end}.Run(ctx, workers...)
	if err == nil {
		err = r.Err()
	}
	return r, err
}

// prefill writes all units of p once, so that every grain has a mark.
func prefill(ctx context.Context, p *peer, gens *atomic.Uint64) error {
	var workers []*bench.Worker
	for u := range units {
		c, err := p.dial(ctx, 1000+u)
		if err != nil {
			return err
		}
		defer c.Close()
		w, err := filler(c, u, unitSize, gens)
		if err != nil {
			return err
		}
		workers = append(workers, w)
	}
	r, err := bench.Plan{}.Run(ctx, workers...)
	if err == nil {
		err = r.Err()
	}
	if err != nil {
		return fmt.Errorf("filling the units: %w", err)
	}
	return nil
}

// filler writes a unit once.
func filler(c bench.Client, unit int, size int64, gens *atomic.Uint64) (*bench.Worker, error) {
	const each = 1 << 20
	return bench.NewWorker(c, bench.WorkerConfig{
		Workload: bench.Workload{Size: each, Sequential: true, Depth: 8},
		Part:     bench.Part{Unit: unit, Len: size}, Count: size / each, Gens: gens,
	})
}

// measure makes one sample with the in-repository initiator.
func measure(ctx context.Context, p *peer, w workload, d time.Duration, gens *atomic.Uint64) (sample, error) {
	var before, after float64
	cpu := func(to *float64) func() error {
		return func() (err error) {
			*to, err = bench.ProcessorTime(p.cmd.Process.Pid)
			return err
		}
	}
	r, err := load(ctx, p, w, d, gens, cpu(&before), cpu(&after))
	if err != nil {
		return sample{}, fmt.Errorf("%s, %s, %s: %w", p.name, p.backing, w.name, err)
	}
	n := r.Commands()
	return sample{
		Backing: p.backing, Workload: w.name, Peer: p.name, Client: "lunette", Commands: n,
		IOPS: float64(n) / r.Seconds, CPU: (after - before) / float64(max(n, 1)) * 1e6,
	}, nil
}

var average = regexp.MustCompile(`iops average (\d+)`)

// measureForeign makes one sample with iscsi-perf, which knows whole seconds only.
func measureForeign(ctx context.Context, p *peer, w workload, d time.Duration) (sample, error) {
	args := []string{"-m", strconv.Itoa(w.Depth), "-b", strconv.Itoa(w.Size / blockSize),
		"-t", strconv.Itoa(max(1, int(d.Seconds()+0.5)))}
	if !w.Sequential {
		args = append(args, "-r")
	}
	before, err := bench.ProcessorTime(p.cmd.Process.Pid)
	if err != nil {
		return sample{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, d+10*time.Second)
	defer cancel()
	began := time.Now()
	out, err := exec.CommandContext(ctx, "iscsi-perf", append(args, p.url())...).CombinedOutput()
	all := average.FindAllSubmatch(out, -1)
	if err != nil || len(all) == 0 {
		return sample{}, fmt.Errorf("iscsi-perf (Debian's package libiscsi-bin) on %s: %w: %s", p.name, err, out)
	}
	took := time.Since(began) // it goes on for a while after its time
	after, err := bench.ProcessorTime(p.cmd.Process.Pid)
	n, _ := strconv.ParseFloat(string(all[len(all)-1][1]), 64)
	return sample{
		Backing: p.backing, Workload: w.name, Peer: p.name, Client: "iscsi-perf", IOPS: n,
		CPU: (after - before) / max(n*took.Seconds(), 1) * 1e6,
	}, err
}
