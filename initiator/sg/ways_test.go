package sg

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/sys/unix"

	"github.com/lunette-io/lunette/buffer"
	"github.com/lunette-io/lunette/internal/uring"
	"github.com/lunette-io/lunette/scsi"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// There is no device here: the guests in test/vm have some. What is between callers and the kernel is tested with files that
// behave a little like one. A pipe gives back what was written to it: to the way sg that is a device that answers GOOD.
func pipeDevice(t testing.TB, depth int) Device {
	t.Helper()
	name := filepath.Join(t.TempDir(), "sg")
	if err := unix.Mkfifo(name, 0o600); err != nil {
		t.Skipf("not tested here: the temporary directory takes no pipes: %v", err)
	}
	d, err := Open(Nodes{SG: name}, Config{IO: SG, Depth: depth})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// socketDevice is the way uring to a socket, whose command 0 says how much is in it: nothing, which is GOOD.
func socketDevice(t testing.TB, depth int) Device {
	t.Helper()
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	d := &ringDevice{common: newCommon(fd, "socket", Nodes{}, Uring, depth, Config{}, true), probed: true}
	if d.slots, err = newSlots(depth); err != nil {
		t.Fatal(err)
	}
	if d.loop, err = uring.StartWide(8, d); errors.Is(err, uring.ErrUnavailable) {
		d.release()
		t.Skipf("not tested here: %v", err)
	} else if err != nil {
		t.Fatal(err)
	}
	done := make(chan Result)
	d.Submit(&Command{CDB: make([]byte, 6), Done: func(c *Command) { done <- c.Result }})
	if r := <-done; r.Err != nil {
		d.Close()
		t.Skipf("sockets of this kernel take no commands: %v", r.Err)
	}
	return d
}

// nullDevice is the way threads to a file that has no such ioctl.
func nullDevice(t testing.TB, depth int) Device {
	t.Helper()
	d, err := Open(Nodes{BSG: os.DevNull}, Config{IO: Threads, Depth: depth})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// TestQueue: many more commands than there is room for, from many goroutines and from Done; each ends once, in any way.
func TestQueue(t *testing.T) {
	for name, x := range map[string]struct {
		open func(testing.TB, int) Device
		err  error
	}{Uring: {socketDevice, nil}, Threads: {nullDevice, unix.ENOTTY}, SG: {pipeDevice, nil}} {
		for _, depth := range []int{1, 3, 8} {
			t.Run(name, func(t *testing.T) {
				d := x.open(t, depth)
				const senders, rounds = 40, 50
				mem := mapped(t, senders*512)
				var dones atomic.Int64
				var wait sync.WaitGroup
				for i := range senders {
					wait.Add(1)
					left := rounds
					c := &Command{CDB: make([]byte, 1+i%MaxCDB), Direction: In, Data: buffer.Segment{Mem: mem[i*512:][:512]}}
					c.Done = func(c *Command) {
						dones.Add(1)
						if c.Result.Err != x.err || c.Result.Status != scsi.Good || c.Result.Host != HostOK || c.Link != nil {
							t.Errorf("%+v", c.Result)
						}
						if left--; left == 0 {
							wait.Done()
							return
						}
						if left%10 == 0 {
							go d.Submit(c)
							return
						}
						d.Submit(c)
					}
					go d.Submit(c)
				}
				wait.Wait()
				if err := d.Close(); err != nil {
					t.Error(err)
				}
				if dones.Load() != senders*rounds {
					t.Errorf("%d calls of Done", dones.Load())
				}
				var late Command
				late.CDB = make([]byte, 6)
				late.Done = func(*Command) { dones.Add(1) }
				d.Submit(&late)
				if !errors.Is(late.Result.Err, os.ErrClosed) || dones.Load() != senders*rounds+1 {
					t.Errorf("after Close: %+v", late.Result)
				}
				if err := d.Close(); !errors.Is(err, os.ErrClosed) {
					t.Errorf("closed twice: %v", err)
				}
			})
		}
	}
}

// TestRefused: what no kernel takes is not sent.
func TestRefused(t *testing.T) {
	mem := mapped(t, 8192)
	for name, open := range map[string]func(testing.TB, int) Device{Uring: socketDevice, Threads: nullDevice, SG: pipeDevice} {
		t.Run(name, func(t *testing.T) {
			d := open(t, 1)
			defer d.Close()
			switch d := d.(type) {
			case *ringDevice:
				d.info.MaxTransfer = 4096
			case *threadDevice:
				d.info.MaxTransfer = 4096
			case *rwDevice:
				d.info.MaxTransfer = 4096
			}
			for _, c := range []Command{
				{}, {CDB: make([]byte, MaxCDB+1)}, {CDB: make([]byte, 6), Data: buffer.Segment{Mem: mem}}, {CDB: make([]byte, 6), Direction: 9, Data: buffer.Segment{Mem: mem}},
				{CDB: make([]byte, 6), Direction: Out, Data: buffer.Segment{Mem: mem}},
			} {
				c.Result = Result{Status: 2, Sense: 18}
				dones := 0
				c.Done = func(*Command) { dones++ } // before Submit returns
				d.Submit(&c)
				if want := (Result{Err: c.Result.Err, Residual: int64(len(c.Data.Mem))}); dones != 1 || !errors.Is(c.Result.Err, ErrInvalid) || c.Result != want {
					t.Errorf("%d bytes, direction %d: %+v", len(c.CDB), c.Direction, c.Result)
				}
			}
		})
	}
}

// TestAllocations: sending a command allocates nothing.
func TestAllocations(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	for name, open := range map[string]func(testing.TB, int) Device{Uring: socketDevice, Threads: nullDevice, SG: pipeDevice} {
		t.Run(name, func(t *testing.T) {
			d := open(t, 4)
			defer d.Close()
			ended := make(chan struct{}, 1)
			c := &Command{CDB: make([]byte, 6), Done: func(*Command) { ended <- struct{}{} }}
			if n := testing.AllocsPerRun(200, func() { d.Submit(c); <-ended }); n >= 1 {
				t.Errorf("%v allocations", n)
			}
		})
	}
}

// TestOpenSays: each way says what it lacks, and the best of those that are there is taken.
func TestOpenSays(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	gone := filepath.Join(t.TempDir(), "gone")
	d, err := Open(Nodes{BSG: file}, Config{Depth: 1000, MaxTransfer: 7})
	if err != nil {
		t.Fatal(err)
	}
	i := d.Info()
	d.Close()
	if i.IO != Threads || i.Node != file || i.Depth != MaxDepthThreads || i.MaxTransfer != 7 || !i.Direct || !strings.Contains(i.Instead, "uring") {
		t.Errorf("%+v", i)
	}
	for _, x := range []struct {
		nodes Nodes
		io    string
		kind  error
		says  []string
	}{
		{Nodes{}, "", nil, []string{"uring", "threads", "modprobe sg", "CONFIG_BLK_DEV_BSG"}},
		{Nodes{BSG: gone, SG: gone}, Auto, ErrGone, []string{"uring", "leads nowhere"}},
		{Nodes{BSG: file}, Uring, nil, []string{"uring: "}},
		{Nodes{SG: gone}, SG, ErrGone, []string{"sg: "}},
		{Nodes{BSG: file}, "ioctl", nil, []string{`"ioctl"`, "threads"}},
	} {
		_, err := Open(x.nodes, Config{IO: x.io})
		if err == nil || x.kind != nil && !errors.Is(err, x.kind) || x.kind == nil && (errors.Is(err, ErrGone) || errors.Is(err, ErrPrivilege)) {
			t.Errorf("%+v: %v", x, err)
			continue
		}
		for _, say := range x.says {
			if !strings.Contains(err.Error(), say) {
				t.Errorf("%+v: %q does not say %q", x.nodes, err, say)
			}
		}
	}
	no := func(err error) func(string, Nodes, Config) (Device, error) {
		return func(node string, _ Nodes, _ Config) (Device, error) { return nil, explain(node, err) }
	}
	for _, x := range []struct {
		errs [2]error
		kind error
	}{
		{[2]error{unix.EACCES, unix.EPERM}, ErrPrivilege}, {[2]error{unix.EBUSY, unix.EACCES}, ErrPrivilege}, {[2]error{unix.ENXIO, unix.ENODEV}, ErrGone},
		{[2]error{unix.ENXIO, unix.EACCES}, nil}, {[2]error{unix.EBUSY, unix.EIO}, nil},
	} {
		_, err := choose([]way{{"a", "/dev/a", "", no(x.errs[0])}, {"b", "/dev/b", "", no(x.errs[1])}}, Nodes{}, Config{})
		if errors.Is(err, ErrPrivilege) != (x.kind == ErrPrivilege) || errors.Is(err, ErrGone) != (x.kind == ErrGone) || !strings.Contains(err.Error(), "/dev/a") || !strings.Contains(err.Error(), "/dev/b") {
			t.Errorf("%v: %v", x.errs, err)
		}
	}
}

// TestResetSays: what takes no resets is told apart from what is not permitted.
func TestResetSays(t *testing.T) {
	d := nullDevice(t, 1)
	defer d.Close()
	if err := d.Reset(); !errors.Is(err, errors.ErrUnsupported) || !strings.Contains(err.Error(), "modprobe sg") {
		t.Errorf("no device file: %v", err)
	}
	if err := reset(Nodes{Upper: os.DevNull}); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("a file that is no device: %v", err)
	}
	if err := reset(Nodes{SG: filepath.Join(t.TempDir(), "gone"), Upper: os.DevNull}); !errors.Is(err, ErrGone) {
		t.Errorf("no such file: %v", err)
	}
}

// TestLost: a file that sg does not let us read any more ends all that is under way, as nothing that was GOOD, and is opened anew.
func TestLost(t *testing.T) {
	d := pipeDevice(t, 4)
	done := make(chan Result, 8)
	c := &Command{CDB: make([]byte, 6), Done: func(c *Command) { done <- c.Result }}
	d.Submit(c)
	if r := <-done; r.Err != nil {
		t.Fatal(r.Err)
	}
	rw := d.(*rwDevice)
	fd := rw.fd
	// What comes out of the pipe now is of no command.
	other := v3{packID: 99}
	if _, err := unix.Write(fd, other.bytes()); err != nil {
		t.Fatal(err)
	}
	d.Submit(c)
	select {
	case r := <-done:
		if r.Host != HostError || r.Err != nil {
			t.Errorf("%+v", r)
		}
	case <-time.After(30 * time.Second):
		t.Fatal("it does not end")
	}
	d.Submit(c)
	if r := <-done; !r.Executed() {
		t.Errorf("opened anew: %+v", r)
	}
	if err := d.Close(); err != nil {
		t.Error(err)
	}
}

// Where nothing may be repeated, the ioctl of bsg is the last way.
func TestOnce(t *testing.T) {
	for once, want := range map[bool]string{false: "uring threads sg", true: "uring sg threads"} {
		var names []string
		for _, w := range ways(Nodes{}, once) {
			names = append(names, w.name)
		}
		if got := strings.Join(names, " "); got != want {
			t.Errorf("Once %v: %s, not %s", once, got, want)
		}
	}
}
