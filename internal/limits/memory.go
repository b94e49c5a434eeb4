// Package limits asks the system how much there is.
package limits

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// AvailableMemory is how many bytes of memory can be taken without pushing anything out: by
// this machine, and by the control group of this process, if it has a limit. 0 if that
// cannot be found out.
func AvailableMemory() int64 { return available("/") }

// available looks below root.
func available(root string) int64 {
	info, err := os.ReadFile(filepath.Join(root, "proc/meminfo"))
	if err != nil {
		return 0
	}
	free := field(info, "MemAvailable:") << 10
	if left, ok := group(root); ok {
		free = min(free, left)
	}
	return max(free, 0)
}

// field is the number behind a name; 0 if it is not there.
func field(text []byte, name string) int64 {
	for line := range bytes.Lines(text) {
		f := bytes.Fields(line)
		if len(f) >= 2 && string(f[0]) == name {
			n, _ := strconv.ParseInt(string(f[1]), 10, 64) // then it is 0
			return n
		}
	}
	return 0
}

// group is what is left of the limit of the control group (version 2), if there is one.
func group(root string) (left int64, limited bool) {
	text, err := os.ReadFile(filepath.Join(root, "proc/self/cgroup"))
	if err != nil {
		return 0, false
	}
	_, path, ok := strings.Cut(string(text), "0::")
	if !ok {
		return 0, false
	}
	path, _, _ = strings.Cut(path, "\n")
	dir := filepath.Join(root, "sys/fs/cgroup", path)
	number := func(name string) (int64, bool) {
		b, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			return 0, false
		}
		n, err := strconv.ParseInt(string(bytes.TrimSpace(b)), 10, 64)
		return n, err == nil // "max": no limit
	}
	most, ok := number("memory.max")
	if !ok {
		return 0, false
	}
	used, _ := number("memory.current") // else it is all of it
	return most - used, true
}
