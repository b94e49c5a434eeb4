package block

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/lunette-io/lunette/store"
	"github.com/lunette-io/lunette/store/internal/direct"
)

// concurrency is how many system calls at a time keep a fast device busy.
const concurrency = 64

// ioctl asks for one value; each request has its own type.
func ioctl[T uint16 | int32 | uint32 | uint64](fd int, request uint) (v T, err error) {
	_, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), uintptr(request), uintptr(unsafe.Pointer(&v)))
	if errno != 0 {
		return 0, errno
	}
	return v, nil
}

// askDevice fills in what the kernel knows of the block device dev.
func (s *Store) askDevice(dev uint64) error {
	s.device = dev
	s.measure = func() (int64, error) {
		size, err := ioctl[uint64](s.fd, unix.BLKGETSIZE64)
		return int64(size), err
	}
	size, err := s.measure()
	if err != nil {
		return fmt.Errorf("%s: ask for its size: %w", s.path, err)
	}
	logical, err := ioctl[int32](s.fd, unix.BLKSSZGET)
	if err != nil {
		return fmt.Errorf("%s: ask for its block size: %w", s.path, err)
	}
	readOnly, err := ioctl[int32](s.fd, unix.BLKROGET)
	if err != nil {
		return fmt.Errorf("%s: ask whether it is read only: %w", s.path, err)
	}
	if readOnly != 0 && !s.readOnly {
		return fmt.Errorf("%s: %w: it is write protected", s.path, store.ErrReadOnly)
	}
	// The rest is advice: old or odd drivers need not know it.
	physical, _ := ioctl[uint32](s.fd, unix.BLKPBSZGET)
	turning, _ := ioctl[uint16](s.fd, unix.BLKROTATIONAL)
	// What memory must be aligned to the kernel may say; the logical block does for all.
	s.align = direct.Align{Offset: int64(logical), Memory: int64(logical)}
	if a, ok := direct.Ask(s.fd); ok && a.Memory != 0 {
		s.align.Memory = a.Memory
	}
	q := findQueue(dev)
	s.size.Store(size)
	s.info = store.Info{
		PhysicalBlock: int(max(int64(physical), int64(logical))),
		ReadOnly:      s.readOnly,
		Cached:        q.text("write_cache") != "write through",
		Rotational:    turning != 0,
		Concurrency:   concurrency,
	}
	// A discard need not zero, and the kernel has long ceased to say whether it does.
	// Zeroing that unmaps where it can is what fallocate asks for, and is refused by
	// devices that cannot; they are the ones without a limit for it.
	if !s.readOnly && q.number("discard_max_bytes") > 0 && q.number("write_zeroes_max_bytes") > 0 {
		s.info.Granularity = max(q.number("discard_granularity"), s.align.Offset)
		// A partition has an alignment of its own.
		align := queue(sysfs(dev)).number("discard_alignment")
		s.info.Alignment = max(0, min(align, s.info.Granularity-1))
	}
	return nil
}

// A queue is the directory where sysfs describes a device's queue.
type queue string

// findQueue looks in the device's directory, and for a partition in its disk's.
func findQueue(dev uint64) queue {
	base := sysfs(dev)
	for _, dir := range []string{base + "/queue", base + "/../queue"} {
		if _, err := os.Stat(dir); err == nil {
			return queue(dir)
		}
	}
	return queue(base + "/queue")
}

func sysfs(dev uint64) string {
	path := fmt.Sprintf("/sys/dev/block/%d:%d", unix.Major(dev), unix.Minor(dev))
	if real, err := filepath.EvalSymlinks(path); err == nil {
		return real
	}
	return path
}

// text is empty where the kernel does not say.
func (q queue) text(name string) string {
	b, _ := os.ReadFile(string(q) + "/" + name)
	return strings.TrimSpace(string(b))
}

func (q queue) number(name string) int64 { return toNumber(q.text(name)) }

// toNumber is 0 for what is not one.
func toNumber(s string) int64 {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		return 0
	}
	return n
}

// user says who has the device, as far as that can be found out.
func user(dev uint64) string {
	name := fmt.Sprintf("%d:%d", unix.Major(dev), unix.Minor(dev))
	names := map[string]string{name: ""}
	base := sysfs(dev)
	// Partitions are the directories that have a device number.
	parts, _ := filepath.Glob(base + "/*/dev")
	for _, p := range parts {
		if number, err := os.ReadFile(p); err == nil {
			names[strings.TrimSpace(string(number))] = "partition " + filepath.Base(filepath.Dir(p)) + " is "
		}
	}
	if f, err := os.Open("/proc/self/mountinfo"); err == nil {
		defer f.Close()
		for lines := bufio.NewScanner(f); lines.Scan(); {
			// Fields: mount, parent, major:minor, root, mount point, …
			fields := strings.Fields(lines.Text())
			if len(fields) > 4 {
				if which, ok := names[fields[2]]; ok {
					return which + "mounted on " + fields[4]
				}
			}
		}
	}
	holders, _ := filepath.Glob(base + "/holders/*")
	more, _ := filepath.Glob(base + "/*/holders/*")
	if holders = append(holders, more...); len(holders) > 0 {
		return "it is part of " + filepath.Base(holders[0])
	}
	return "another process, or another unit of this one, has it open; or it is swap, or in a mount of another namespace"
}
