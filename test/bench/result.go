package main

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"runtime"
	"slices"
	"strings"
	"text/tabwriter"

	"golang.org/x/sys/unix"
)

// A result is a whole run.
type result struct {
	Machine  string
	Rounds   int
	Seconds  float64           // of each sample
	Peers    []string          // what they are
	Absent   map[string]string // who was not there, and why
	Samples  []sample
	Costs    []cost
	Idle     *float64 // processors that lunette uses when nobody asks it
	Verdicts []verdict
}

// absent says aloud who is not there.
func (r *result) absent(who string, why error) {
	fmt.Fprintf(os.Stderr, "WITHOUT %s: %v\n", who, why)
	if r.Absent == nil {
		r.Absent = make(map[string]string)
	}
	r.Absent[who] = why.Error()
}

func machine() string {
	var u unix.Utsname
	_ = unix.Uname(&u) // then it is empty
	load, _ := os.ReadFile("/proc/loadavg")
	return fmt.Sprintf("%d processors, Linux %s, %s, load before: %s", runtime.NumCPU(),
		unix.ByteSliceToString(u.Release[:]), runtime.Version(), strings.TrimSpace(string(load)))
}

func (r *result) save(path string) error {
	b, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(path, append(b, '\n'), 0o644)
}

// of are the samples of one cell, by round.
func (r *result) of(c cell) []sample {
	var all []sample
	for _, s := range r.Samples {
		if (cell{s.Backing, s.Workload, s.Peer, s.Client}) == c {
			all = append(all, s)
		}
	}
	return all
}

// A figure is one of those that a sample has.
type figure struct {
	name string
	of   func(sample) float64
	// format is that of a median.
	format string
}

var (
	iops = figure{"IOPS", func(s sample) float64 { return s.IOPS }, "%.0f"}
	p50  = figure{"p50", func(s sample) float64 { return s.P50 }, "%.1f"}
	p99  = figure{"p99", func(s sample) float64 { return s.P99 }, "%.1f"}
	cpu  = figure{"CPU per I/O", func(s sample) float64 { return s.CPU }, "%.2f"}
)

// median is that of f, and spread how far the samples lie apart, as a part of it.
func median(all []sample, f func(sample) float64) (m, spread float64) {
	v := make([]float64, len(all))
	for i, s := range all {
		v[i] = f(s)
	}
	return middle(v)
}

func middle(v []float64) (m, spread float64) {
	if len(v) == 0 {
		return 0, 0
	}
	slices.Sort(v)
	m = (v[(len(v)-1)/2] + v[len(v)/2]) / 2
	if m > 0 {
		spread = (v[len(v)-1] - v[0]) / m
	}
	return m, spread
}

// ratios is the median over the rounds of a's f to b's, their spread and how many there are:
// what a busy moment does to one round it does to both.
func ratios(a, b []sample, f func(sample) float64) (m, spread float64, n int) {
	var v []float64
	for _, x := range a {
		for _, y := range b {
			if x.Round == y.Round && f(x) > 0 && f(y) > 0 {
				v = append(v, f(x)/f(y))
			}
		}
	}
	m, spread = middle(v)
	return m, spread, len(v)
}

// print prints the tables.
func (r *result) print(w io.Writer) {
	fmt.Fprintf(w, "\n%s\n%d rounds, %.2f s each; medians (spread in %%); ratios are medians of the rounds' ratios\n", r.Machine, r.Rounds, r.Seconds)
	for _, p := range r.Peers {
		fmt.Fprintln(w, p)
	}
	for _, who := range slices.Sorted(maps.Keys(r.Absent)) {
		fmt.Fprintf(w, "WITHOUT %s: %s\n", who, r.Absent[who])
	}
	for _, client := range []string{ours, withFio, withPerf} {
		for _, backing := range []string{inMemory, inFile, onDisk} {
			for _, f := range []figure{iops, p50, p99, cpu} {
				r.table(w, backing, client, f)
			}
		}
	}
	r.accept(w)
}

// table prints one figure of all workloads and peers of a backing and a client.
func (r *result) table(w io.Writer, backing, client string, f figure) {
	var workloads, others []string
	for _, s := range r.Samples {
		if s.Backing != backing || s.Client != client || f.of(s) == 0 {
			continue
		}
		if !slices.Contains(workloads, s.Workload) {
			workloads = append(workloads, s.Workload)
		}
		if s.Peer != lunette && !slices.Contains(others, s.Peer) {
			others = append(others, s.Peer)
		}
	}
	if len(workloads) == 0 {
		return
	}
	slices.SortFunc(others, func(a, b string) int { return slices.Index(peerNames(), a) - slices.Index(peerNames(), b) })
	fmt.Fprintf(w, "\n%s, client %s: %s\n", backing, client, map[string]string{
		"IOPS": "commands per second", "p50": "p50 latency, us", "p99": "p99 latency, us", "CPU per I/O": "CPU of the target per command, us",
	}[f.name])
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintf(t, "\t%s\t", lunette)
	for _, p := range others {
		fmt.Fprintf(t, "%s\t", p)
	}
	for _, p := range others {
		fmt.Fprintf(t, ": %s\t", p)
	}
	fmt.Fprintln(t)
	for _, x := range workloads {
		mine := r.of(cell{backing, x, lunette, client})
		fmt.Fprintf(t, "%s\t%s\t", x, shown(mine, f))
		for _, p := range others {
			fmt.Fprintf(t, "%s\t", shown(r.of(cell{backing, x, p, client}), f))
		}
		for _, p := range others {
			if m, _, n := ratios(mine, r.of(cell{backing, x, p, client}), f.of); n > 0 {
				fmt.Fprintf(t, "%.2f\t", m)
			} else {
				fmt.Fprint(t, "-\t")
			}
		}
		fmt.Fprintln(t)
	}
	_ = t.Flush() // as the Fprints to w
}

// shown is a median with its spread.
func shown(all []sample, f figure) string {
	m, spread := median(all, f.of)
	if m == 0 {
		return "-"
	}
	return fmt.Sprintf(f.format+" (%.0f)", m, spread*100)
}
