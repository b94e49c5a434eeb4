package bench

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// ProcessorTime is what a process of this machine has used, in seconds. It is exact: the
// kernel's clock of that process, not its ticks.
func ProcessorTime(pid int) (float64, error) {
	if pid <= 0 || pid >= 1<<28 { // which the number of a clock can name
		return 0, fmt.Errorf("process %d: there is no such process", pid)
	}
	const schedClock = 2 // CPUCLOCK_SCHED of the kernel: all threads, those that have ended too
	var t unix.Timespec
	if err := unix.ClockGettime(^int32(pid)<<3|schedClock, &t); err != nil {
		if errors.Is(err, unix.EINVAL) {
			err = unix.ESRCH
		}
		return 0, fmt.Errorf("process %d: %w", pid, err)
	}
	return time.Duration(t.Nano()).Seconds(), nil
}

// Switches is how often the threads of a process have left their processor.
type Switches struct {
	Voluntary   int64 // they had nothing to do, or waited
	Involuntary int64 // another thread's turn
}

// ContextSwitches counts those of a process of this machine, of the threads that it has now.
func ContextSwitches(pid int) (n Switches, err error) {
	all, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/status", pid))
	if err == nil && len(all) == 0 {
		err = fmt.Errorf("process %d: %w", pid, unix.ESRCH)
	}
	if err != nil {
		return n, err
	}
	for _, path := range all {
		text, err := os.ReadFile(path)
		switch {
		case errors.Is(err, fs.ErrNotExist), errors.Is(err, unix.ESRCH):
			continue // it has just ended
		case err != nil:
			return n, err
		}
		for line := range strings.Lines(string(text)) {
			key, value, _ := strings.Cut(line, ":")
			to := map[string]*int64{"voluntary_ctxt_switches": &n.Voluntary, "nonvoluntary_ctxt_switches": &n.Involuntary}[key]
			if to == nil {
				continue
			}
			x, err := strconv.ParseInt(strings.TrimSpace(value), 10, 64)
			if err != nil {
				return n, fmt.Errorf("%s: %w", path, err)
			}
			*to += x
		}
	}
	return n, nil
}
