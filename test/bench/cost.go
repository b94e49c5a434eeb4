package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"text/tabwriter"
	"time"

	"golang.org/x/sys/unix"
)

// A cost is what one command costs lunette, on average.
type cost struct {
	Backing, Workload       string
	Commands                int64
	IOPS, CPU               float64 // CPU: microseconds
	Receives, NotReady      float64 // system calls; NotReady found nothing
	Sends, Copied           float64 // Copied: bytes in user space
	Allocations, AllocBytes float64 // of the Go heap
	// All are all system calls, those of engines and of the runtime too, as the kernel
	// counts them; nil: it may not be asked.
	All                    *float64
	Voluntary, Involuntary float64 // context switches
}

// Calls is how many system calls a command takes: all, or if they are not known those that
// the connections count.
func (c *cost) Calls() float64 {
	if c.All != nil {
		return *c.All
	}
	return c.Receives + c.Sends
}

// A counted peer is a target that answers questions.
type counted struct {
	peer
	in     io.WriteCloser
	out    *bufio.Scanner
	silent bool // it was said that the kernel does not count
}

func (c *counted) ask(question string) (n count, err error) {
	if _, err := fmt.Fprintln(c.in, question); err != nil {
		return n, err
	}
	if !c.out.Scan() {
		return n, errors.Join(errors.New("the target has ended"), c.out.Err())
	}
	return n, json.Unmarshal(c.out.Bytes(), &n)
}

func startCounted(at *place, backing string) (*counted, error) {
	c := &counted{peer: peer{name: "counted", backing: backing}}
	dir, err := at.of(c.name, backing)
	if err != nil {
		return nil, err
	}
	if c.addr, err = freeAddr(); err != nil {
		return nil, err
	}
	return c, c.serve(backing, dir, c.listening)
}

// serve starts the target in a process of its own, and waits until it is ready.
func (c *counted) serve(backing, dir string, ready func() bool) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	c.cmd = exec.Command(self)
	c.cmd.Env = append(os.Environ(), childEnv+"="+backing, childAddr+"="+c.addr, childDir+"="+dir)
	c.cmd.Stderr = os.Stderr
	c.cmd.SysProcAttr = &unix.SysProcAttr{Pdeathsig: unix.SIGKILL}
	out, err := c.cmd.StdoutPipe()
	if err != nil {
		return err
	}
	c.out = bufio.NewScanner(out)
	if c.in, err = c.cmd.StdinPipe(); err != nil {
		return err
	}
	if err := c.cmd.Start(); err != nil {
		return err
	}
	return c.await(ready, os.DevNull)
}

// measureCosts counts what commands cost, and prints it.
func measureCosts(ctx context.Context, w io.Writer, o options) (all []cost, err error) {
	at, err := newPlace(o)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, at.remove()) }()
	var gens atomic.Uint64
	groups := only(o, plan(withFio, o.all))
	for _, backing := range []string{inMemory, inFile} {
		workloads := counting(groups, backing)
		if len(workloads) == 0 {
			continue
		}
		c, err := startCounted(at, backing)
		if err != nil {
			return nil, err
		}
		defer c.stop()
		if err := prefill(ctx, &c.peer, &gens); err != nil {
			return nil, err
		}
		for _, w := range workloads {
			x, err := c.count(ctx, w, o, &gens)
			if err != nil {
				return nil, fmt.Errorf("%s, %s: %w", backing, w.name, err)
			}
			all = append(all, x)
		}
	}
	return all, printCosts(w, all)
}

// counting are the workloads of a backing of which costs are counted.
func counting(groups []group, backing string) (all []workload) {
	for _, g := range groups {
		if g.backing == backing && g.client == ours && slices.Contains(g.peers, lunette) {
			all = append(all, g.workloads...)
		}
	}
	return all
}

// count counts one workload. Asking costs something itself, which a second question right
// behind the first one tells.
func (c *counted) count(ctx context.Context, w workload, o options, gens *atomic.Uint64) (cost, error) {
	question := "count"
	if o.profile != "" {
		if err := os.MkdirAll(o.profile, 0o755); err != nil {
			return cost{}, err
		}
		name := strings.NewReplacer(" ", "-", "/", "-", ",", "").Replace(c.backing + "-" + w.name + ".pprof")
		path, err := filepath.Abs(filepath.Join(o.profile, name))
		if err != nil {
			return cost{}, err
		}
		question = "profile " + path
	}
	kernel, err := countSyscalls(c.cmd.Process.Pid)
	if err != nil && !c.silent {
		c.silent = true
		fmt.Fprintf(os.Stderr, "WITHOUT a count of all system calls: %v\n", err)
	}
	var calls [2]int64
	if kernel != nil {
		defer kernel.close()
	}
	all := func(to *int64) (err error) {
		if kernel != nil {
			*to, err = kernel.count()
		}
		return err
	}
	var before, after count
	var self count // of a question
	begin := func() (err error) {
		a, err := c.ask("count")
		if err != nil {
			return err
		}
		b, err := c.ask("count")
		self.Mallocs, self.Bytes = b.Mallocs-a.Mallocs, b.Bytes-a.Bytes
		if err == nil {
			before, err = c.ask(question)
		}
		return errors.Join(err, all(&calls[0]))
	}
	end := func() error {
		err := all(&calls[1])
		if err == nil {
			after, err = c.ask("count")
		}
		return err
	}
	d := max(o.time, time.Second/2)
	r, err := load(ctx, &c.peer, w, d, gens, begin, end)
	if err != nil {
		return cost{}, err
	}
	n := r.Commands()
	per := func(x int64) float64 { return float64(x) / float64(max(n, 1)) }
	x := cost{
		Backing: c.backing, Workload: w.name, Commands: n, IOPS: float64(n) / r.Seconds,
		CPU:      (after.Seconds - before.Seconds) / float64(max(n, 1)) * 1e6,
		Receives: per(after.Receives - before.Receives), NotReady: per(after.NotReady - before.NotReady),
		Sends: per(after.Sends - before.Sends), Copied: per(after.Copied - before.Copied),
		Allocations: per(max(0, int64(after.Mallocs-before.Mallocs-self.Mallocs))),
		AllocBytes:  per(max(0, int64(after.Bytes-before.Bytes-self.Bytes))),
		Voluntary:   per(after.Voluntary - before.Voluntary), Involuntary: per(after.Involuntary - before.Involuntary),
	}
	if kernel != nil {
		n := per(calls[1] - calls[0])
		x.All = &n
	}
	return x, nil
}

func printCosts(w io.Writer, all []cost) error {
	if len(all) == 0 {
		return nil
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "\nWhat one command costs lunette")
	fmt.Fprintln(t, "\tCPU us\treceives\t(nothing there)\tsends\tall system calls\tswitches voluntary\tinvoluntary\tbytes copied\theap allocations\tbytes allocated\t")
	for _, c := range all {
		calls := "-"
		if c.All != nil {
			calls = fmt.Sprintf("%.3f", *c.All)
		}
		fmt.Fprintf(t, "%s, %s\t%.2f\t%.3f\t%.3f\t%.3f\t%s\t%.3f\t%.3f\t%.0f\t%.4f\t%.1f\t\n", c.Backing, c.Workload,
			c.CPU, c.Receives, c.NotReady, c.Sends, calls, c.Voluntary, c.Involuntary, c.Copied, c.Allocations, c.AllocBytes)
	}
	return t.Flush()
}
