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
	Backing, Workload, Peer, Client string
	Round                           int
	IOPS                            float64
	CPU                             float64 // of the target, microseconds per command
	P50, P99                        float64 // latency, microseconds: of the reads if there are any
	Commands                        int64
	writes                          int64 // of them
}

const warmUp = 100 * time.Millisecond

// load runs w against p. It calls begin and end around the measured part, while the
// connections are there and at work.
func load(ctx context.Context, p *peer, w workload, d time.Duration, gens *atomic.Uint64, begin, end func() error) (*bench.Result, error) {
	workers := make([]*bench.Worker, w.conns)
	clients, detach, err := p.attach(ctx, attaching{clients: w.conns, digests: w.digests, depth: w.Depth, memory: int64(w.conns * w.Depth * w.Size)})
	if err != nil {
		return nil, err
	}
	defer detach()
	for i, c := range clients {
		share := int64(marked / (w.conns / w.units))
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
	clients, detach, err := p.attach(ctx, attaching{first: 1000, clients: units, depth: fillDepth, memory: units * fillDepth * fillSize})
	if err != nil {
		return err
	}
	defer detach()
	for u, c := range clients {
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

// What a filler has out.
const (
	fillSize  = 64 << 10
	fillDepth = 16
)

// filler writes a unit once, in pieces that every target takes without asking for data.
func filler(c bench.Client, unit int, size int64, gens *atomic.Uint64) (*bench.Worker, error) {
	return bench.NewWorker(c, bench.WorkerConfig{
		Workload: bench.Workload{Size: fillSize, Sequential: true, Depth: fillDepth},
		Part:     bench.Part{Unit: unit, Len: size}, Count: size / fillSize, Gens: gens,
	})
}

// measure makes one sample with the in-repository initiator.
func measure(ctx context.Context, p *peer, w workload, d time.Duration, gens *atomic.Uint64) (sample, error) {
	var before, after float64
	cpu := func(to *float64) func() error {
		return func() (err error) {
			*to, err = p.processorTime()
			return err
		}
	}
	r, err := load(ctx, p, w, d, gens, cpu(&before), cpu(&after))
	if err != nil {
		return sample{}, err
	}
	n, latency := r.Commands(), r.Read.Latency
	if w.Reads == 0 {
		latency = r.Write.Latency
	}
	return sample{
		IOPS: float64(n) / r.Seconds, CPU: (after - before) / float64(max(n, 1)) * 1e6,
		P50: latency.P50, P99: latency.P99, Commands: n,
	}, nil
}

// A meter tells what a server uses while another program loads it, from its start on.
type meter struct {
	p      *peer
	before float64
	began  time.Time
}

func watch(p *peer) (m *meter, err error) {
	m = &meter{p: p, began: time.Now()}
	m.before, err = p.processorTime()
	return m, err
}

// end is the processor time of a command, in microseconds. The program has made so many in a
// second for so long, and before and afterwards none: only one that spins has used anything
// then.
func (m *meter) end(iops float64, long time.Duration) (float64, error) {
	took := time.Since(m.began)
	after, err := m.p.processorTime()
	if m.p.spins {
		long = took
	}
	return (after - m.before) / max(iops*long.Seconds(), 1) * 1e6, err
}

var average = regexp.MustCompile(`iops average (\d+)`)

// measurePerf makes one sample with iscsi-perf, which knows whole seconds and reads only.
func measurePerf(ctx context.Context, p *peer, w workload, d time.Duration) (sample, error) {
	d = max(d, time.Second).Round(time.Second)
	args := []string{"-m", strconv.Itoa(w.Depth), "-b", strconv.Itoa(w.Size / blockSize), "-t", strconv.Itoa(int(d.Seconds()))}
	if !w.Sequential {
		args = append(args, "-r")
	}
	ctx, cancel := context.WithTimeout(ctx, d+10*time.Second)
	defer cancel()
	m, err := watch(p)
	if err != nil {
		return sample{}, err
	}
	out, err := exec.CommandContext(ctx, withPerf, append(args, p.url(0))...).CombinedOutput()
	all := average.FindAllSubmatch(out, -1)
	if err != nil || len(all) == 0 {
		return sample{}, fmt.Errorf("%w: %s", err, out)
	}
	took := time.Since(m.began) // it goes on for a while after its time
	n, _ := strconv.ParseFloat(string(all[len(all)-1][1]), 64)
	cpu, err := m.end(n, took)
	return sample{IOPS: n, CPU: cpu}, err
}
