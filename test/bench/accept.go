package main

import (
	"fmt"
	"io"
	"text/tabwriter"
)

// A cell is a place in the tables.
type cell struct{ backing, workload, peer, client string }

// A claim says how lunette stands to something else: a bound of the ratio of one figure.
type claim struct {
	row    string // as people call it
	mine   cell
	to     cell
	figure figure
	least  float64 // 0: there is
	most   float64
}

// claims is what is wanted. Where a limit is wanted of many workloads, each is a claim.
func claims() []claim {
	var all []claim
	type bounds struct {
		tgt, tgtFio, spdk, spdkFio, limit float64 // IOPS; 0: no claim
		spdkCPU                           float64 // at most
	}
	for _, x := range []struct {
		workload string
		bounds
	}{
		{"4k read QD32", bounds{6, 3.3, 2, 1, 0.6, 0.5}},
		{"4k write QD32", bounds{6, 2.4, 2, 1, 0.6, 0.5}},
		{"4k read QD32 x4, 4 units", bounds{6, 4, 2, 1, 0.6, 0.5}},
		{"4k write QD32 x4, 4 units", bounds{6, 4, 2, 1, 0.6, 0.5}},
		{"64k 70/30 QD16", bounds{4, 3, 1.3, 1, 0.6, 0}},
		{"1M seq read QD8", bounds{4, 3.5, 1.2, 1, 0.8, 0}},
		{"1M seq write QD8", bounds{4, 3.5, 1.2, 1, 0.8, 0}},
	} {
		add := func(peer, client string, f figure, least, most float64) {
			if least+most > 0 {
				all = append(all, claim{
					row: x.workload, mine: cell{inMemory, x.workload, lunette, client}, to: cell{inMemory, x.workload, peer, client},
					figure: f, least: least, most: most,
				})
			}
		}
		add(tgtTuned, ours, iops, x.tgt, 0)
		add(tgtTuned, withFio, iops, x.tgtFio, 0)
		add(spdk, ours, iops, x.spdk, 0)
		add(spdk, withFio, iops, x.spdkFio, 0)
		add(spdk, ours, cpu, 0, x.spdkCPU)
		add(raw, ours, iops, x.limit, 0)
	}
	for _, w := range []string{"4k read QD1", "4k write QD1"} {
		for _, to := range []struct {
			peer string
			most float64
		}{{tgtTuned, 0.4}, {spdk, 1.2}, {raw, 1.3}} {
			all = append(all, claim{
				row: w, mine: cell{inMemory, w, lunette, ours}, to: cell{inMemory, w, to.peer, ours}, figure: p50, most: to.most,
			})
		}
		all = append(all, claim{
			row: w + ", busy-poll", mine: cell{inMemory, w, busy, ours}, to: cell{inMemory, w, spdk, ours}, figure: p50, most: 1,
		})
	}
	for _, w := range []string{"64k read QD16", "64k write QD16", "1M seq read QD8", "1M seq write QD8"} {
		d := w + ", digests"
		mine := cell{inMemory, d, lunette, ours}
		all = append(all,
			claim{row: d, mine: mine, to: cell{inMemory, d, tgtTuned, ours}, figure: iops, least: 3},
			claim{row: d, mine: mine, to: cell{inMemory, w, lunette, ours}, figure: iops, least: 0.7})
	}
	for _, w := range []string{"4k read QD32", "4k write QD32", "1M seq read QD8", "1M seq write QD8"} {
		mine := cell{inFile, w, lunette, ours}
		all = append(all,
			claim{row: w + ", page cache", mine: mine, to: cell{inFile, w, tgtTuned, ours}, figure: iops, least: 3},
			claim{row: w + ", page cache", mine: mine, to: cell{inMemory, w, lunette, ours}, figure: iops, least: 0.7})
	}
	for _, w := range []string{"4k read QD32", "4k write QD32"} {
		for _, to := range []struct {
			peer  string
			least float64
		}{{tgtTuned, 1.5}, {spdk, 1}, {ring, 0.9}} {
			all = append(all, claim{
				row: w + ", O_DIRECT", mine: cell{onDisk, w, lunette, ours}, to: cell{onDisk, w, to.peer, ours}, figure: iops, least: to.least,
			})
		}
	}
	return append(all, vhostClaims()...)
}

// A ceiling is what one command may cost at most.
type ceiling struct {
	backing, workload string
	what              string
	of                func(cost) float64
	most              float64
}

// ceilings is what a command may cost. 0 allocations are said as at most one in a thousand
// commands, since timers and the counting itself allocate.
func ceilings() []ceiling {
	allocations := func(c cost) float64 { return c.Allocations }
	calls := func(c cost) float64 { return c.Calls() }
	var all []ceiling
	for _, backing := range []string{inMemory, inFile} {
		for _, w := range []string{"4k read QD32", "4k write QD32"} {
			all = append(all, ceiling{backing, w, "heap allocations", allocations, 0.001})
			if backing == inMemory { // a file takes one of its own
				all = append(all, ceiling{backing, w, "system calls", calls, 2.0 / 16})
			}
		}
		for _, s := range of(1, 1, false, read4k, readBig, writeBig) {
			most := 0.001
			switch {
			case backing == inFile:
				most = 1
			case s.Reads == 0:
				most = 0.05 // what comes in one batch with the header
			}
			all = append(all, ceiling{backing, s.name, "copies in user space", func(c cost) float64 { return c.Copied / float64(s.Size) }, most})
		}
	}
	return all
}

// A verdict is a claim that was measured, or not.
type verdict struct {
	Row, To, Client, Figure, Wanted string
	Measured, Spread                float64
	Rounds                          int // 0: it was not measured
	Kept                            bool
	Why                             string // it was not measured
}

// judge compares what was measured with what is wanted.
func (r *result) judge() []verdict {
	var all []verdict
	for _, c := range claims() {
		v := verdict{Row: c.row, To: c.to.peer, Client: c.mine.client, Figure: c.figure.name, Wanted: wanted(c.least, c.most)}
		if c.to.peer == lunette {
			v.To = "itself, " + c.to.backing
			if c.to.backing == c.mine.backing {
				v.To = "itself without"
			}
		}
		v.Measured, v.Spread, v.Rounds = ratios(r.of(c.mine), r.of(c.to), c.figure.of)
		if v.Rounds == 0 {
			v.Why = r.why(c)
		}
		v.Kept = v.Rounds > 0 && v.Measured >= c.least && (c.most == 0 || v.Measured <= c.most)
		all = append(all, v)
	}
	for _, c := range ceilings() {
		v := verdict{Row: c.workload + ", " + c.backing, To: "-", Client: ours, Figure: c.what, Wanted: wanted(0, c.most), Why: notAsked}
		for _, x := range r.Costs {
			if x.Backing == c.backing && x.Workload == c.workload {
				v.Measured, v.Rounds, v.Why = c.of(x), 1, ""
				v.Kept = v.Measured <= c.most
			}
		}
		all = append(all, v)
	}
	const idleMost = 0.001
	v := verdict{Row: "idle daemon", To: "-", Client: "-", Figure: "processors used", Wanted: wanted(0, idleMost), Why: notAsked}
	if r.Idle != nil {
		v.Measured, v.Rounds, v.Kept, v.Why = *r.Idle, 1, *r.Idle <= idleMost, ""
	}
	return append(all, v)
}

func wanted(least, most float64) string {
	if most > 0 {
		return fmt.Sprintf("<= %.3g", most)
	}
	return fmt.Sprintf(">= %.3g", least)
}

// notAsked is why a claim was not measured that the run was not to measure.
const notAsked = "not in this run"

// why says why a claim was not measured.
func (r *result) why(c claim) string {
	for _, who := range []string{
		c.mine.client, c.mine.peer + ", " + c.mine.backing, c.to.peer + ", " + c.to.backing,
		fmt.Sprintf("%s, %s, %s, client %s", c.to.peer, c.to.backing, c.to.workload, c.to.client),
	} {
		if _, ok := r.Absent[who]; ok {
			return "no " + who
		}
	}
	return notAsked
}

// accept prints the verdicts.
func (r *result) accept(w io.Writer) {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	kept, missed, open, others := 0, 0, 0, 0
	fmt.Fprintln(w, "\nWhat is wanted: ratios of lunette's figure to the other's, medians of the rounds' ratios")
	fmt.Fprintln(t, "WORKLOAD\tTO\tCLIENT\tFIGURE\tWANTED\tMEASURED\tSPREAD\t")
	for _, v := range r.Verdicts {
		if v.Why == notAsked {
			others++
			continue
		}
		if v.Rounds == 0 {
			open++
			fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t-\t-\tnot measured: %s\n", v.Row, v.To, v.Client, v.Figure, v.Wanted, v.Why)
			continue
		}
		word := "ok"
		if kept++; !v.Kept {
			kept--
			missed++
			word = "MISSED"
		}
		spread := "-"
		if v.Rounds > 1 {
			spread = fmt.Sprintf("%.0f %%", v.Spread*100)
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%.3g\t%s\t%s\n", v.Row, v.To, v.Client, v.Figure, v.Wanted, v.Measured, spread, word)
	}
	_ = t.Flush() // as the Fprints to w
	fmt.Fprintf(w, "%d kept, %d missed, %d not measured; %d not in this run\n", kept, missed, open, others)
}
