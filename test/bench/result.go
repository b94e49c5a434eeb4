package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"strings"
	"text/tabwriter"

	"golang.org/x/sys/unix"
)

// A result is a whole run.
type result struct {
	Machine string
	Rounds  int
	Seconds float64 // of each sample
	Samples []sample
	Costs   []cost
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
func (r *result) of(backing, workload, peer, client string) []sample {
	var all []sample
	for _, s := range r.Samples {
		if s.Backing == backing && s.Workload == workload && s.Peer == peer && s.Client == client {
			all = append(all, s)
		}
	}
	return all
}

func iops(s sample) float64 { return s.IOPS }
func cpu(s sample) float64  { return s.CPU }

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

// ratio is the median over the rounds of a's f to b's: what a busy moment does to one
// round it does to both.
func ratio(a, b []sample, f func(sample) float64) string {
	var v []float64
	for _, x := range a {
		for _, y := range b {
			if x.Round == y.Round && f(y) > 0 {
				v = append(v, f(x)/f(y))
			}
		}
	}
	if len(v) == 0 {
		return "-"
	}
	m, _ := middle(v)
	return fmt.Sprintf("%.2f", m)
}

// print prints the tables.
func (r *result) print(w io.Writer) {
	fmt.Fprintf(w, "\n%s\n%d rounds, %.1f s each; medians (spread in %%); ratios are medians of the rounds' ratios\n", r.Machine, r.Rounds, r.Seconds)
	for _, client := range []string{"lunette", "iscsi-perf"} {
		for _, backing := range []string{inMemory, inFile} {
			r.table(w, backing, client)
		}
	}
}

func (r *result) table(w io.Writer, backing, client string) {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	rows := 0
	for _, x := range workloads() {
		ours := r.of(backing, x.name, "lunette", client)
		if len(ours) == 0 {
			continue
		}
		if rows++; rows == 1 {
			fmt.Fprintf(w, "\n%s, client %s: commands per second, and CPU of the target per command\n", backing, client)
			fmt.Fprintln(t, "\tlunette\ttgt\ttgt tuned\traw\t: tgt\t: tuned\t: raw\tlunette us\ttgt us\ttuned us\traw us\t: tgt\t: tuned\t")
		}
		tgt, fast := r.of(backing, x.name, "tgt", client), r.of(backing, x.name, "tgt tuned", client)
		raw := r.of(inMemory, x.name, "raw", client)
		fmt.Fprintf(t, "%s\t", x.name)
		for _, s := range [][]sample{ours, tgt, fast, raw} {
			if len(s) == 0 {
				fmt.Fprint(t, "-\t")
				continue
			}
			m, spread := median(s, iops)
			fmt.Fprintf(t, "%.0f (%.0f)\t", m, spread*100)
		}
		for _, s := range [][]sample{tgt, fast, raw} {
			fmt.Fprintf(t, "%s\t", ratio(ours, s, iops))
		}
		for _, s := range [][]sample{ours, tgt, fast, raw} {
			if len(s) == 0 {
				fmt.Fprint(t, "-\t")
				continue
			}
			m, _ := median(s, cpu)
			fmt.Fprintf(t, "%.1f\t", m)
		}
		fmt.Fprintf(t, "%s\t%s\t\n", ratio(ours, tgt, cpu), ratio(ours, fast, cpu))
	}
	_ = t.Flush() // as the Fprints to w
}
