package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"runtime/debug"

	"github.com/lunette-io/lunette/agent/model"
	"github.com/lunette-io/lunette/daemon"
	"github.com/lunette-io/lunette/daemon/plugin"
)

// serveCmd is the daemon.
type serveCmd struct {
	Files []string `arg:"" optional:"" name:"file" complete:"file" help:"A file or block device to serve, as a disk, or as a disc if it is the image of one (ISO 9660, UDF), as LUN 0, 1, … in the order of all files, --memory and --null. With --size a file that does not exist is made."`

	File   unitArgs `hidden:"" placeholder:"FILE"`
	Memory unitArgs `placeholder:"SIZE" group:"Storage" help:"Serve anonymous memory of this size. Repeatable."`
	Null   unitArgs `placeholder:"SIZE" group:"Storage" help:"Serve a disk of this size that forgets what is written. Repeatable."`

	Passthrough unitArgs `placeholder:"ID" complete:"device" group:"Storage" help:"Serve a SCSI device of this machine, as \"lunette devices\" lists them: a name, a serial number or a device file. Repeatable."`

	Size      string   `placeholder:"SIZE" group:"Storage" help:"Size of files that do not exist yet: 512, 10G, 1.5T (K, M, G … are powers of 1024; kB, MB, GB … of 1000)."`
	BlockSize string   `placeholder:"BYTES" group:"Storage" help:"Logical block size, 512 or 4096."`
	ReadOnly  bool     `group:"Storage" help:"Refuse writes."`
	Serial    string   `placeholder:"TEXT" group:"Storage" help:"Serial number of the disk, where there is one; its NAA name follows from it. Default: one that is kept with the data."`
	Format    string   `enum:"auto,raw" default:"auto" placeholder:"FORMAT" group:"Storage" help:"raw: serve files as they are, also those that look like images of other formats, such as qcow2."`
	Device    string   `enum:"auto,disk,optical" default:"auto" placeholder:"KIND" group:"Storage" help:"What files are: disk; optical, discs in drives; auto, discs if they have a file system of discs."`
	Settings  string   `placeholder:"WHOSE" group:"Storage" help:"For whom it holds what an initiator sets by START STOP UNIT and MODE SELECT: own, for itself, which is the default; shared, for all."`
	Direct    bool     `group:"Storage" help:"Go past the page cache, by direct I/O, with all files. Block devices always do."`
	Target    string   `placeholder:"IQN" group:"Network" help:"Name of the target. Default: iqn.2026-11.io.lunette:NAME, NAME from the first unit."`
	Portal    []string `sep:"none" placeholder:"[TRANSPORT+PROVIDER://]ADDR:PORT" group:"Network" help:"Where to listen. Repeatable. Default: 127.0.0.1:3260, for this machine alone."`

	Chap           []string `sep:"none" placeholder:"USER:FILE" group:"Access" help:"Let in only who proves by CHAP to be USER; FILE has the secret. Repeatable."`
	MutualChap     string   `placeholder:"USER:FILE" group:"Access" help:"Prove by CHAP to initiators that we are USER."`
	ChapAlgorithms []string `placeholder:"HASH,…" group:"Access" help:"Allow only these hashes in CHAP: sha3-256, sha256, sha1, md5. Without it all are allowed."`
	DiscoveryChap  []string `sep:"none" placeholder:"USER:FILE" group:"Access" help:"As --chap, for discovery; without it, the users of --chap learn of the target. Repeatable."`
	OpenDiscovery  bool     `group:"Access" help:"Let everybody who reaches a portal ask which targets there are, although --chap is there."`
	Initiator      []string `sep:"none" placeholder:"NAME[,user=USER]" group:"Access" help:"Let in only the initiator of this name; with a user, only if USER proves to be there. Repeatable."`
	TargetReset    string   `placeholder:"WHO" group:"Access" help:"Who may reset the target, with all sessions: nobody, which is the default, or anybody."`
	SRPInitiator   []string `name:"srp-initiator" sep:"none" placeholder:"PORT" group:"Access" help:"Let in, by SRP, only the initiator at this port, which is 0x and 32 hexadecimal digits, or at this address. Repeatable."`
	FCPInitiator   []string `name:"fcp-initiator" sep:"none" placeholder:"WWPN" group:"Access" help:"Let in, by FCP, only the initiator at the port of this worldwide name, such as 20:00:00:1b:21:01:02:03; * in it is any digits, ? is one. Repeatable."`

	Engine   string `default:"auto" env:"LUNETTE_ENGINE" enum:"auto,goroutines,reactors" placeholder:"ENGINE" group:"Tuning" help:"What waits for connections: goroutines, one for each; reactors, a few threads for all; or auto."`
	BusyPoll string `default:"auto" placeholder:"TIME" group:"Tuning" help:"Look for work this long before sleeping, such as 50us: lower latency for more processor time. 0s: never; auto: where it pays."`

	Config      string `placeholder:"FILE" complete:"file" group:"Daemon" help:"Serve what this document says (YAML or JSON; - is standard input), and nothing else."`
	State       string `placeholder:"DIR" complete:"dir" group:"Daemon" help:"Keep every generation of the document in this directory, and serve the last one: what the flags or --config say is the first, if there is none yet."`
	Strict      bool   `group:"Daemon" help:"Do not start if a unit cannot be opened. Without it the others are served, and it is NOT READY until it can be."`
	Socket      string `default:"${socket}" placeholder:"PATH" group:"Daemon" help:"Socket of the API. Default: ${where}."`
	SocketGroup string `placeholder:"GROUP" group:"Access" help:"Let the users of this group ask as well what the daemon does. Nothing can be changed by it."`

	LogFormat string `enum:"text,json" default:"text" placeholder:"FORMAT" group:"Logging" help:"text or json. The log goes to standard error."`
	LogLevel  string `enum:"debug,info,warn,error" default:"info" placeholder:"LEVEL" group:"Logging" help:"debug, info, warn or error."`
}

// garbage is how much of it there may be beside what is used, in percent: commands make none, and changes of
// a large document need not keep what they took.
const garbage = 50

// Run serves until the context of e is done.
func (c *serveCmd) Run(e *env) error {
	said, logged := newSpool(e.stdout, nil), newSpool(e.stderr, c.lost)
	defer said.close()
	defer logged.close()
	log := c.logger(logged)
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(garbage)
	}
	reload := make(chan func(context.Context, string) error, 1)
	defer endure(log, reload)()
	opts := daemon.Options{
		Log: log, Socket: c.Socket, SocketGroup: c.SocketGroup, Version: version(), Program: os.Args[0],
		Flags: c.network(), Author: daemon.Author(), File: c.file(),
	}
	schema := e.registry.Schema()
	schema.Flags = opts.Flags
	kept, err := c.kept(log)
	if err != nil {
		return usageError{err}
	}
	if kept != nil {
		defer func() { _ = kept.Close() }() // nothing is written any more
		opts.Generations, opts.Directory = kept, kept.Path()
		opts.UnitRecord = func(unit string) func(func(string) error) error { return kept.Unit(unit).Do }
	}
	// What was just typed is wrong rather than away for now.
	opts.Strict = c.Strict || kept == nil && c.Config == ""
	doc, err := within(e.ctx, func() (*model.Document, error) { return c.first(kept, schema, e.registry.Stores, log) })
	if err != nil {
		return c.unstarted(e, log, err)
	}
	for _, n := range doc.Notes {
		log.Warn(n.Error())
	}
	sweep(kept, doc, log) // before anybody can add a unit
	d, err := daemon.Start(e.ctx, doc, e.registry, opts)
	if err != nil {
		return c.unstarted(e, log, err)
	}
	if c.LogFormat == "text" {
		_ = d.Announce(terminal{said}) // which nobody may read: the daemon serves
	}
	d.LogStart()
	reload <- d.Reload
	<-e.ctx.Done()
	log.Info("stopping", "why", context.Cause(e.ctx))
	if err = d.Stop(context.Background()); err != nil {
		return fmt.Errorf("stopped, but not in good order: %w", err)
	}
	log.Info("stopped: everything written is durable")
	return nil
}

// within returns what f does, or the end of ctx before it: then f is left behind, as one that reads a
// pipe to which nobody writes.
func within[T any](ctx context.Context, f func() (T, error)) (T, error) {
	type result struct {
		v   T
		err error
	}
	done := make(chan result, 1)
	go func() {
		v, err := f()
		done <- result{v, err}
	}()
	select {
	case r := <-done:
		return r.v, r.err
	case <-ctx.Done():
		var none T
		return none, context.Cause(ctx)
	}
}

// unstarted is the error of a start that has failed with err; nil if it was told to end before it had served
// anything, which is in good order.
func (c *serveCmd) unstarted(e *env, log *slog.Logger, err error) error {
	if e.ctx.Err() != nil {
		log.Info("stopped before anything was served", "why", context.Cause(e.ctx))
		return nil
	}
	return usageError{err}
}

// lost is the line of the log that says that n of them were dropped.
func (c *serveCmd) lost(n int) []byte {
	var b bytes.Buffer
	c.logger(&b).Error("nobody reads the log fast enough: lines were dropped", "lines", n)
	return b.Bytes()
}

func (c *serveCmd) logger(w io.Writer) *slog.Logger {
	var level slog.Level
	_ = level.UnmarshalText([]byte(c.LogLevel)) // one of those that the flag takes
	opts := &slog.HandlerOptions{Level: level}
	if c.LogFormat == "json" {
		return slog.New(slog.NewJSONHandler(w, opts))
	}
	return slog.New(slog.NewTextHandler(w, opts))
}

// document is the document that the flags mean.
func (c *serveCmd) document(schema model.Schema, stores []plugin.Store) (*model.Document, error) {
	if c.Config == "" {
		return c.fromFlags(schema, stores)
	}
	units := len(c.File) + len(c.Memory) + len(c.Null) + len(c.Passthrough)
	others := len(c.Portal) + len(c.Chap) + len(c.ChapAlgorithms) + len(c.DiscoveryChap) + len(c.Initiator) + len(c.SRPInitiator) + len(c.FCPInitiator)
	if units+others > 0 || c.ReadOnly || c.Direct || c.OpenDiscovery || c.Format == "raw" || c.Device != model.Auto && c.Device != "" || c.Size+c.BlockSize+c.Serial+c.Target+c.MutualChap+c.TargetReset+c.Settings != "" {
		return nil, errors.New("--config is there together with units or flags about them: write them into the document, or leave --config out")
	}
	return readDocument(c.Config, schema)
}
