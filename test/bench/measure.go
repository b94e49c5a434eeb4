package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
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
// connections are there and at work, and returns the commands of that part and its length.
func load(ctx context.Context, p *peer, w workload, d time.Duration, gens *atomic.Uint64, begin, end func() error) (int64, time.Duration, error) {
	var stop atomic.Bool
	hosts := make([]*host, w.conns)
	for i := range hosts {
		c, err := p.dial(ctx, i)
		if err != nil {
			return 0, 0, err
		}
		defer c.close()
		share := int64(unitSize / (w.conns / w.units))
		hosts[i] = &host{client: c, workload: w, unit: i % w.units, from: int64(i/w.units) * share, len: share,
			rand: rand.New(rand.NewPCG(uint64(i), gens.Load())), gens: gens, stop: &stop}
	}
	errs := make(chan error, len(hosts))
	var all sync.WaitGroup
	for _, h := range hosts {
		all.Go(func() {
			if err := h.run(); err != nil {
				errs <- err
			}
		})
	}
	sum := func() (n int64) {
		for _, h := range hosts {
			n += h.done.Load()
		}
		return n
	}
	sleep := func(d time.Duration) error {
		select {
		case <-time.After(d):
			return nil
		case err := <-errs:
			return err
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	var n int64
	var took time.Duration
	err := sleep(warmUp)
	if err == nil {
		err = begin()
	}
	if err == nil {
		n = sum()
		t := time.Now()
		err = sleep(d)
		n, took = sum()-n, time.Since(t)
	}
	if err == nil {
		err = end()
	}
	stop.Store(true)
	if err != nil {
		for _, h := range hosts {
			_ = h.close() // they may wait for ever
		}
	}
	all.Wait()
	if err == nil {
		select {
		case err = <-errs:
		default:
		}
	}
	return n, took, err
}

// measure makes one sample with the in-repository initiator.
func measure(ctx context.Context, p *peer, w workload, d time.Duration, gens *atomic.Uint64) (sample, error) {
	var before, after float64
	cpu := func(to *float64) func() error {
		return func() (err error) {
			*to, err = processorTime(p.cmd.Process.Pid)
			return err
		}
	}
	n, took, err := load(ctx, p, w, d, gens, cpu(&before), cpu(&after))
	if err != nil {
		return sample{}, fmt.Errorf("%s, %s, %s: %w", p.name, p.backing, w.name, err)
	}
	return sample{
		Backing: p.backing, Workload: w.name, Peer: p.name, Client: "lunette", Commands: n,
		IOPS: float64(n) / took.Seconds(), CPU: (after - before) / float64(max(n, 1)) * 1e6,
	}, nil
}

// processorTime is what a process has used, in seconds.
func processorTime(pid int) (float64, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, err
	}
	// The name, in parentheses, may have anything in it.
	f := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
	user, err1 := strconv.ParseFloat(f[11], 64)
	system, err2 := strconv.ParseFloat(f[12], 64)
	if err1 != nil || err2 != nil {
		return 0, fmt.Errorf("/proc/%d/stat: %q", pid, text)
	}
	const ticks = 100 // USER_HZ, which is the same on every Linux
	return (user + system) / ticks, nil
}

var average = regexp.MustCompile(`iops average (\d+)`)

// measureForeign makes one sample with iscsi-perf, which knows whole seconds only.
func measureForeign(ctx context.Context, p *peer, w workload, d time.Duration) (sample, error) {
	args := []string{"-m", strconv.Itoa(w.depth), "-b", strconv.Itoa(w.size / blockSize),
		"-t", strconv.Itoa(max(1, int(d.Seconds()+0.5)))}
	if !w.sequential {
		args = append(args, "-r")
	}
	before, err := processorTime(p.cmd.Process.Pid)
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
	after, err := processorTime(p.cmd.Process.Pid)
	n, _ := strconv.ParseFloat(string(all[len(all)-1][1]), 64)
	return sample{
		Backing: p.backing, Workload: w.name, Peer: p.name, Client: "iscsi-perf", IOPS: n,
		CPU: (after - before) / max(n*took.Seconds(), 1) * 1e6,
	}, err
}
