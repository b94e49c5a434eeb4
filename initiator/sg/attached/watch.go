package attached

import (
	"context"
	"fmt"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// How often is looked where the kernel does not tell, and where it does: a socket can fail, and a device that came is not missed for ever.
const (
	pollEvery  = 2 * time.Second
	checkEvery = time.Minute
)

// Watch calls changed whenever devices may have come or gone, and once at the start, when it has begun to watch; so who looks for a
// device first, and then calls Watch, misses nothing. It calls it on the goroutine of its caller, until ctx ends; then it returns nil.
//
// The kernel tells of devices by netlink. Where it does not tell this process (in a container with users of its own), Watch looks every two seconds.
func (h Host) Watch(ctx context.Context, changed func()) error {
	every := checkEvery
	events, err := h.events(ctx)
	if err != nil || !told(string(bytesOf(h.path("/proc/self"), "uid_map", maxText))) {
		every = pollEvery
	}
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	h.watch(ctx, changed, events, ticker.C)
	if events != nil {
		for range events {
			// The goroutine that receives them is about to end.
		}
	}
	return nil
}

// watch is Watch for events, which may be nil, and a clock.
func (h Host) watch(ctx context.Context, changed func(), events <-chan struct{}, ticks <-chan time.Time) {
	last := h.marks()
	changed()
	for {
		select {
		case <-ctx.Done():
			return
		case _, ok := <-events:
			if !ok {
				events = nil
				continue
			}
			last = h.marks()
			changed()
		case <-ticks:
			if now := h.marks(); now != last {
				last = now
				changed()
			}
		}
	}
}

// told reports that the kernel tells this process of devices: it tells those in the first namespace of users, in which every user is itself.
func told(uidMap string) bool {
	f := strings.Fields(uidMap)
	return len(f) == 3 && f[0] == "0" && f[1] == "0" && f[2] == "4294967295"
}

// marks are who is attached, and by which driver, in a form to be compared: a device that came back at the same address is another file of sysfs.
func (h Host) marks() string {
	entries, err := os.ReadDir(h.path(class))
	if err != nil {
		return ""
	}
	var b strings.Builder
	for _, e := range entries {
		var st unix.Stat_t
		if unix.Stat(h.path(class)+"/"+e.Name(), &st) == nil {
			driver, _ := os.Readlink(h.path(class) + "/" + e.Name() + "/device/driver") // without one: none
			fmt.Fprintf(&b, "%s %d %s\n", e.Name(), st.Ino, driver)
		}
	}
	return b.String()
}

// events tells of devices that come and go, until ctx ends, and then closes the channel. The goroutine that it starts ends then too.
func (h Host) events(ctx context.Context) (<-chan struct{}, error) {
	if h.Root != "" {
		return nil, fmt.Errorf("watching devices below %s: no kernel tells of them", h.Root)
	}
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, unix.NETLINK_KOBJECT_UEVENT)
	if err != nil {
		return nil, os.NewSyscallError("socket", err)
	}
	if err := unix.Bind(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK, Groups: 1}); err != nil {
		unix.Close(fd)
		return nil, os.NewSyscallError("bind", err)
	}
	socket := os.NewFile(uintptr(fd), "uevents")
	return receive(ctx, socket), nil
}
