package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"runtime/pprof"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/lunette-io/lunette/buffer"
	"github.com/lunette-io/lunette/device/disk"
	"github.com/lunette-io/lunette/network/tcp"
	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/store"
	"github.com/lunette-io/lunette/store/file"
	"github.com/lunette-io/lunette/store/memory"
	"github.com/lunette-io/lunette/target"
	"github.com/lunette-io/lunette/transport/iscsi"
	iscsitcp "github.com/lunette-io/lunette/transport/iscsi/tcp"
)

// The program starts itself for what must be a process of its own; these variables of the
// environment say as what, and where it listens.
const (
	childEnv  = "LUNETTE_BENCH_CHILD"
	childAddr = "LUNETTE_BENCH_ADDR"
	childDir  = "LUNETTE_BENCH_DIR"

	childEcho = "echo" // the limit
	// else a backing: lunette's target with counters and profiles
)

func child(kind string) error {
	addr := os.Getenv(childAddr)
	if kind == childEcho {
		return serveEcho(addr)
	}
	return serveTarget(kind, addr, os.Getenv(childDir))
}

// serveEcho serves until it is killed.
func serveEcho(addr string) error {
	var all [][]byte
	for range units {
		m, err := unix.Mmap(-1, 0, unitSize, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS)
		if err != nil {
			return err
		}
		all = append(all, m)
	}
	l, err := tcp.Listen(context.Background(), addr, tcp.Options{})
	if err != nil {
		return err
	}
	for {
		c, err := l.Accept()
		if err != nil {
			return err
		}
		go func() { _ = echo(c, all) }() // ends with the connection
	}
}

// A count is what the target of this process has done so far.
type count struct {
	Mallocs, Bytes                    uint64 // of the Go heap
	Receives, Sends, Copied, NotReady int64
	Voluntary, Involuntary            int64   // context switches
	Seconds                           float64 // processor time
}

// serveTarget serves lunette's target, wired as the daemon wires it, and answers questions
// on standard input: "count", or "profile FILE" which profiles until the next question.
func serveTarget(backing, addr, dir string) error {
	arena := buffer.NewArena(1 << 30)
	var maps []target.Mapping
	for u := range units {
		var s store.Store
		var err error
		if backing == inMemory {
			s, err = memory.Open(memory.Config{Size: unitSize, Pages: memory.HugePages})
		} else {
			s, err = file.Open(file.Config{Path: filepath.Join(dir, fmt.Sprintf("unit%d.img", u)), Size: unitSize})
		}
		if err != nil {
			return err
		}
		name := fmt.Sprintf("unit%d", u)
		d, err := disk.New(disk.Config{Store: s, Arena: arena, Identity: scsi.Identity{
			Vendor: "LUNETTE", Product: "BENCH", Revision: "1", Serial: name, NAA: scsi.NAA6(name),
		}})
		if err != nil {
			return err
		}
		maps = append(maps, target.Mapping{LUN: scsi.LUN(uint64(u) << 48), Unit: target.NewUnit(name, d)})
	}
	t, err := target.NewTarget(targetName, maps...)
	if err != nil {
		return err
	}
	if address, ok := strings.CutPrefix(addr, fcScheme); ok {
		return serveFC(t, arena, address)
	}
	node, err := iscsi.NewNode(iscsi.Config{Arena: arena, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		return err
	}
	if err := node.AddTarget(iscsi.Target{SCSI: t}); err != nil {
		return err
	}
	var engine tcp.Engine = tcp.NewGoroutines(tcp.AutoSpin())
	if os.Getenv("LUNETTE_ENGINE") == "reactors" {
		engine, err = tcp.NewReactors(tcp.ReactorOptions{Spin: tcp.AutoSpin()})
		if err != nil {
			return err
		}
	}
	p, err := iscsitcp.Listen(context.Background(), addr, node, engine, tcp.Options{})
	if err != nil {
		return err
	}
	p.Start()
	return answer(func(c *count) {
		for _, s := range node.Sessions() {
			for _, x := range s.Connections {
				c.Receives += x.Stats.Receives
				c.NotReady += x.Stats.ReceiveAgain
				c.Sends += x.Stats.Sends
				c.Copied += x.Stats.Copied
			}
		}
	})
}

// answer answers the questions; network counts what the network has done.
func answer(network func(*count)) error {
	out := json.NewEncoder(os.Stdout)
	profiling := false
	for in := bufio.NewScanner(os.Stdin); in.Scan(); {
		if profiling {
			pprof.StopCPUProfile()
			profiling = false
		}
		path, ok := strings.CutPrefix(in.Text(), "profile ")
		if ok {
			f, err := os.Create(path)
			if err != nil {
				return err
			}
			if err := pprof.StartCPUProfile(f); err != nil {
				return err
			}
			profiling = true
		}
		if err := out.Encode(counts(network)); err != nil {
			return err
		}
	}
	return nil // the parent has gone
}

func counts(network func(*count)) count {
	var c count
	network(&c)
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	c.Mallocs, c.Bytes = m.Mallocs, m.TotalAlloc
	var u unix.Rusage
	if unix.Getrusage(unix.RUSAGE_SELF, &u) == nil {
		c.Seconds = time.Duration(u.Utime.Nano() + u.Stime.Nano()).Seconds()
		c.Voluntary, c.Involuntary = u.Nvcsw, u.Nivcsw
	}
	return c
}
