package attached

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// A number is what the kernel knows a device file by.
type number struct {
	block        bool
	major, minor uint32
}

// errNoDevice says that a file is no device file.
var errNoDevice = errors.New("not a device file")

// A node is a device that sysfs says has a device file.
type node struct {
	kind      string // "bsg", "scsi_generic", "block", "scsi_tape" or "scsi_changer"
	name      string // "0:0:0:0", "sg0", "sda", "sda1", "nst0", "sch0"
	file      string // where it is in /dev, such as "bsg/0:0:0:0"
	dir       string // in sysfs
	number    number
	partition bool
}

// kinds are the folders of a device in which its nodes are.
var kinds = []string{"bsg", "scsi_generic", "block", "scsi_tape", "scsi_changer"}

// readNodes reads the nodes of the device at dir, and the partitions of a disk.
func readNodes(dir string) []node {
	var all []node
	for _, kind := range kinds {
		entries, err := os.ReadDir(filepath.Join(dir, kind))
		if err != nil {
			continue
		}
		for _, e := range entries {
			at := filepath.Join(dir, kind, e.Name())
			n, ok := readNode(kind, at)
			if !ok {
				continue
			}
			all = append(all, n)
			if kind == "block" {
				all = append(all, partitions(at)...)
			}
		}
	}
	return all
}

func partitions(dir string) []node {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil
	}
	var all []node
	for _, e := range entries {
		at := filepath.Join(dir, e.Name())
		if text(at, "partition") == "" {
			continue
		}
		if n, ok := readNode("block", at); ok {
			n.partition = true
			all = append(all, n)
		}
	}
	return all
}

func readNode(kind, dir string) (node, bool) {
	n := node{kind: kind, name: filepath.Base(dir), dir: dir}
	var ok bool
	if n.number, ok = parseNumber(text(dir, "dev")); !ok {
		return node{}, false
	}
	n.number.block = kind == "block"
	n.file = n.name
	if kind == "bsg" {
		n.file = "bsg/" + n.name
	}
	for line := range strings.Lines(string(bytesOf(dir, "uevent", maxText))) {
		if file, ok := strings.CutPrefix(strings.TrimSuffix(line, "\n"), "DEVNAME="); ok && filepath.IsLocal(file) {
			n.file = file
		}
	}
	return n, true
}

// parseNumber reads MAJOR:MINOR.
func parseNumber(s string) (number, bool) {
	a, b, ok := strings.Cut(s, ":")
	major, ok1 := decimal(a, 32)
	minor, ok2 := decimal(b, 32)
	return number{major: uint32(major), minor: uint32(minor)}, ok && ok1 && ok2
}

// numberOf is that of the device file at path, which may be a link to it.
func (h Host) numberOf(path string) (number, error) {
	if h.stat != nil {
		return h.stat(path)
	}
	var st unix.Stat_t
	if err := unix.Stat(path, &st); err != nil {
		return number{}, &os.PathError{Op: "stat", Path: path, Err: err}
	}
	n := number{major: unix.Major(uint64(st.Rdev)), minor: unix.Minor(uint64(st.Rdev))}
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFBLK:
		n.block = true
	case unix.S_IFCHR:
	default:
		return number{}, fmt.Errorf("%s: %w", path, errNoDevice)
	}
	return n, nil
}

// usable are the nodes whose files are in /dev, and are those of this device: /dev of a container may have files that were made once, for another.
func (h Host) usable(all []node) Nodes {
	var nodes Nodes
	for _, n := range all {
		to := &nodes.Upper
		switch n.kind {
		case "bsg":
			to = &nodes.BSG
		case "scsi_generic":
			to = &nodes.SG
		case "scsi_tape":
			// A tape has eight: this is the one that neither rewinds when it is closed nor has a mode of its own.
			if !strings.HasPrefix(n.name, "nst") || strings.ContainsAny(n.name[3:], "alm") {
				continue
			}
		}
		file := h.path("/dev/" + n.file)
		if *to != "" || n.partition {
			continue
		}
		if got, err := h.numberOf(file); err == nil && got == n.number {
			*to = file
		}
	}
	return nodes
}

// exclusive opens a block device as nobody else may have it who asks for the same: file systems, device mapper and other users in the
// kernel do. EBUSY says that one has.
func (h Host) exclusive(path string) (release func(), err error) {
	if h.claim != nil {
		return h.claim(path)
	}
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_EXCL|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: path, Err: err}
	}
	return func() { unix.Close(fd) }, nil
}

// sectors is how many bytes the driver sg says that a command moves, 0: it does not say.
func (h Host) sectors(path string) int64 {
	switch {
	case path == "":
		return 0
	case h.limit != nil:
		return h.limit(path)
	}
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return 0
	}
	defer unix.Close(fd)
	n, err := unix.IoctlGetUint32(fd, unix.BLKSECTGET)
	if err != nil {
		return 0
	}
	return int64(n)
}
