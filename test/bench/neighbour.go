package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os/exec"
	"strconv"
	"text/tabwriter"
	"time"

	"github.com/lunette-io/lunette/bench"
)

// The neighbours: one initiator that reads 4 KiB at a time and waits for each, alone and beside one
// with eight sessions of 128 commands (of 64, if they are large) on the same unit. What matters is how much longer the first one
// waits. Both are programs of their own, and all run on the same processors: the greedy one's runs with
// a lower priority (-nice, 10 if nothing else is said), so that what the modest one waits for is the target rather than the
// other client's processor time, and the target's share of the processors is what is measured.

// A greed is what the greedy one does.
type greed struct {
	name    string
	size    string
	reads   int
	depth   int // of each of its sessions
	backing string
}

func greeds() []greed {
	return []greed{
		{"4k reads", "4K", 100, 128, inMemory},
		{"64k writes", "64K", 0, 128, inMemory},
		{"4k reads", "4K", 100, 128, inFile},
		{"64k writes", "64K", 0, 128, inFile},
		{"256k writes", "256K", 0, 64, inFile},
	}
}

// Of the peers, the lunettes whose neighbours are measured.
func neighbourPeers(o options) []string {
	all := []string{lunette, reactors}
	if o.before != "" {
		all = append(all, before)
	}
	return all
}

// A neighbourhood is what one round has measured.
type neighbourhood struct{ quiet, beside, alone, both float64 } // p99 in µs, and the greedy one's IOPS

// neighbours measures and prints.
func neighbours(ctx context.Context, w io.Writer, o options) error {
	at, err := newPlace(o)
	if err != nil {
		return err
	}
	defer at.remove()
	fmt.Fprintln(w, machine())
	out := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(out, "backing\tgreedy\tpeer\tp99 quiet µs\tp99 beside\tratio\tgreedy alone IOPS\tbeside\t")
	for _, backing := range []string{inMemory, inFile} {
		if err := neighboursOn(ctx, out, o, at, backing); err != nil {
			return err
		}
	}
	return nil
}

func neighboursOn(ctx context.Context, out *tabwriter.Writer, o options, at *place, backing string) error {
	var peers []*peer
	for _, name := range neighbourPeers(o) {
		if !o.peers.MatchString(name) {
			continue
		}
		p, err := startLunette(o, at, name, backing)
		if err != nil {
			return err
		}
		defer p.stop()
		peers = append(peers, p)
		// All of it is written once: what was never written is no disk's answer.
		if _, err := runClient(ctx, o, 0, p, "--read", "0", "--block-size", "256K", "--pattern", "sequential", "--depth", "8",
			"--count", strconv.Itoa(unitSize/(256<<10))); err != nil {
			return err
		}
	}
	for _, g := range greeds() {
		if g.backing != backing || !o.only.MatchString(backing+"/"+g.name) {
			continue
		}
		all := make([][]neighbourhood, len(peers))
		for range o.rounds {
			for i, p := range peers {
				n, err := beside(ctx, o, p, g)
				if err != nil {
					return fmt.Errorf("%s, %s, %s: %w", p.name, backing, g.name, err)
				}
				all[i] = append(all[i], n)
			}
		}
		for i, p := range peers {
			of := func(f func(neighbourhood) float64) float64 {
				var v []float64
				for _, n := range all[i] {
					v = append(v, f(n))
				}
				m, _ := middle(v)
				return m
			}
			fmt.Fprintf(out, "%s\t%s\t%s\t%.0f\t%.0f\t%.1f\t%.0f\t%.0f\t\n", backing, g.name, p.name,
				of(func(n neighbourhood) float64 { return n.quiet }), of(func(n neighbourhood) float64 { return n.beside }),
				of(func(n neighbourhood) float64 { return n.beside / max(n.quiet, 1) }),
				of(func(n neighbourhood) float64 { return n.alone }), of(func(n neighbourhood) float64 { return n.both }))
		}
		if err := out.Flush(); err != nil {
			return err
		}
	}
	return nil
}

// beside is one round: the modest one alone, the greedy one alone, both.
func beside(ctx context.Context, o options, p *peer, g greed) (n neighbourhood, err error) {
	modest := func(d time.Duration) (*bench.Result, error) {
		return runClient(ctx, o, 0, p, "--initiator", "iqn.2026-11.io.lunette:modest", "--depth", "1", "--time", d.String())
	}
	greedy := func(d time.Duration) (*bench.Result, error) {
		return runClient(ctx, o, o.nice, p, "--initiator", "iqn.2026-11.io.lunette:greedy", "--depth", strconv.Itoa(g.depth), "--connections", "8",
			"--block-size", g.size, "--read", strconv.Itoa(g.reads), "--time", d.String())
	}
	q, err := modest(o.time)
	if err != nil {
		return n, err
	}
	a, err := greedy(o.time)
	if err != nil {
		return n, err
	}
	type end struct {
		r   *bench.Result
		err error
	}
	ended := make(chan end, 1)
	const lead = 500 * time.Millisecond // the greedy one begins before the other, and ends behind it
	go func() {
		r, err := greedy(o.time + 2*lead)
		ended <- end{r, err}
	}()
	time.Sleep(lead)
	m, err := modest(o.time)
	b := <-ended
	switch {
	case err != nil:
		return n, err
	case b.err != nil:
		return n, b.err
	}
	iops := func(r *bench.Result) float64 { return r.Read.IOPS + r.Write.IOPS }
	return neighbourhood{q.Read.Latency.P99, m.Read.Latency.P99, iops(a), iops(b.r)}, nil
}

// runClient runs lunette bench on the first unit of p.
func runClient(ctx context.Context, o options, nice int, p *peer, args ...string) (*bench.Result, error) {
	args = append([]string{"-n", strconv.Itoa(nice), o.program, "bench", p.url(0), "--destroy-data", "--progress", "never", "-o", "json"}, args...)
	var failed bytes.Buffer
	c := exec.CommandContext(ctx, "nice", args...)
	c.Stderr = &failed
	text, err := c.Output()
	if err != nil {
		return nil, fmt.Errorf("lunette bench: %w: %s", err, failed.String())
	}
	r := new(bench.Result)
	return r, json.Unmarshal(text, r)
}
