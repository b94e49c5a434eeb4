package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/lunette-io/lunette/agent/api"
	"github.com/lunette-io/lunette/agent/client"
)

// profileCmd takes a profile of the daemon.
type profileCmd struct {
	Kind string `arg:"" optional:"" enum:"cpu,heap,goroutine,mutex,block,trace" default:"cpu" help:"cpu, heap, goroutine, mutex, block or trace. Default: cpu."`

	Time   time.Duration `default:"10s" placeholder:"DURATION" help:"How long cpu, mutex, block and trace watch. Default: ${default}."`
	Output string        `short:"o" placeholder:"FILE" complete:"file" help:"Where to write it; - is standard output. Default: lunette-KIND.pprof."`
	Socket string        `default:"${socket}" placeholder:"PATH" help:"Socket of the daemon. Default: ${where}."`
}

// Run asks for it. A file appears when it is whole.
func (c *profileCmd) Run(e *env) error {
	if c.Time <= 0 || c.Time > api.MaxProfile {
		return usageError{fmt.Errorf("--time: %v is not a time up to %v", c.Time, api.MaxProfile)}
	}
	daemon := client.New(c.Socket)
	if c.Output == "-" {
		return daemon.Profile(e.ctx, c.Kind, c.Time, e.stdout)
	}
	path := c.Output
	if path == "" {
		path = "lunette-" + c.Kind + ".pprof"
	}
	if err := whole(path, func(w io.Writer) error { return daemon.Profile(e.ctx, c.Kind, c.Time, w) }); err != nil {
		return err
	}
	tool := "pprof"
	if c.Kind == "trace" {
		tool = "trace"
	}
	fmt.Fprintf(e.stdout, "%s: go tool %s %s\n", path, tool, path)
	return nil
}

// whole makes the file at path, or leaves what is there.
func whole(path string, write func(io.Writer) error) (err error) {
	f, err := os.CreateTemp(filepath.Dir(path), ".lunette-")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(f.Name()))
		}
	}()
	if err := errors.Join(write(f), f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}
