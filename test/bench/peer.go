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

	"github.com/lunette-io/lunette/bench"
)

// A peer is one target with units filled, ready to be measured.
type peer struct {
	name    string // column of the tables
	backing string
	cmd     *exec.Cmd
	addr    string
	first   int // LUN of unit 0
	raw     bool
}

func (p *peer) dial(ctx context.Context, n int) (bench.Client, error) {
	if p.raw {
		return dialRaw(p.addr)
	}
	return dialISCSI(ctx, p.addr, p.first, n)
}

func (p *peer) url() string { return fmt.Sprintf("iscsi://%s/%s/%d", p.addr, targetName, p.first) }

// stop kills the process: some of these targets do not end otherwise.
func (p *peer) stop() {
	_ = p.cmd.Process.Kill()
	_ = p.cmd.Wait()
}

func freeAddr() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}

// launch starts a program and waits until it accepts connections.
func (p *peer) launch(dir string, env []string, program string, args ...string) error {
	p.cmd = exec.Command(program, args...)
	p.cmd.Dir = dir
	p.cmd.Env = append(os.Environ(), env...)
	path := filepath.Join(dir, p.name+"-"+p.backing+".log")
	log, err := os.Create(path)
	if err != nil {
		return err
	}
	defer log.Close()
	p.cmd.Stdout, p.cmd.Stderr = log, log
	if err := p.cmd.Start(); err != nil {
		return err
	}
	return p.listening(path)
}

func (p *peer) listening(path string) error {
	for stop := time.Now().Add(10 * time.Second); time.Now().Before(stop); time.Sleep(20 * time.Millisecond) {
		if c, err := net.Dial("tcp", p.addr); err == nil {
			return c.Close()
		}
	}
	p.stop()
	text, _ := os.ReadFile(path)
	return fmt.Errorf("%s does not listen at %s; it printed:\n%s", p.name, p.addr, text)
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

const (
	inMemory = "memory"
	inFile   = "file"
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
	root := p.disk
	if backing == inMemory {
		root = p.memory
	}
	dir := filepath.Join(root, name+"-"+backing)
	return dir, os.Mkdir(dir, 0o700)
}

// startLunette starts the daemon.
func startLunette(o options, at *place, backing string) (*peer, error) {
	p := &peer{name: "lunette", backing: backing}
	dir, err := at.of(p.name, backing)
	if err != nil {
		return nil, err
	}
	if p.addr, err = freeAddr(); err != nil {
		return nil, err
	}
	args := []string{"serve", "--portal", p.addr, "--target", targetName, "--socket", filepath.Join(dir, "sock"), "--log-level", "error"}
	if backing == inMemory {
		for range units {
			args = append(args, "--memory", strconv.Itoa(unitSize))
		}
	} else {
		all, err := files(dir)
		if err != nil {
			return nil, err
		}
		args = append(args, all...)
	}
	return p, p.launch(dir, nil, o.program, args...)
}

// tuned are the keys that make tgt fast.
var tuned = []string{
	"MaxRecvDataSegmentLength=262144", "MaxXmitDataSegmentLength=262144", "InitialR2T=No", "ImmediateData=Yes",
	"FirstBurstLength=262144", "MaxBurstLength=1048576", "MaxOutstandingR2T=8",
}

// startTGT starts tgt with its default keys or with the tuned ones.
func startTGT(at *place, backing string, tune bool) (*peer, error) {
	p := &peer{name: "tgt", backing: backing, first: 1} // LUN 0 is its controller
	if tune {
		p.name = "tgt tuned"
	}
	dir, err := at.of(strings.ReplaceAll(p.name, " ", "-"), backing)
	if err != nil {
		return nil, err
	}
	if p.addr, err = freeAddr(); err != nil {
		return nil, err
	}
	_, port, _ := net.SplitHostPort(p.addr)
	n, _ := strconv.Atoi(port)
	control := strconv.Itoa(n%32000 + 1)
	if err := p.launch(dir, nil, "tgtd", "-f", "-C", control, "--iscsi", "portal="+p.addr); err != nil {
		return nil, fmt.Errorf("tgt (Debian's package tgt, as root): %w", err)
	}
	adm := func(args ...string) {
		if err == nil {
			var out []byte
			cmd := exec.Command("tgtadm", append([]string{"-C", control, "--lld", "iscsi", "--tid", "1"}, args...)...)
			if out, err = cmd.CombinedOutput(); err != nil {
				err = fmt.Errorf("tgtadm %v: %w: %s", args, err, out)
			}
		}
	}
	adm("--mode", "target", "--op", "new", "-T", targetName)
	all, ferr := files(dir)
	for i, f := range all {
		adm("--mode", "logicalunit", "--op", "new", "--lun", strconv.Itoa(p.first+i), "-b", f)
	}
	if tune {
		for _, k := range tuned {
			name, value, _ := strings.Cut(k, "=")
			adm("--mode", "target", "--op", "update", "-n", name, "-v", value)
		}
	}
	adm("--mode", "target", "--op", "bind", "-I", "ALL")
	if err = errors.Join(err, ferr); err != nil {
		p.stop()
	}
	return p, err
}

// startRaw starts the echo server, which is this program.
func startRaw(at *place) (*peer, error) {
	p := &peer{name: "raw", backing: inMemory, raw: true}
	dir, err := at.of(p.name, p.backing)
	if err != nil {
		return nil, err
	}
	if p.addr, err = freeAddr(); err != nil {
		return nil, err
	}
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	return p, p.launch(dir, []string{childEnv + "=" + childEcho, childAddr + "=" + p.addr}, self)
}
