// Command bench compares lunette with Debian's tgt and with what loopback itself allows, in
// one interleaved run; docs/performance.md says how to read it.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"regexp"
	"syscall"
	"time"
)

// options are what a run is asked for.
type options struct {
	rounds  int
	time    time.Duration
	only    *regexp.Regexp
	program string // lunette
	dir     string // for files in the page cache
	json    string
	cost    bool   // only what a command costs lunette
	profile string // directory
	foreign bool   // iscsi-perf too
}

func main() {
	if kind := os.Getenv(childEnv); kind != "" {
		exit(child(kind))
	}
	var o options
	quick := flag.Bool("quick", false, "one short round: less than two minutes")
	flag.IntVar(&o.rounds, "rounds", 5, "how often everything is measured")
	flag.DurationVar(&o.time, "time", 750*time.Millisecond, "how long each workload runs on each target, in each round")
	only := flag.String("only", "", "only workloads that match this `regexp` (backing/name)")
	flag.StringVar(&o.program, "lunette", os.Getenv("LUNETTE"), "the `program`; bin/lunette without it")
	flag.StringVar(&o.dir, "dir", "/var/tmp", "where files are made: a `directory` on a disk, not in memory")
	flag.StringVar(&o.json, "o", "", "also write all samples to this `file`, as JSON")
	flag.BoolVar(&o.cost, "cost", false, "only count what a command costs lunette: system calls, copies, allocations")
	flag.StringVar(&o.profile, "profile", "", "with -cost: write CPU profiles into this `directory`")
	flag.BoolVar(&o.foreign, "foreign", true, "measure with libiscsi's iscsi-perf too")
	flag.Parse()
	if *quick {
		o.rounds, o.time = 1, 250*time.Millisecond
	}
	var err error
	if o.only, err = regexp.Compile(*only); err != nil || flag.NArg() > 0 {
		flag.Usage()
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	exit(run(ctx, os.Stdout, o))
}

func exit(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
	os.Exit(0)
}

// run measures and prints.
func run(ctx context.Context, w io.Writer, o options) error {
	costs, err := measureCosts(ctx, w, o)
	if err != nil || o.cost {
		return err
	}
	r := &result{Machine: machine(), Rounds: o.rounds, Seconds: o.time.Seconds(), Costs: costs}
	if err := compare(ctx, o, r); err != nil {
		return err
	}
	r.print(w)
	if o.json == "" {
		return nil
	}
	return r.save(o.json)
}
