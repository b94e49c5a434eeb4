package kind

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/lunette-io/lunette/scsi"
)

// Bounds of a time-out: the kernel counts them in milliseconds, in 32 bits.
const (
	minTimeout = time.Second
	maxTimeout = 7 * 24 * time.Hour
)

func checkTimeout(text string) error {
	_, _, err := parseTimeout(text)
	return err
}

// parseTimeout reads "ERASE(6)=8h", or "19h=8h".
func parseTimeout(text string) (op scsi.Opcode, d time.Duration, err error) {
	name, value, ok := strings.Cut(text, "=")
	if !ok {
		return 0, 0, fmt.Errorf("%.60q is no time-out: write COMMAND=TIME, such as ERASE(6)=8h, or 19h=8h", text)
	}
	if op, err = parseOpcode(strings.TrimSpace(name)); err != nil {
		return 0, 0, err
	}
	d, err = time.ParseDuration(strings.TrimSpace(value))
	switch {
	case err != nil:
		return 0, 0, fmt.Errorf("%.60q: %.40q is no time, such as 90s, 15m or 8h", text, value)
	case d < minTimeout || d > maxTimeout:
		return 0, 0, fmt.Errorf("%.60q: times from %v to %v are taken", text, minTimeout, maxTimeout)
	}
	return op, d, nil
}

// parseOpcode reads a name as the standards have it, without caring for case and spaces, or two hexadecimal digits with an h.
func parseOpcode(text string) (scsi.Opcode, error) {
	plain := func(s string) string { return strings.ToLower(strings.ReplaceAll(s, " ", "")) }
	want := plain(text)
	if digits, ok := strings.CutSuffix(want, "h"); ok && len(digits) == 2 {
		if n, err := strconv.ParseUint(digits, 16, 8); err == nil {
			return scsi.Opcode(n), nil
		}
	}
	var near []string
	for n := range 256 {
		op := scsi.Opcode(n)
		name := plain(op.String())
		if name == want {
			return op, nil
		}
		if base, _, _ := strings.Cut(name, "("); want != "" && base == want {
			near = append(near, op.String())
		}
	}
	if len(near) > 0 {
		return 0, fmt.Errorf("%.40q is no name of a command: write %s", text, strings.Join(near, " or "))
	}
	return 0, fmt.Errorf("%.40q is no name of a command, such as ERASE(6), and no operation code, such as 19h", text)
}

// timeouts are those of the option, which was checked; of two for one command the last counts.
func timeouts(all []string) map[scsi.Opcode]time.Duration {
	m := make(map[scsi.Opcode]time.Duration, len(all))
	for _, text := range all {
		if op, d, err := parseTimeout(text); err == nil {
			m[op] = d
		}
	}
	return m
}
