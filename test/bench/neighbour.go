package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
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
//
// The floor is how long the modest one waits while the greedy one is busy with another daemon on this machine: there
// is no queue that both are in, and what it waits for is the processors.

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
	if os.Geteuid() == 0 { // who else has no priority to give
		all = append(all, favoured)
	}
	if o.before != "" {
		all = append(all, before)
	}
	return all
}

// A neighbourhood is what one round has measured.
type neighbourhood struct {
	quiet, beside, floor bench.Latency
	alone, both          float64 // the greedy one's IOPS
}

// neighbours measures and prints.
func neighbours(ctx context.Context, w io.Writer, o options) error {
	at, err := newPlace(o)
	if err != nil {
		return err
	}
	defer at.remove()
	if err := findProgram(&o, at); err != nil {
		return err
	}
	fmt.Fprintln(w, machine())
	out := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(out, "backing\tgreedy\tpeer\tp99 quiet µs\tfloor\tbeside\t: quiet\t: floor\tp90 : floor\tgreedy alone IOPS\tbeside\t")
	for _, backing := range []string{inMemory, inFile} {
		if err := neighboursOn(ctx, out, o, at, backing); err != nil {
			return err
		}
	}
	return nil
}

func neighboursOn(ctx context.Context, out *tabwriter.Writer, o options, at *place, backing string) error {
	var peers []*peer
	var elsewhere *peer
	for _, name := range append(neighbourPeers(o), other) {
		if name != other && !o.peers.MatchString(name) {
			continue
		}
		p, err := startLunette(o, at, name, backing)
		if err != nil {
			return err
		}
		defer p.stop()
		if name == other {
			elsewhere = p
		} else {
			peers = append(peers, p)
		}
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
				n, err := beside(ctx, o, p, elsewhere, g)
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
			ratio := func(a, b float64) float64 { return a / max(b, 1) }
			fmt.Fprintf(out, "%s\t%s\t%s\t%.0f\t%.0f\t%.0f\t%.1f\t%.2f\t%.2f\t%.0f\t%.0f\t\n", backing, g.name, p.name,
				of(func(n neighbourhood) float64 { return n.quiet.P99 }), of(func(n neighbourhood) float64 { return n.floor.P99 }),
				of(func(n neighbourhood) float64 { return n.beside.P99 }),
				of(func(n neighbourhood) float64 { return ratio(n.beside.P99, n.quiet.P99) }),
				of(func(n neighbourhood) float64 { return ratio(n.beside.P99, n.floor.P99) }),
				of(func(n neighbourhood) float64 { return ratio(n.beside.P90, n.floor.P90) }),
				of(func(n neighbourhood) float64 { return n.alone }), of(func(n neighbourhood) float64 { return n.both }))
		}
		if err := out.Flush(); err != nil {
			return err
		}
	}
	return nil
}

// beside is one round: the modest one alone, the greedy one alone, both, and the greedy one elsewhere.
func beside(ctx context.Context, o options, p, elsewhere *peer, g greed) (n neighbourhood, err error) {
	modest := func() (l bench.Latency, err error) {
		r, err := runClient(ctx, o, 0, p, "--initiator", "iqn.2026-11.io.lunette:modest", "--depth", "1", "--time", o.time.String())
		if err == nil {
			l = r.Read.Latency
		}
		return l, err
	}
	greedy := func(p *peer, d time.Duration) (iops float64, err error) {
		r, err := runClient(ctx, o, o.nice, p, "--initiator", "iqn.2026-11.io.lunette:greedy", "--depth", strconv.Itoa(g.depth), "--connections", "8",
			"--block-size", g.size, "--read", strconv.Itoa(g.reads), "--time", d.String())
		if err == nil {
			iops = r.Read.IOPS + r.Write.IOPS
		}
		return iops, err
	}
	both := func(p *peer) (l bench.Latency, iops float64, err error) {
		const lead = 500 * time.Millisecond // the greedy one begins before the other, and ends behind it
		ended := make(chan error, 1)
		go func() {
			var err error
			iops, err = greedy(p, o.time+2*lead)
			ended <- err
		}()
		time.Sleep(lead)
		l, err = modest()
		greedErr := <-ended // iops is known then
		return l, iops, errors.Join(err, greedErr)
	}
	if n.quiet, err = modest(); err != nil {
		return n, err
	}
	if n.alone, err = greedy(p, o.time); err != nil {
		return n, err
	}
	if n.beside, n.both, err = both(p); err != nil {
		return n, err
	}
	n.floor, _, err = both(elsewhere)
	return n, err
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
