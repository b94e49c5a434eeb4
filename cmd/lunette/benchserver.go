package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"

	"golang.org/x/sys/unix"

	"github.com/lunette-io/lunette/agent/api"
	"github.com/lunette-io/lunette/agent/client"
	"github.com/lunette-io/lunette/bench"
)

// A serverCost is what a command has cost the daemon, on average.
type serverCost struct {
	PID int `json:"pid,omitempty"` // 0: it is not to be seen from here
	// CPU is processor time of the whole daemon, in microseconds; nil without a PID.
	CPU      *float64 `json:"cpu,omitempty"`
	Receives float64  `json:"receives"` // system calls
	Sends    float64  `json:"sends"`
	Copied   float64  `json:"copied"`         // bytes of payload copied in user space
	Lent     float64  `json:"lent,omitempty"` // bytes that stores have read or written in place, in memory of ours
	// Switches are those of the whole daemon; nil without a PID.
	Switches *contextSwitches `json:"contextSwitches,omitempty"`
}

// contextSwitches are how often threads have left their processor.
type contextSwitches struct {
	Voluntary   float64 `json:"voluntary"`
	Involuntary float64 `json:"involuntary"`
}

// A server is the daemon behind a socket, with our connections.
type server struct {
	ctx           context.Context
	path          string
	ours          []string // our addresses, or the socket that is ours alone
	pid           int
	before, after serverCount
}

// A serverCount is what the daemon has done for our connections.
type serverCount struct {
	api.Connection         // sums
	cpu            float64 // seconds
	switches       bench.Switches
}

// use adds what the process has used.
func (n *serverCount) use(pid int) (err error) {
	if n.cpu, err = bench.ProcessorTime(pid); err == nil {
		n.switches, err = bench.ContextSwitches(pid)
	}
	return err
}

func newServer(ctx context.Context, path string) *server { return &server{ctx: ctx, path: path} }

func (s *server) begin() (err error) {
	s.before, err = s.count()
	if err == nil {
		if s.pid, err = peerPID(s.ctx, s.path); err == nil && s.pid != 0 {
			err = s.before.use(s.pid)
		}
	}
	return err
}

func (s *server) end() (err error) {
	var used serverCount
	if s.pid != 0 {
		err = used.use(s.pid) // before asking costs anything
	}
	if err == nil {
		s.after, err = s.count()
	}
	s.after.cpu, s.after.switches = used.cpu, used.switches
	return err
}

// count asks for the counters.
func (s *server) count() (n serverCount, err error) {
	ctx := context.WithoutCancel(s.ctx) // of a run that was interrupted, too
	all, err := client.New(s.path).Sessions(ctx)
	if err != nil {
		return n, err
	}
	found := make(map[string]bool) // all sessions behind a socket have the same connection
	for _, x := range all {
		for _, c := range x.Connections {
			at := c.Remote
			if c.Network == "vhost" {
				at = c.Local
			}
			if !slices.Contains(s.ours, at) || found[at] {
				continue
			}
			found[at] = true
			n.Receives += c.Receives
			n.Sends += c.Sends
			n.Copied += c.Copied
			n.Lent += c.Lent
		}
	}
	if len(found) != len(s.ours) {
		return n, fmt.Errorf("the daemon at %s has %d of our %d connections: it is not the one that serves this unit", s.path, len(found), len(s.ours))
	}
	return n, nil
}

func (s *server) cost(commands int64) *serverCost {
	per := func(x float64) float64 { return x / float64(max(commands, 1)) }
	c := &serverCost{
		PID: s.pid, Receives: per(float64(s.after.Receives - s.before.Receives)),
		Sends: per(float64(s.after.Sends - s.before.Sends)), Copied: per(float64(s.after.Copied - s.before.Copied)),
		Lent: per(float64(s.after.Lent - s.before.Lent)),
	}
	if s.pid != 0 {
		cpu := per(s.after.cpu-s.before.cpu) * 1e6
		c.CPU = &cpu
		c.Switches = &contextSwitches{
			Voluntary:   per(float64(s.after.switches.Voluntary - s.before.switches.Voluntary)),
			Involuntary: per(float64(s.after.switches.Involuntary - s.before.switches.Involuntary)),
		}
	}
	return c
}

// peerPID is the process that listens at a socket, as we see it: 0 if we do not.
func peerPID(ctx context.Context, path string) (int, error) {
	var d net.Dialer
	c, err := d.DialContext(ctx, "unix", path)
	if err != nil {
		return 0, err
	}
	defer c.Close()
	raw, err := c.(*net.UnixConn).SyscallConn()
	if err != nil {
		return 0, err
	}
	var who *unix.Ucred
	var failed error
	err = raw.Control(func(fd uintptr) { who, failed = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED) })
	if err = errors.Join(err, failed); err != nil {
		return 0, err
	}
	return int(who.Pid), nil
}
