package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/pprof"
	"strings"
	"sync/atomic"
	"text/tabwriter"
	"time"

	"golang.org/x/sys/unix"

	"github.com/lunette-io/lunette/bench"
	"github.com/lunette-io/lunette/buffer"
	"github.com/lunette-io/lunette/network/ethernet/packet"
	"github.com/lunette-io/lunette/network/fc"
	"github.com/lunette-io/lunette/network/fc/fcoe"
	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/target"
	"github.com/lunette-io/lunette/transport/fcp"
)

// Fibre Channel over Ethernet, beside TCP on loopback: in a network namespace, where pairs of virtual interfaces are the wires. Both ends are processes
// of this host, as with TCP.

const (
	fcScheme = "fcp+fcoe://"
	fcEnv    = "LUNETTE_BENCH_NAMESPACE"

	fcNode   fc.Name = 0x1000_0200000ab000
	fcTarget fc.Name = 0x2000_0200000ab001
	fcHost   fc.Name = 0x2000_0200000ac000 // and what the number of the client adds
)

// fcModes are the ways in which a target is reached, by the columns of the table.
var fcModes = []struct {
	name   string
	target fcoe.Mode
	client fcoe.Mode
}{
	{"VN2VN", fcoe.VN2VN, fcoe.VN2VN},
	{"fabric", fcoe.Fabric, fcoe.ENode},
}

// dialFC logs in to p as host n, to all units.
func dialFC(ctx context.Context, p *peer, n int) (*bench.FCP, error) {
	port := fcHost + fc.Name(n)
	l := bench.FCPLogin{Network: p.fc, Node: port - 0x1000_000000000000, Port: port, Target: fcTarget}
	for u := range units {
		l.LUNs = append(l.LUNs, scsi.LUN(uint64(u)<<48))
	}
	return bench.DialFCP(ctx, l)
}

// serveFC serves a target on an interface, and answers questions.
func serveFC(t *target.Target, arena *buffer.Arena, address string) error {
	node, err := fcp.NewNode(fcp.Config{Arena: arena})
	if err != nil {
		return err
	}
	if err := node.SetTarget(fcp.Target{SCSI: t, Node: fcNode, Ports: []fc.Name{fcTarget}}); err != nil {
		return err
	}
	p, err := fcp.Listen(context.Background(), fcoe.New(fcoe.Config{Host: packet.New()}), address, node, 1)
	if err != nil {
		return err
	}
	p.Start()
	return answer(func(c *count) {
		for _, s := range node.Sessions() { // which share what the port has done
			c.Receives, c.Sends, c.Copied = s.Stats.Receives, s.Stats.Sends, s.Stats.Copied
		}
	})
}

// fibreChannel measures in a namespace of its own, which is another process of this program.
func fibreChannel(ctx context.Context, w io.Writer, o options) error {
	if os.Getenv(fcEnv) != "" {
		return fibreChannelHere(ctx, w, o)
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	c := exec.CommandContext(ctx, self, os.Args[1:]...)
	c.Env = append(os.Environ(), fcEnv+"=1")
	c.Stdout, c.Stderr = w, os.Stderr
	c.SysProcAttr = &unix.SysProcAttr{Cloneflags: unix.CLONE_NEWNET, Pdeathsig: unix.SIGKILL}
	if err := c.Run(); err != nil {
		return fmt.Errorf("in a network namespace, which needs root: %w", err)
	}
	return nil
}

func fibreChannelHere(ctx context.Context, w io.Writer, o options) (err error) {
	at, err := newPlace(o)
	if err != nil {
		return err
	}
	defer at.remove()
	lines := []string{"link set lo up"}
	for i := range fcModes {
		lines = append(lines, fmt.Sprintf("link add fct%d type veth peer name fci%d", i, i),
			fmt.Sprintf("link set fct%d mtu 2500 up", i), fmt.Sprintf("link set fci%d mtu 2500 up", i))
	}
	for _, line := range lines {
		if out, err := exec.CommandContext(ctx, "ip", strings.Fields(line)...).CombinedOutput(); err != nil {
			return fmt.Errorf("ip %s: %w: %s", line, err, out)
		}
	}
	tcp, err := startCounted(at, inMemory)
	if err != nil {
		return err
	}
	defer tcp.stop()
	tcp.name = "TCP"
	all := []*counted{tcp}
	for i, m := range fcModes {
		c := &counted{peer: peer{name: m.name, backing: m.name, addr: fmt.Sprintf("%sfct%d?mode=%s", fcScheme, i, m.target)}}
		if err := c.serve(inMemory, at.memory, func() bool { return true }); err != nil {
			return err
		}
		defer c.stop()
		if c.fc, err = fcoe.New(fcoe.Config{Host: packet.New()}).Open(ctx, fmt.Sprintf("fci%d?mode=%s", i, m.client)); err != nil {
			return err
		}
		defer c.fc.Close()
		all = append(all, c)
	}
	var gens atomic.Uint64
	for _, c := range all {
		if err := prefill(ctx, &c.peer, &gens); err != nil {
			return fmt.Errorf("%s: %w", c.name, err)
		}
	}
	fmt.Fprintln(w, machine())
	workloads := of(1, 1, false, read4k1, write4k1, read4k, write4k, read64k, write64k, readBig, writeBig)
	costs := make(map[cell][]cost)
	if o.profile != "" { // of all clients together
		f, err := os.Create(filepath.Join(o.profile, "clients.pprof"))
		if err != nil {
			return err
		}
		if err := pprof.StartCPUProfile(f); err != nil {
			return err
		}
		defer pprof.StopCPUProfile()
	}
	for round := range o.rounds {
		for _, load := range workloads {
			if !o.only.MatchString(load.name) {
				continue
			}
			for i := range all {
				c := all[(i+round)%len(all)]
				x, err := c.count(ctx, load, o, &gens)
				if err != nil {
					return fmt.Errorf("%s, %s: %w", c.name, load.name, err)
				}
				where := cell{workload: load.name, peer: c.name}
				costs[where] = append(costs[where], x)
				time.Sleep(20 * time.Millisecond)
			}
		}
	}
	return printFC(w, o, workloads, all, costs)
}

// printFC prints medians, and medians of the rounds' ratios to TCP.
func printFC(w io.Writer, o options, workloads []workload, all []*counted, costs map[cell][]cost) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintf(w, "%d rounds of %v; medians (spread in %%); ratios to TCP are medians of the rounds' ratios; CPU is the target's\n", o.rounds, o.time)
	fmt.Fprintln(t, "workload\tover\tIOPS\t: TCP\tCPU us\t: TCP\treceives\tsends\tcopied\tallocations\t")
	for _, load := range workloads {
		tcp := costs[cell{workload: load.name, peer: all[0].name}]
		for _, c := range all {
			mine := costs[cell{workload: load.name, peer: c.name}]
			if len(mine) == 0 {
				continue
			}
			figure := func(f func(cost) float64) (string, string) {
				var v, r []float64
				for i, x := range mine {
					v = append(v, f(x))
					r = append(r, f(x)/f(tcp[i]))
				}
				m, spread := middle(v)
				ratio, spreads := middle(r)
				return fmt.Sprintf("%.1f (%.0f)", m, spread*100), fmt.Sprintf("%.2f (%.0f)", ratio, spreads*100)
			}
			iops, iopsTCP := figure(func(x cost) float64 { return x.IOPS })
			cpu, cpuTCP := figure(func(x cost) float64 { return x.CPU })
			x := mine[len(mine)/2]
			fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\t%.3f\t%.3f\t%.0f\t%.4f\t\n", load.name, c.name, iops, iopsTCP, cpu, cpuTCP, x.Receives, x.Sends, x.Copied, x.Allocations)
		}
	}
	return t.Flush()
}
