//go:build failpoint

package failpoint

import (
	"os"
	"strconv"
	"strings"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// Variable names the place at which the process is killed, and at which time that it comes there: "NAME" or
// "NAME:3". "*:3" is the third place of all, whichever it is.
const Variable = "LUNETTE_FAILPOINT"

// passed is how often the process has come to the place.
var passed atomic.Int64

// Here kills the process if this is the place that is named, and the time.
func Here(name string) {
	want, count, _ := strings.Cut(os.Getenv(Variable), ":")
	if want != name && want != "*" {
		return
	}
	n, err := strconv.ParseInt(count, 10, 64)
	if err != nil {
		n = 1
	}
	if passed.Add(1) == n {
		_ = unix.Kill(os.Getpid(), unix.SIGKILL)
		select {} // nothing more is done until it is dead
	}
}
