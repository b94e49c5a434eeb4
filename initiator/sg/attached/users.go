package attached

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// maxUsers bounds what Users says: it is for people.
const maxUsers = 32

// Users says who uses u beside us, each as a sentence for people: file systems and swap on it, device mapper, md and multipath, loop
// devices, programs that have one of its device files open, and other parts of the kernel that have a disk to themselves. What other namespaces
// of mounts have, and programs that /proc does not show to this one, are seen only as far as they have the disk to themselves.
//
// Who uses the same logical unit by another path uses it too.
func (h Host) Users(u Unit) ([]string, error) {
	all, err := h.look()
	if err != nil {
		return nil, err
	}
	s, err := again(all, u)
	if err != nil {
		return nil, err
	}
	users := h.usersOf(s)
	for _, o := range all {
		if o.Address != s.Address && unique(s.Name) && same(o.Unit, s.Unit) {
			users = append(users, h.usersOf(o)...)
		}
	}
	if n := len(users); n > maxUsers {
		users = append(users[:maxUsers], fmt.Sprintf("and %d more", n-maxUsers))
	}
	return users, nil
}

// usersOf are those of one path.
func (h Host) usersOf(s seen) []string {
	var users []string
	users = append(users, h.mounts(s)...)
	users = append(users, h.swaps(s)...)
	users = append(users, h.holders(s)...)
	users = append(users, h.loops(s)...)
	users = append(users, h.programs(s)...)
	if s.isBlock() && len(users) == 0 {
		release, err := h.exclusive(s.Nodes.Upper)
		switch {
		case err == nil:
			release()
		case errors.Is(err, unix.EBUSY):
			users = append(users, fmt.Sprintf("%s is in use by the kernel, or mounted by a container: neither /proc nor sysfs shows by whom", s.Nodes.Upper))
		}
	}
	return users
}

// again is u as it is now, at its address.
func (h Host) again(u Unit) (seen, error) {
	all, err := h.look()
	if err != nil {
		return seen{}, err
	}
	return again(all, u)
}

// again is u among all.
func again(all []seen, u Unit) (seen, error) {
	for _, s := range all {
		if s.Address == u.Address && s.Type == u.Type && s.Vendor == u.Vendor && s.Product == u.Product && s.Serial == u.Serial && s.Name == u.Name {
			return s, nil
		}
	}
	return seen{}, fmt.Errorf("%w: %v", ErrNotFound, u)
}

// isBlock reports that s has a block device, which one user at a time can have to itself.
func (s *seen) isBlock() bool { return (s.Driver == "sd" || s.Driver == "sr") && s.Nodes.Upper != "" }

// has finds the node of s with a number.
func (s *seen) has(n number) (node, bool) {
	i := slices.IndexFunc(s.nodes, func(o node) bool { return o.number == n })
	if i < 0 {
		return node{}, false
	}
	return s.nodes[i], true
}

// at is the node of s that the device file at path is.
func (h Host) at(s seen, path string) (node, bool) {
	if !strings.HasPrefix(path, "/") {
		return node{}, false
	}
	n, err := h.numberOf(h.path(path))
	if err != nil {
		return node{}, false
	}
	return s.has(n)
}

func (h Host) mounts(s seen) []string {
	var users []string
	for line := range strings.Lines(string(bytesOf(h.path("/proc/self"), "mountinfo", 16<<20))) {
		m, ok := parseMount(strings.TrimSuffix(line, "\n"))
		if !ok {
			continue
		}
		m.number.block = true
		n, ok := s.has(m.number)
		if !ok {
			// File systems of several devices have numbers of their own.
			n, ok = h.at(s, m.source)
		}
		if ok && n.number.block {
			users = append(users, fmt.Sprintf("/dev/%s is mounted at %s: umount it", n.file, m.point))
		}
	}
	return users
}

// A mount is a line of mountinfo (proc_pid_mountinfo(5)).
type mount struct {
	number        number
	point, source string
}

func parseMount(line string) (mount, bool) {
	front, behind, ok := strings.Cut(line, " - ")
	f, b := strings.Split(front, " "), strings.Split(behind, " ")
	if !ok || len(f) < 6 || len(b) < 2 {
		return mount{}, false
	}
	n, ok := parseNumber(f[2])
	return mount{n, unescape(f[4]), unescape(b[1])}, ok
}

// unescape undoes what the kernel does with spaces, tabs, line feeds and backslashes: \ and three octal digits.
func unescape(s string) string {
	if !strings.Contains(s, `\`) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+3 < len(s) {
			if n, err := strconv.ParseUint(s[i+1:i+4], 8, 8); err == nil {
				b.WriteByte(byte(n))
				i += 3
				continue
			}
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

func (h Host) swaps(s seen) []string {
	var users []string
	for line := range strings.Lines(string(bytesOf(h.path("/proc"), "swaps", 1<<20))) {
		f := strings.Fields(line)
		if len(f) == 0 {
			continue
		}
		if n, ok := h.at(s, unescape(f[0])); ok {
			users = append(users, fmt.Sprintf("/dev/%s is swap space: swapoff /dev/%s", n.file, n.file))
		}
	}
	return users
}

// holders are devices that are made of the disk, or of a partition of it.
func (h Host) holders(s seen) []string {
	var users []string
	for _, n := range s.nodes {
		if n.kind != "block" {
			continue
		}
		entries, err := os.ReadDir(filepath.Join(n.dir, "holders"))
		if err != nil {
			continue
		}
		for _, e := range entries {
			users = append(users, h.holder(n, e.Name()))
		}
	}
	return users
}

func (h Host) holder(n node, name string) string {
	dir := filepath.Join(h.path("/sys/class/block"), name)
	called, id := printable(text(dir, "dm/name")), text(dir, "dm/uuid")
	switch {
	case strings.HasPrefix(id, "mpath-"):
		return fmt.Sprintf("/dev/%s is a path of the multipath device %s: take it out of multipathd's hands (blacklist in multipath.conf, then multipath -f %s)", n.file, called, called)
	case strings.HasPrefix(id, "LVM-"):
		return fmt.Sprintf("/dev/%s is part of the logical volume %s: vgchange -an", n.file, called)
	case strings.HasPrefix(id, "CRYPT-"):
		return fmt.Sprintf("/dev/%s is encrypted as %s: cryptsetup close %s", n.file, called, called)
	case called != "":
		return fmt.Sprintf("/dev/%s is part of the device-mapper device %s: dmsetup remove %s", n.file, called, called)
	case text(dir, "md/array_state") != "":
		return fmt.Sprintf("/dev/%s is part of the array /dev/%s: mdadm --stop /dev/%s", n.file, name, name)
	}
	return fmt.Sprintf("/dev/%s is part of /dev/%s", n.file, name)
}

func (h Host) loops(s seen) []string {
	entries, err := os.ReadDir(h.path("/sys/class/block"))
	if err != nil {
		return nil
	}
	var users []string
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), "loop") {
			continue
		}
		file := text(filepath.Join(h.path("/sys/class/block"), e.Name()), "loop/backing_file")
		if n, ok := h.at(s, file); ok {
			users = append(users, fmt.Sprintf("/dev/%s is behind /dev/%s: losetup -d /dev/%s", n.file, e.Name(), e.Name()))
		}
	}
	return users
}

// programs are those that have a device file of s open, but this one.
func (h Host) programs(s seen) []string {
	entries, err := os.ReadDir(h.path("/proc"))
	if err != nil {
		return nil
	}
	var users []string
	for _, e := range entries {
		pid, ok := decimal(e.Name(), 31)
		if !ok || int(pid) == os.Getpid() {
			continue
		}
		dir := filepath.Join(h.path("/proc"), e.Name())
		files, err := os.ReadDir(filepath.Join(dir, "fd"))
		if err != nil {
			continue // not ours to see, or gone
		}
		for _, f := range files {
			// Whoever has a file open in /dev has it by such a path; to ask all others what they are could wait for a network.
			path := filepath.Join(dir, "fd", f.Name())
			if target, err := os.Readlink(path); err != nil || !strings.HasPrefix(target, h.path("/dev/")) {
				continue
			}
			n, err := h.numberOf(path)
			if err != nil {
				continue
			}
			if n, ok := s.has(n); ok {
				users = append(users, fmt.Sprintf("%s (process %d) has /dev/%s open", printable(text(dir, "comm")), pid, n.file))
				break
			}
		}
		if len(users) > maxUsers {
			break
		}
	}
	return users
}
