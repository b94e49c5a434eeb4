package bench

import (
	"fmt"
	"os"
	"strconv"
	"strings"
)

// ProcessorTime is what a process of this machine has used, in seconds, in ticks of 10 ms.
func ProcessorTime(pid int) (float64, error) {
	path := fmt.Sprintf("/proc/%d/stat", pid)
	text, err := os.ReadFile(path)
	if err != nil {
		return 0, err
	}
	// The name, in parentheses, may have anything in it.
	f := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
	if len(f) < 13 {
		return 0, fmt.Errorf("%s: %q", path, text)
	}
	user, err1 := strconv.ParseFloat(f[11], 64)
	system, err2 := strconv.ParseFloat(f[12], 64)
	if err1 != nil || err2 != nil {
		return 0, fmt.Errorf("%s: %q", path, text)
	}
	const ticks = 100 // USER_HZ, which is the same on every Linux
	return (user + system) / ticks, nil
}
