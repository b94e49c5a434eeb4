package sg

import (
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// going tells what a device that is being taken away has not answered from what an adapter has failed to do: for both the kernel says [HostError]. From the
// moment in which it begins to take a device away (SDEV_CANCEL) until nobody can send it anything, it gives commands back so without having sent them.
func (d *common) going(r Result) Result {
	if r.Err == nil && r.Host == HostError && d.state != "" && !attachedBy(os.ReadFile(d.state)) {
		r.Host = HostNoConnect
	}
	return r
}

// stateFile is the file of sysfs that says what the kernel does with the SCSI device behind the device file fd; empty if there is none.
func stateFile(fd int) string {
	var st unix.Stat_t
	if unix.Fstat(fd, &st) != nil || st.Mode&unix.S_IFMT != unix.S_IFCHR {
		return ""
	}
	path := fmt.Sprintf("/sys/dev/char/%d:%d/device/state", unix.Major(st.Rdev), unix.Minor(st.Rdev))
	if !attachedBy(os.ReadFile(path)) {
		return ""
	}
	return path
}

// attachedBy reports whether a state is one of a device that commands are sent to, now or after a while. A device whose file is not there any more is not.
func attachedBy(state []byte, err error) bool {
	switch strings.TrimSpace(string(state)) {
	case "created", "running", "quiesce", "blocked", "created-blocked":
		return err == nil
	}
	return false
}
