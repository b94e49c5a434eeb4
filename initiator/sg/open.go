package sg

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"
)

// Nodes are the device files by which a logical unit can be reached; each may be empty.
type Nodes struct {
	BSG   string // /dev/bsg/HOST:CHANNEL:TARGET:LUN
	SG    string // /dev/sgN
	Upper string // that of the kernel's driver, such as /dev/sda, /dev/sr0 or /dev/nst0: it is used for resets, when there is no SG
}

// Ways to the kernel, for [Config.IO] and [Info.IO].
const (
	Auto    = "auto"    // the first of the others that there is; see [Config.Once]
	Uring   = "uring"   // io_uring on bsg, from Linux 7.1 on: many commands under way, one thread
	Threads = "threads" // the ioctl of bsg: a thread for each command that is under way
	SG      = "sg"      // write, poll and read on sg: one thread, [MaxDepthSG] commands under way
)

// Bounds of [Config.Depth].
const (
	DefaultDepth    = 32
	MaxDepthUring   = 256
	MaxDepthThreads = 64
	MaxDepthSG      = 16 // the kernel takes no more of one open file
)

// A Config says how a device is to be reached. Its zero value is a good one for disks.
type Config struct {
	IO string // one of the ways; empty: [Auto]
	// Depth is how many commands the kernel has at a time, the others wait here; 0: [DefaultDepth]. What a way cannot have it does not get.
	// Drives of tapes and robots want 1 or 2.
	Depth int
	// MaxTransfer is how many bytes one command may move; 0: nobody knows. Longer ones are refused before they are sent.
	MaxTransfer int64
	// Once says that a command must never be repeated, as those of a tape drive, which writes the next block with it: [Auto] then takes [SG] before
	// [Threads]. The ioctl of bsg does not say how often the kernel may repeat a command that the adapter has failed to carry out, and so
	// it is as often as whoever had the kernel's memory of it before has said (scmd->allowed in Linux 6.1 to 7.1).
	Once bool
}

func (c *Config) depth() int {
	if c.Depth <= 0 {
		return DefaultDepth
	}
	return c.Depth
}

// A way is one of the three.
type way struct {
	name string
	node string
	none string // what to do when there is no such node
	open func(node string, nodes Nodes, cfg Config) (Device, error)
}

// ways are those to the device behind nodes, best first.
func ways(nodes Nodes, once bool) []way {
	const bsg = "there is no file of it in /dev/bsg: the kernel makes them if it is built with CONFIG_BLK_DEV_BSG, and a container has to be given them"
	all := []way{
		{Uring, nodes.BSG, bsg, openRing},
		{Threads, nodes.BSG, bsg, openThreads},
		{SG, nodes.SG, "there is no /dev/sg file of it: the kernel makes them after modprobe sg, and a container has to be given them", openRW},
	}
	if once {
		all[1], all[2] = all[2], all[1]
	}
	return all
}

// Open opens a device by the best way that there is, or by the one that cfg asks for. The error says of each way what it lacked; it wraps
// [ErrGone] if the device files lead nowhere, and [ErrPrivilege] if permissions alone are what is missing.
func Open(nodes Nodes, cfg Config) (Device, error) {
	return choose(ways(nodes, cfg.Once), nodes, cfg)
}

// choose is Open with other ways, for tests.
func choose(all []way, nodes Nodes, cfg Config) (Device, error) {
	var lacked []string
	var kinds [2]int // how many ways were there, and of them: gone, forbidden
	tried, known := 0, false
	for _, w := range all {
		if cfg.IO != "" && cfg.IO != Auto && cfg.IO != w.name {
			continue
		}
		known = true
		if w.node == "" {
			lacked = append(lacked, w.name+": "+w.none)
			continue
		}
		d, err := w.open(w.node, nodes, cfg)
		if err == nil {
			d.(interface{ instead(string) }).instead(strings.Join(lacked, "; "))
			return d, nil
		}
		tried++
		for i, kind := range []error{ErrGone, ErrPrivilege} {
			if errors.Is(err, kind) {
				kinds[i]++
			}
		}
		lacked = append(lacked, w.name+": "+err.Error())
	}
	if !known {
		return nil, fmt.Errorf("no way to a device is called %q: %s, %s, %s or %s", cfg.IO, Auto, Uring, Threads, SG)
	}
	refused := &refusedError{said: strings.Join(lacked, "; ")}
	switch {
	case tried > 0 && kinds[0] == tried:
		refused.kind = ErrGone
	case kinds[1] > 0 && kinds[0] == 0:
		refused.kind = ErrPrivilege
	}
	return nil, refused
}

// A refusedError says what each way to a device lacked.
type refusedError struct {
	said string
	kind error // what it wraps, or nil
}

func (e *refusedError) Error() string { return "no way to the device: " + e.said }

func (e *refusedError) Unwrap() error { return e.kind }

// explain is why a device file cannot be opened.
func explain(node string, err error) error {
	switch err {
	case syscall.ENOENT, syscall.ENXIO, syscall.ENODEV:
		return fmt.Errorf("%s leads nowhere (%w): %w", node, err, ErrGone)
	case syscall.EACCES:
		return fmt.Errorf("%s: this user may not read and write it: %w", node, notPermitted{})
	case syscall.EPERM:
		return fmt.Errorf("%s: a container's, or a service's, list of devices forbids it: it has to be given the device: %w", node, notPermitted{})
	case syscall.EBUSY:
		return fmt.Errorf("%s: another program has it for itself: %w", node, err)
	}
	return &os.PathError{Op: "open", Path: node, Err: err}
}

// notPermitted is an [ErrPrivilege] that names no capability, since it is not capabilities that are missing.
type notPermitted struct{}

func (notPermitted) Error() string { return "not permitted" }

func (notPermitted) Is(err error) bool { return err == ErrPrivilege }

// common is what devices of all ways have.
type common struct {
	fd    int
	nodes Nodes
	info  Info
	state string // the file of sysfs that says what the kernel does with the device; empty: there is none
}

func newCommon(fd int, node string, nodes Nodes, io string, depth int, cfg Config, direct bool) common {
	return common{fd: fd, nodes: nodes, info: Info{IO: io, Node: node, MaxTransfer: cfg.MaxTransfer, Depth: depth, Direct: direct}, state: stateFile(fd)}
}

func (d *common) instead(why string) { d.info.Instead = why }

// Info says how the device is reached.
func (d *common) Info() Info { return d.info }

// Reset resets the logical unit.
func (d *common) Reset() error { return reset(d.nodes) }
