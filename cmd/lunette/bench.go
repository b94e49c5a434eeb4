package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"slices"
	"syscall"
	"text/tabwriter"
	"time"

	"github.com/lunette-io/lunette/agent/model"
	"github.com/lunette-io/lunette/bench"
)

// benchCmd is the load generator.
type benchCmd struct {
	URL string `arg:"" name:"url" help:"The logical unit: iscsi://[USER@]HOST[:PORT]/IQN/LUN, IPv6 addresses in brackets; or vhost://PATH?target=N&lun=N, behind a socket for virtual machines that none is attached to."`

	Connections int            `default:"1" placeholder:"N" help:"Connections, each a session of its own (of vhost: a request queue), on its own part of the range. Default: ${default}."`
	Depth       int            `default:"32" placeholder:"N" help:"Commands that each connection keeps outstanding. Default: ${default}."`
	BlockSize   string         `default:"4K" placeholder:"SIZE" help:"Size of a command. Default: ${default}."`
	Read        int            `default:"100" placeholder:"PERCENT" help:"How many of the commands read; the others write. Default: ${default}."`
	Pattern     string         `enum:"random,sequential" default:"random" placeholder:"PATTERN" help:"random or sequential."`
	Range       string         `placeholder:"SIZE" help:"Only the first SIZE bytes. Default: the whole unit."`
	Time        *time.Duration `placeholder:"DURATION" help:"How long. Default: 10s, or until --count is reached."`
	Count       int64          `placeholder:"N" help:"How many commands in all."`
	Rate        float64        `placeholder:"N" help:"At most this many commands a second in all."`
	Digests     string         `enum:"none,header,data,both" default:"none" placeholder:"WHICH" help:"CRC32C: none, header, data or both."`
	Verify      bool           `help:"Write the range first, check every byte that is read, and read all of it again at the end. Needs --destroy-data."`
	DestroyData bool           `help:"Allow writing, which destroys what is on the unit."`

	Secret    string `placeholder:"FILE" help:"File with the secret that proves USER by CHAP."`
	Initiator string `default:"iqn.2026-11.io.lunette:bench" placeholder:"IQN" help:"Name to log in with. Default: ${default}."`

	Socket   string `placeholder:"PATH" help:"Socket of the lunette daemon that serves the unit on this machine: says what a command costs it."`
	Progress string `enum:"auto,always,never" default:"auto" placeholder:"WHEN" help:"A line each second on standard error: auto (on a terminal), always or never."`
	output
}

// A benchReport is what is printed.
type benchReport struct {
	Unit        string `json:"unit"`
	Size        int64  `json:"size"` // bytes
	LogicalSize int    `json:"logicalBlockSize"`
	Load        struct {
		Connections int     `json:"connections"`
		Depth       int     `json:"depth"`
		BlockSize   int     `json:"blockSize"`
		Read        int     `json:"read"` // percent
		Pattern     string  `json:"pattern"`
		Digests     string  `json:"digests"`
		Rate        float64 `json:"rate,omitempty"`
		Verified    bool    `json:"verified"` // every byte, and none was wrong
	} `json:"load"`
	bench.Result
	Server *serverCost `json:"server,omitempty"`
	Error  string      `json:"error,omitempty"`
}

// Run measures and prints. What was measured is printed even if it has not gone well.
func (c *benchCmd) Run(e *env) (err error) {
	cfg, err := c.config()
	if err == nil {
		err = cfg.Check()
	}
	if err != nil {
		return usageError{err}
	}
	show := newProgress(e.stderr, c.Progress)
	cfg.Plan.Progress = show.callback()
	var server *server
	if c.Socket != "" {
		server = newServer(e.ctx, c.Socket)
		cfg.Plan.Begin, cfg.Plan.End = server.begin, server.end
	}
	run, err := bench.Open(e.ctx, cfg)
	if err != nil {
		err = fmt.Errorf("%v: %w", cfg.URL, unconnected(cfg.URL.Address(), err))
		if errors.As(err, new(*bench.Misfit)) {
			return usageError{err}
		}
		return err
	}
	if server != nil {
		server.ours = run.LocalAddresses()
	}
	result, err := run.Go(e.ctx)
	err = errors.Join(err, run.Close())
	show.end()
	if result == nil {
		return fmt.Errorf("%v: %w", cfg.URL, err)
	}
	if failed := result.Err(); failed != nil {
		err = errors.Join(err, failed)
	}
	r := benchReport{Unit: cfg.URL.String(), Size: run.Unit().Size, LogicalSize: run.Unit().Block, Result: *result}
	r.Load.Connections, r.Load.Depth, r.Load.BlockSize, r.Load.Read = c.Connections, c.Depth, cfg.Size, c.Read
	r.Load.Pattern, r.Load.Digests, r.Load.Rate, r.Load.Verified = c.Pattern, c.Digests, c.Rate, c.Verify && err == nil
	if server != nil && err == nil {
		r.Server = server.cost(result.Commands())
	}
	if err != nil {
		err = fmt.Errorf("%v: %w", cfg.URL, err)
		r.Error = err.Error()
	}
	if shown, failed := c.show(e, r); shown || failed != nil {
		return errors.Join(err, failed)
	}
	return errors.Join(err, r.print(e.stdout))
}

// unconnected says in plain words that a target cannot be reached at an address, if that is what err says.
func unconnected(at string, err error) error {
	var dial *net.OpError
	var dns *net.DNSError
	switch {
	case errors.As(err, &dns):
		return fmt.Errorf("the name %s cannot be resolved", dns.Name)
	case !errors.As(err, &dial) || dial.Op != "dial":
		return err
	case errors.Is(err, syscall.ENOENT) && dial.Net == "unix":
		return fmt.Errorf("there is no socket %s: the path is that of a portal virtio+vhost://PATH", at)
	case errors.Is(err, syscall.ECONNREFUSED):
		return fmt.Errorf("no target listens at %s: connection refused", at)
	case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH):
		return fmt.Errorf("there is no way to %s: %w", at, dial.Err)
	case dial.Timeout():
		return fmt.Errorf("%s does not answer", at)
	}
	return err
}

// config is what the flags mean.
func (c *benchCmd) config() (cfg bench.Config, err error) {
	if cfg.URL, err = bench.ParseURL(c.URL); err != nil {
		return cfg, err
	}
	size, err := model.ParseSize(c.BlockSize)
	if err != nil || size > bench.MaxSize {
		return cfg, fmt.Errorf("--block-size: %w", cmp.Or(err, fmt.Errorf("%v is more than %v", size, model.Size(bench.MaxSize))))
	}
	cfg.Workload = bench.Workload{Size: int(size), Reads: c.Read, Sequential: c.Pattern == "sequential", Depth: c.Depth}
	if c.Range != "" {
		n, err := model.ParseSize(c.Range)
		if err != nil || n == 0 {
			return cfg, fmt.Errorf("--range: %w", cmp.Or(err, errors.New("it is empty")))
		}
		cfg.Range = int64(n)
	}
	if (c.Read < 100 || c.Verify) && !c.DestroyData {
		why := "--read below 100 writes"
		if c.Verify {
			why = "--verify writes the whole range first"
		}
		return cfg, fmt.Errorf("%s, which destroys what is on the unit: add --destroy-data if nothing on it is needed", why)
	}
	switch {
	case c.Time != nil && *c.Time <= 0:
		return cfg, fmt.Errorf("--time: %v is no time to measure: write one such as 10s, or leave it out with --count", *c.Time)
	case c.Time != nil:
		cfg.Plan.Time = *c.Time
	case c.Count == 0:
		cfg.Plan.Time = 10 * time.Second
	}
	cfg.Initiator, cfg.SecretFile, cfg.Connections = c.Initiator, c.Secret, c.Connections
	cfg.Count, cfg.Rate, cfg.Verify = c.Count, c.Rate, c.Verify
	cfg.HeaderDigest = c.Digests == "header" || c.Digests == "both"
	cfg.DataDigest = c.Digests == "data" || c.Digests == "both"
	return cfg, nil
}

func (r *benchReport) print(w io.Writer) error {
	verified := ""
	if r.Load.Verified {
		verified = ", every byte verified"
	}
	fmt.Fprintf(w, "%s: %v, blocks of %d bytes\n", r.Unit, model.Size(r.Size), r.LogicalSize)
	digests := ", digests " + r.Load.Digests
	if r.Wakes != nil { // nothing is sent that they could be of
		digests = ""
	}
	fmt.Fprintf(w, "%v %s, %d%% reads, %d connections with %d commands each%s: %d commands in %.1f s%s\n\n",
		model.Size(r.Load.BlockSize), r.Load.Pattern, r.Load.Read, r.Load.Connections, r.Load.Depth, digests, r.Commands(), r.Seconds, verified)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "\tIOPS\tMB/s\tp50 us\tp90 us\tp99 us\tp99.9 us\tmax us\t")
	for _, x := range []struct {
		name string
		d    bench.Direction
	}{{"read", r.Read}, {"write", r.Write}} {
		if l := x.d.Latency; x.d.Commands > 0 {
			fmt.Fprintf(t, "%s\t%.0f\t%.1f\t%.1f\t%.1f\t%.1f\t%.1f\t%.1f\t\n", x.name, x.d.IOPS, x.d.MBps, l.P50, l.P90, l.P99, l.P999, l.Max)
		}
	}
	if err := t.Flush(); err != nil {
		return err
	}
	fmt.Fprintf(w, "\nCPU per command: client %.2f us", r.ClientCPU)
	if s := r.Server; s != nil {
		if s.CPU != nil {
			fmt.Fprintf(w, ", server %.2f us", *s.CPU)
		}
		if r.Wakes == nil {
			fmt.Fprintf(w, "\nserver per command: %.3f receives, %.3f sends, %.0f bytes copied", s.Receives, s.Sends, s.Copied)
		} else {
			fmt.Fprintf(w, "\nserver per command: %.3f wakes, %.3f calls, %.0f bytes copied, %.0f bytes read or written in place", s.Receives, s.Sends, s.Copied, s.Lent)
		}
		if s.Switches != nil {
			fmt.Fprintf(w, ", %.3f voluntary and %.3f involuntary context switches", s.Switches.Voluntary, s.Switches.Involuntary)
		}
	}
	if x := r.Wakes; x != nil {
		fmt.Fprintf(w, "\nwakes per command: %.3f kicks of the device, %.3f calls of the client, which slept %.3f times", x.Kicks, x.Calls, x.Waits)
	}
	fmt.Fprintln(w)
	for _, kind := range slices.Sorted(maps.Keys(r.Errors)) {
		fmt.Fprintf(w, "%d commands failed: %s\n", r.Errors[kind], kind)
	}
	return nil
}
