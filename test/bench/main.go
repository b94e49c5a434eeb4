// Command bench compares lunette with other targets and with what loopback itself allows, in
// one interleaved run, and says which of what is wanted was kept; docs/performance.md says
// how to read it.
package main

import (
	"context"
	"errors"
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
	peers   *regexp.Regexp
	program string // lunette
	spdk    string // its iscsi_tgt
	fio     string // with the engine libiscsi
	dir     string // for files
	json    string
	before  string // another lunette
	cost    bool   // only what a command costs lunette
	profile string // directory
	foreign bool   // fio or iscsi-perf too
	all     bool   // also what no claim is about
	manage  bool   // only what changes of a large document cost
	tape    int64  // bytes; only what a tape drive takes and gives
	flat    int64  // bytes; only a long stream over iSCSI
	beside  bool   // only the greedy and the modest neighbour
	nice    int    // of the greedy one's client
	fc      bool   // only FCP over FCoE beside iSCSI over TCP
	vhost   bool   // only vhost-user beside iSCSI over TCP
}

func main() {
	if kind := os.Getenv(childEnv); kind != "" {
		exit(child(kind))
	}
	var o options
	quick := flag.Bool("quick", false, "one short round: less than two minutes")
	flag.IntVar(&o.rounds, "rounds", 5, "how often everything is measured")
	flag.DurationVar(&o.time, "time", 750*time.Millisecond, "how long each workload runs on each target, in each round")
	only := flag.String("only", "", "only workloads that match this `regexp` (backing/name; with -tape and -tape-stream what their lines begin with)")
	peers := flag.String("peers", "", "only lunette and peers that match this `regexp`")
	flag.StringVar(&o.spdk, "spdk", os.Getenv("SPDK"), "SPDK's `program` iscsi_tgt, a peer if it is named")
	flag.StringVar(&o.fio, "fio", os.Getenv("FIO"), "fio with the engine libiscsi, a `program`; what test/install/fio-libiscsi.sh has built without it")
	flag.BoolVar(&o.all, "all", false, "also the workloads that nothing is claimed of")
	flag.StringVar(&o.program, "lunette", os.Getenv("LUNETTE"), "the `program`; bin/lunette without it")
	flag.StringVar(&o.before, "before", "", "another lunette to compare with, a `program` of an earlier version: it is measured wherever lunette is")
	flag.StringVar(&o.dir, "dir", "/var/tmp", "where files are made: a `directory` on a disk, not in memory")
	flag.StringVar(&o.json, "o", "", "also write all samples to this `file`, as JSON")
	flag.BoolVar(&o.cost, "cost", false, "only count what a command costs lunette: system calls, context switches, copies, allocations")
	flag.StringVar(&o.profile, "profile", "", "with -cost: write CPU profiles into this `directory`")
	flag.BoolVar(&o.beside, "neighbour", false, "only measure how long one who reads a block at a time waits beside one with 1024 commands on the same unit")
	flag.BoolVar(&o.manage, "manage", false, "only measure what changes of a document with 1,000 targets cost")
	tape := flag.Int("tape", 0, "only measure tape drives in this process, with so many `GiB` each time")
	flat := flag.Int("tape-stream", 0, "only measure tape drives over iSCSI, with so many `GiB` in a stream")
	flag.IntVar(&o.nice, "nice", 10, "with -neighbour: the `priority` of the greedy one's client, as nice(1) has it")
	flag.BoolVar(&o.fc, "fc", false, "only measure FCP over FCoE on a pair of virtual interfaces beside iSCSI over TCP; with -profile also write CPU profiles of the targets")
	flag.BoolVar(&o.vhost, "vhost", false, "only measure vhost-user beside iSCSI over TCP, on units in memory, in files and on files opened with O_DIRECT")
	flag.BoolVar(&o.foreign, "foreign", true, "measure with libiscsi too: fio with its engine, or iscsi-perf")
	flag.Parse()
	o.tape, o.flat = int64(*tape)<<30, int64(*flat)<<30
	if *quick {
		o.rounds, o.time = 1, 250*time.Millisecond
	}
	var err, err2 error
	o.only, err = regexp.Compile(*only)
	o.peers, err2 = regexp.Compile(*peers)
	if errors.Join(err, err2) != nil || flag.NArg() > 0 {
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
	if o.manage {
		return manage(ctx, w, o)
	}
	if o.tape > 0 {
		return tapes(ctx, w, o)
	}
	if o.flat > 0 {
		return tapeStream(ctx, w, o)
	}
	if o.fc {
		return fibreChannel(ctx, w, o)
	}
	if o.beside {
		return neighbours(ctx, w, o)
	}
	var costs []cost
	if !o.vhost {
		var err error
		if costs, err = measureCosts(ctx, w, o); err != nil || o.cost {
			return err
		}
	}
	r := &result{Machine: machine(), Rounds: o.rounds, Seconds: o.time.Seconds(), Costs: costs}
	if err := compare(ctx, o, r); err != nil {
		return err
	}
	r.Verdicts = r.judge()
	r.print(w)
	if o.json == "" {
		return nil
	}
	return r.save(o.json)
}
