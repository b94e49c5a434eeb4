//go:build failpoint

package failpoint

import (
	"os"
	"strconv"
	"strings"
	"sync"

	"golang.org/x/sys/unix"
)

// Variable names the place at which the process is killed, and at which time that it comes there: "NAME" or
// "NAME:3". "*:3" is the third place of all, whichever it is. "@FILE" is what stands in a file, which is
// read at each place: so a test can say it of a process that runs.
const Variable = "LUNETTE_FAILPOINT"

// passed is how often the process has come to the place that is named since it is.
var passed struct {
	sync.Mutex
	place string
	times int
}

// Here kills the process if this is the place that is named, and the time.
func Here(name string) {
	place := os.Getenv(Variable)
	if file, ok := strings.CutPrefix(place, "@"); ok {
		b, _ := os.ReadFile(file) // which need not be there
		place = strings.TrimSpace(string(b))
	}
	passed.Lock()
	defer passed.Unlock()
	if passed.place != place {
		passed.place, passed.times = place, 0
	}
	want, count, _ := strings.Cut(place, ":")
	if want != name && want != "*" {
		return
	}
	n, err := strconv.Atoi(count)
	if err != nil {
		n = 1
	}
	if passed.times++; passed.times == n {
		_ = unix.Kill(os.Getpid(), unix.SIGKILL)
		select {} // nothing more is done until it is dead
	}
}
