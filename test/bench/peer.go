package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/lunette-io/lunette/bench"
	"github.com/lunette-io/lunette/network/fc"
	"github.com/lunette-io/lunette/network/rdma/roce"
)

// The peers, as the tables name them.
const (
	lunette  = "lunette"
	busy     = "busy-poll" // lunette with it
	reactors = "reactors"  // lunette with that engine
	iserName = "iSER"      // lunette by iSER over iWARP
	roceName = "RoCE"      // lunette by iSER over RoCE
	before   = "before"    // another lunette, by both
	iserOld  = "iSER before"
	vhost    = "vhost" // lunette by vhost-user
	vhostOld = "vhost before"
	spdkVM   = "SPDK vhost"
	favoured = "nice -10" // lunette with that priority
	other    = "another"  // another lunette beside it
	tgt      = "tgt"
	tgtTuned = "tgt tuned"
	istgt    = "istgt"
	spdk     = "SPDK"
	raw      = "raw"
	ring     = "io_uring"
)

// peerNames is the order of the tables.
func peerNames() []string {
	return []string{lunette, before, busy, reactors, iserName, iserOld, roceName, vhost, vhostOld, spdkVM, tgt, tgtTuned, istgt, spdk, raw, ring}
}

// A peer is one target with units filled, ready to be measured.
type peer struct {
	name    string // column of the tables
	backing string
	what    string    // is said of it once
	cmd     *exec.Cmd // nil: what is measured is no server
	addr    string
	first   int                  // LUN of unit 0
	raw     bool                 // speaks the protocol of raw.go
	digest  string               // target that insists on digests; none: the usual one agrees to them
	iser    bool                 // is reached by iSER over iWARP
	roce    *roce.Device         // with which it is reached by iSER over RoCE; nil: it is not
	fc      fc.Network           // on which it is reached by FCP; nil: it is not
	rings   *bench.VHostLogin    // by which it is reached by vhost-user; nil: it is not
	spins   bool                 // burns a processor when idle: it is stopped while others are measured
	file    string               // what is measured without a server
	leaves  func(pid int) string // a file that it leaves behind when it is killed
}

func (p *peer) dial(ctx context.Context, n int, digests bool) (bench.Client, error) {
	if p.raw {
		return dialRaw(p.addr)
	}
	if p.fc != nil {
		return dialFC(ctx, p, n)
	}
	name := targetName
	if digests && p.digest != "" {
		name = p.digest
	}
	return dialISCSI(ctx, p, name, n, digests)
}

// url is that of a unit.
func (p *peer) url(unit int) string {
	scheme := "iscsi"
	switch {
	case p.iser:
		scheme = "iser+iwarp"
	case p.roce != nil:
		scheme = "iser+roce"
	}
	return fmt.Sprintf("%s://%s/%s/%d", scheme, p.addr, targetName, p.first+unit)
}

// stop kills the process: some of these targets do not end otherwise.
func (p *peer) stop() {
	if p.roce != nil {
		_ = p.roce.Close() // the process ends anyway
		p.roce = nil
	}
	if p.cmd != nil {
		_ = p.cmd.Process.Kill()
		_ = p.cmd.Wait()
		if p.leaves != nil {
			_ = os.Remove(p.leaves(p.cmd.Process.Pid)) // it may have ended before it was there
		}
	}
}

// processorTime is what the server has used, in seconds; 0 if there is none.
func (p *peer) processorTime() (float64, error) {
	if p.cmd == nil {
		return 0, nil
	}
	return bench.ProcessorTime(p.cmd.Process.Pid)
}

// rest stops a peer that burns a processor, and work lets it go on.
func (p *peer) rest() error { return p.signal(unix.SIGSTOP) }
func (p *peer) work() error { return p.signal(unix.SIGCONT) }

func (p *peer) signal(s unix.Signal) error {
	if !p.spins {
		return nil
	}
	return p.cmd.Process.Signal(s)
}

func freeAddr() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}

// at gives p a directory and an address.
func (p *peer) at(at *place) (dir string, err error) {
	if dir, err = at.of(p.name, p.backing); err == nil {
		p.addr, err = freeAddr()
	}
	return dir, err
}

func (p *peer) port() string {
	_, port, _ := net.SplitHostPort(p.addr) // which freeAddr has made
	return port
}

// launch starts a program and waits until it accepts connections.
func (p *peer) launch(dir string, env []string, program string, args ...string) error {
	return p.start(dir, p.listening, env, program, args...)
}

func (p *peer) listening() bool {
	if p.roce != nil { // then nobody else gets its port of UDP
		host, _, _ := net.SplitHostPort(p.addr)
		l, err := net.ListenPacket("udp4", net.JoinHostPort(host, strconv.Itoa(roce.Port)))
		if err == nil {
			_ = l.Close()
		}
		return errors.Is(err, unix.EADDRINUSE)
	}
	c, err := net.Dial("tcp", p.addr)
	if err == nil {
		_ = c.Close()
	}
	return err == nil
}

// start starts a program and waits until it is ready.
func (p *peer) start(dir string, ready func() bool, env []string, program string, args ...string) error {
	p.cmd = exec.Command(program, args...)
	p.cmd.Dir = dir
	p.cmd.Env = append(os.Environ(), env...)
	p.cmd.SysProcAttr = &unix.SysProcAttr{Pdeathsig: unix.SIGKILL} // not longer than the comparison
	path := filepath.Join(dir, "log")
	log, err := os.Create(path)
	if err != nil {
		return err
	}
	defer log.Close()
	p.cmd.Stdout, p.cmd.Stderr = log, log
	if err := p.cmd.Start(); err != nil {
		return err
	}
	return p.await(ready, path)
}

// await waits until a program that has started is ready; path is its log.
func (p *peer) await(ready func() bool, path string) error {
	ended := false
	for stop := time.Now().Add(10 * time.Second); !ended && time.Now().Before(stop); time.Sleep(20 * time.Millisecond) {
		if ready() {
			return nil
		}
		var s unix.Siginfo // it is left for Wait
		ended = unix.Waitid(unix.P_PID, p.cmd.Process.Pid, &s, unix.WEXITED|unix.WNOHANG|unix.WNOWAIT, nil) == nil && s.Signo != 0
	}
	p.stop()
	text, _ := os.ReadFile(path)
	return fmt.Errorf("%s does not listen; it printed: %s", p.name, strings.TrimSpace(string(text)))
}

// files makes the files of all units, empty and sparse.
func files(dir string) ([]string, error) {
	var all []string
	for u := range units {
		path := filepath.Join(dir, fmt.Sprintf("unit%d.img", u))
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			return nil, err
		}
		if err := os.Truncate(path, unitSize); err != nil {
			return nil, err
		}
		all = append(all, path)
	}
	return all, nil
}

// What units are made of.
const (
	inMemory = "memory"
	inFile   = "file"   // in the page cache
	onDisk   = "direct" // files that are opened with O_DIRECT
)

// A place is where peers keep their files.
type place struct {
	disk, memory string // directories
}

func newPlace(o options) (*place, error) {
	disk, err := os.MkdirTemp(o.dir, "lunette-bench-")
	if err != nil {
		return nil, err
	}
	memory, err := os.MkdirTemp("/dev/shm", "lunette-bench-")
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(disk))
	}
	return &place{disk, memory}, nil
}

func (p *place) remove() error { return errors.Join(os.RemoveAll(p.disk), os.RemoveAll(p.memory)) }

// of makes a directory for one peer.
func (p *place) of(name, backing string) (string, error) {
	name = strings.ReplaceAll(name, " ", "-")
	root := p.disk
	if backing == inMemory {
		root = p.memory
	}
	dir := filepath.Join(root, name+"-"+backing)
	return dir, os.Mkdir(dir, 0o700)
}
