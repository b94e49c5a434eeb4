package attached

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/lunette-io/lunette/scsi"
)

// users are those of a device, as one text.
func (f *fake) users(id string) string {
	f.t.Helper()
	h := f.host()
	u, err := h.Find(id)
	f.check(err)
	all, err := h.Users(u)
	f.check(err)
	return strings.Join(all, "\n")
}

// TestUsers: each kind of user is found, and none of another device.
func TestUsers(t *testing.T) {
	f := lab(t)
	for _, id := range []string{"10:0:0:0", "2:0:1:0", "3:0:0:0", "4:0:0:0"} {
		if got := f.users(id); got != "" {
			t.Errorf("%s: %s", id, got)
		}
	}
	f.file("/proc/self/mountinfo", "22 27 0:21 / /proc rw,relatime - proc proc rw\n"+
		"30 1 102:17 / /mnt/a\\040b rw,relatime shared:1 - ext4 /dev/sda1 rw\n"+
		"31 1 0:99 / /pool rw - btrfs /dev/sdb rw\n"+
		"nonsense\n")
	f.file("/proc/swaps", "Filename\tType\tSize\tUsed\tPriority\n/dev/sda2 partition 1000 0 -2\n")
	f.dir("/sys/devices/virtual/block/dm-0")
	f.file("/sys/class/block/dm-0/dm/name", "mpatha\n")
	f.file("/sys/class/block/dm-0/dm/uuid", "mpath-36000\n")
	f.file("/sys/class/block/md0/md/array_state", "clean\n")
	f.dir(where("4:0:1:0") + "/block/sdc/holders/dm-0")
	f.dir(where("4:0:1:0") + "/block/sdc/holders/md0")
	f.file("/sys/class/block/loop3/loop/backing_file", "/dev/sdc\n")
	f.file("/proc/77/comm", "tar\n")
	f.link("/proc/77/fd/3", f.root+"/dev/nst0")
	f.link("/proc/77/fd/4", f.root+"/dev/nothing")
	f.link("/proc/77/fd/5", f.root+"/dev/null")
	f.busy["sr0"] = unix.EBUSY
	for id, want := range map[string][]string{
		"10:0:0:0": {"/dev/sda1 is mounted at /mnt/a b: umount it", "/dev/sda2 is swap space: swapoff /dev/sda2"},
		"4:0:0:0":  {"/dev/sdb is mounted at /pool: umount it"},
		"4:0:1:0":  {"/dev/sdc is a path of the multipath device mpatha", "/dev/sdc is part of the array /dev/md0", "/dev/sdc is behind /dev/loop3"},
		"2:0:1:0":  {"tar (process 77) has /dev/nst0 open"},
		"3:0:0:0":  {"/dev/sr0 is in use by the kernel"},
		"2:0:1:1":  nil,
	} {
		got := f.users(id)
		if strings.Count(got, "\n")+1 != max(len(want), 1) {
			t.Errorf("%s: %s", id, got)
		}
		for _, w := range want {
			if !strings.Contains(got, w) {
				t.Errorf("%s: %q is not in: %s", id, w, got)
			}
		}
	}
}

// TestUsersOfOtherPaths: who uses a device by another path uses it; who uses another one that is called the same by its maker alone does not.
func TestUsersOfOtherPaths(t *testing.T) {
	f := lab(t)
	f.add(thing{address: "11:0:0:0", kind: scsi.TypeDisk, vendor: "ACME", model: "BIG", serial: "D1", page83: naa(0, "D1"), driver: "sd", upper: []string{"block/sdz"}})
	f.file("/proc/self/mountinfo", "30 1 0:77 / /mnt rw - ext4 /dev/sdz rw\n31 1 0:99 / /stick rw - btrfs /dev/sdb rw\n")
	for id, want := range map[string]string{
		"10:0:0:0": "/dev/sdz is mounted at /mnt: umount it",
		"11:0:0:0": "/dev/sdz is mounted at /mnt: umount it",
		"4:0:0:0":  "/dev/sdb is mounted at /stick: umount it",
		"4:0:1:0":  "",
	} {
		if got := f.users(id); got != want {
			t.Errorf("%s: %q, want %q", id, got, want)
		}
	}
}

func (f *fake) content(path string) string {
	f.t.Helper()
	b, err := os.ReadFile(f.root + path)
	f.check(err)
	return string(b)
}

// TestDetach: a device that is used is not taken; one that is not is, and is given back if it is still there and has no driver.
func TestDetach(t *testing.T) {
	f := lab(t)
	h := f.host()
	tape, err := h.Find("HU123")
	f.check(err)
	f.file("/proc/77/comm", "tar\n")
	f.link("/proc/77/fd/3", f.root+"/dev/nst0")
	if _, err := h.Detach(tape); !errors.Is(err, ErrInUse) || !strings.Contains(err.Error(), "tar") {
		t.Fatal(err)
	}
	f.check(os.Remove(f.root + "/proc/77/fd/3"))
	attach, err := h.Detach(tape)
	f.check(err)
	if got := f.content("/sys/bus/scsi/drivers/st/unbind"); got != "2:0:1:0" {
		t.Errorf("%q was written to unbind", got)
	}
	// The driver still has it: as after it came back.
	f.check(attach())
	if got := f.content("/sys/bus/scsi/drivers/st/bind"); got != "" {
		t.Errorf("%q was written to bind", got)
	}
	f.check(os.Remove(f.root + where("2:0:1:0") + "/driver"))
	// One without a driver is as it should be; the kernel looks for one at the end.
	free, err := h.Find("HU123")
	f.check(err)
	if free.Driver != "" {
		t.Errorf("%+v", free)
	}
	nothing, err := h.Detach(free)
	f.check(err)
	f.check(nothing())
	if got := f.content("/sys/bus/scsi/drivers_probe"); got != "2:0:1:0" {
		t.Errorf("%q was written to drivers_probe", got)
	}
	if got := f.content("/sys/bus/scsi/drivers/st/bind"); got != "" {
		t.Errorf("%q was written to bind", got)
	}
	f.check(attach())
	if got := f.content("/sys/bus/scsi/drivers/st/bind"); got != "2:0:1:0" {
		t.Errorf("%q was written to bind", got)
	}
	f.remove("2:0:1:0")
	f.check(attach())
	if _, err := h.Detach(tape); !errors.Is(err, ErrNotFound) {
		t.Error(err)
	}

	disk, err := h.Find("D1")
	f.check(err)
	f.busy["sda"] = errTest // an empty drive, say
	f.check(os.Remove(f.root + "/sys/bus/scsi/drivers/sd/unbind"))
	f.dir("/sys/bus/scsi/drivers/sd/unbind")
	if _, err := h.Detach(disk); err == nil || !strings.Contains(err.Error(), "from the driver sd") {
		t.Error(err)
	}
	f.busy["sda"] = unix.EBUSY
	if _, err := h.Detach(disk); !errors.Is(err, ErrInUse) {
		t.Error(err)
	}
}

// TestWatch: once at the start, with each event, and with the clock when something has changed.
func TestWatch(t *testing.T) {
	f := lab(t)
	ctx, cancel := context.WithCancel(t.Context())
	events, ticks, calls, ended := make(chan struct{}), make(chan time.Time), make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		f.host().watch(ctx, func() { calls <- struct{}{} }, events, ticks)
	}()
	<-calls
	events <- struct{}{}
	<-calls
	// Nothing has changed: the next call is that of the next event.
	ticks <- time.Time{}
	ticks <- time.Time{}
	select {
	case events <- struct{}{}:
	case <-calls:
		t.Error("called though nothing has changed")
	}
	<-calls
	f.remove("3:0:0:0")
	f.add(thing{address: "3:0:0:0", kind: scsi.TypeOptical, vendor: "QEMU", model: "CD-ROM"})
	ticks <- time.Time{}
	<-calls
	// A driver has bound to it late.
	f.link(where("3:0:0:0")+"/driver", f.root+"/sys/bus/scsi/drivers/sr")
	ticks <- time.Time{}
	<-calls
	close(events)
	ticks <- time.Time{}
	cancel()
	<-ended
}

// TestWatchEnds: the real one, whatever this kernel tells, begins and ends.
func TestWatchEnds(t *testing.T) {
	for _, h := range []Host{{}, lab(t).host()} {
		ctx, cancel := context.WithCancel(t.Context())
		calls := 0
		if err := h.Watch(ctx, func() {
			if calls++; calls == 1 {
				cancel()
			}
		}); err != nil || calls == 0 {
			t.Errorf("%d calls, %v", calls, err)
		}
	}
}

// TestReceive: events come by, those of others do not, and one at a time is enough.
func TestReceive(t *testing.T) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	kernel := os.NewFile(uintptr(fds[1]), "kernel")
	defer kernel.Close()
	ctx, cancel := context.WithCancel(t.Context())
	events := receive(ctx, os.NewFile(uintptr(fds[0]), "uevents"))
	send := func(s string) {
		if _, err := kernel.WriteString(strings.ReplaceAll(s, " ", "\x00") + "\x00"); err != nil {
			t.Fatal(err)
		}
	}
	send("add@/devices/x ACTION=add SUBSYSTEM=net")
	send("add@/devices/x ACTION=add SUBSYSTEM=scsi SEQNUM=1")
	<-events
	send("libudev x SUBSYSTEM=scsi")
	send("remove@/devices/x ACTION=remove SUBSYSTEM=bsg")
	<-events
	cancel()
	if _, ok := <-events; ok {
		t.Error("an event of nobody's")
	}
}

// TestTold: who is told of devices.
func TestTold(t *testing.T) {
	for s, want := range map[string]bool{"         0          0 4294967295\n": true, "0 1000 1\n": false, "": false, "0 0 4294967295\n1 1 1\n": false} {
		if told(s) != want {
			t.Errorf("%q", s)
		}
	}
}

// TestDevices: numbers of real device files, and files that are none.
func TestDevices(t *testing.T) {
	h := Host{}
	if n, err := h.numberOf("/dev/null"); err != nil || n != (number{false, 1, 3}) {
		t.Errorf("%+v, %v", n, err)
	}
	if _, err := h.numberOf(t.TempDir()); !errors.Is(err, errNoDevice) {
		t.Error(err)
	}
	if _, err := h.numberOf(filepath.Join(t.TempDir(), "x")); !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
	release, err := h.exclusive("/dev/null")
	if err != nil {
		t.Fatal(err)
	}
	release()
}

func FuzzNames(f *testing.F) {
	f.Add(naa(scsi.TypeDisk, "x"))
	f.Add([]byte{0, 0x83, 0xff, 0xff, 1, 3, 0, 16})
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, n := range Names(wholePage(b, 0x83)) {
			if len(n) > 4+2*255 || strings.ContainsFunc(n, func(r rune) bool { return r < 0x20 || r > 0x7e }) {
				t.Errorf("%q", n)
			}
			if g, ok := folded(n); !ok {
				t.Errorf("%q is no name, folded as %q", n, g)
			}
		}
		_ = serialOf(b)
	})
}

func FuzzTexts(f *testing.F) {
	f.Add("30 1 8:17 / /mnt/a\\040b rw shared:1 - ext4 /dev/sda1 rw")
	f.Add("0:0:0:0")
	f.Add("wwn-0x5000")
	f.Add("8:0")
	f.Fuzz(func(t *testing.T, s string) {
		if m, ok := parseMount(s); ok && len(m.point) > len(s) {
			t.Errorf("%+v", m)
		}
		if a, ok := parseAddress(s); ok && slices.ContainsFunc([]byte(s), func(c byte) bool { return c != ':' && (c < '0' || c > '9') }) {
			t.Errorf("%+v", a)
		}
		parseNumber(s)
		folded(s)
		told(s)
		if got := printable(s); len(got) > len(s) {
			t.Errorf("%q", got)
		}
	})
}

func FuzzEvent(f *testing.F) {
	f.Add([]byte("add@/devices/x\x00ACTION=add\x00SUBSYSTEM=scsi\x00"))
	f.Add([]byte("libudev\x00\xfe\xed"))
	f.Fuzz(func(t *testing.T, b []byte) { concerns(b) })
}
