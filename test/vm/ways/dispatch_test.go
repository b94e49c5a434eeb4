//go:build vm

package ways

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/lunette-io/lunette/buffer"
	"github.com/lunette-io/lunette/initiator/sg"
)

const tracing = "/sys/kernel/tracing/"

// A trace is what the kernel says of the READ(10)s that it gives to adapters.
type trace struct{ t testing.TB }

func traced(t testing.TB) trace {
	t.Helper()
	x := trace{t}
	x.write("events/scsi/scsi_dispatch_cmd_start/filter", "opcode == 0x28")
	x.write("trace", "")
	x.write("events/scsi/scsi_dispatch_cmd_start/enable", "1")
	t.Cleanup(func() { x.write("events/scsi/scsi_dispatch_cmd_start/enable", "0") })
	return x
}

func (x trace) write(name, value string) {
	x.t.Helper()
	if err := os.WriteFile(tracing+name, []byte(value), 0); err != nil {
		x.t.Fatal(err)
	}
}

// dispatches is how often the READ(10) at lba has been given to an adapter.
func (x trace) dispatches(lba uint32) int {
	x.t.Helper()
	b, err := os.ReadFile(tracing + "trace")
	if err != nil {
		x.t.Fatal(err)
	}
	raw := fmt.Sprintf("raw=28 00 %02x %02x %02x %02x ", lba>>24, lba>>16&0xff, lba>>8&0xff, lba&0xff)
	return strings.Count(string(b), raw)
}

// signals sends a signal to each thread of this process a thousand times a second, until it is stopped: that by which the Go runtime makes goroutines yield.
func signals() (stop func() int) {
	var wait sync.WaitGroup
	end := make(chan struct{})
	sent := 0
	wait.Go(func() {
		tick := time.NewTicker(time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-end:
				return
			case <-tick.C:
			}
			tasks, _ := filepath.Glob("/proc/self/task/*")
			for _, task := range tasks {
				if tid, err := strconv.Atoi(filepath.Base(task)); err == nil && unix.Tgkill(os.Getpid(), tid, unix.SIGURG) == nil {
					sent++
				}
			}
		}
	})
	return func() int { close(end); wait.Wait(); return sent }
}

// TestSignals: slow commands, as many as the way takes and more, while all threads get signals: each is given to the adapter exactly once, and as
// many are under way as there should be, unless this machine is slower with sending them than the device with the first.
func TestSignals(t *testing.T) {
	lba := uint32(1000)
	forEach(t, func(t *testing.T, io string) {
		d := open(t, address(t, 0), io, 0)
		defer d.Close()
		quieten(t, d)
		x := traced(t)
		depth := d.Info().Depth
		n := depth + depth/2
		busy := 0
		for jiffies := 100; busy < depth && jiffies <= 1600; jiffies *= 4 {
			slow(t, jiffies)
			stop := signals()
			busy = manyReads(t, d, lba, n)
			t.Logf("%d signals; %d commands, %d of them under way at a time", stop(), n, busy)
			for i := range n {
				if k := x.dispatches(lba + uint32(i)); k != 1 {
					t.Errorf("command %d was dispatched %d times", i, k)
				}
			}
			lba += uint32(n)
		}
		if busy < depth {
			t.Errorf("%d commands were under way at a time, not %d", busy, depth)
		}
	})
}

// manyReads sends n commands, one for each block from lba on, all of which have to be GOOD, and returns how many were under way at a time.
func manyReads(t *testing.T, d sg.Device, lba uint32, n int) (busy int) {
	mem := mapped(t, n*512)
	var all sync.WaitGroup
	commands := make([]sg.Command, n)
	for i := range commands {
		all.Add(1)
		commands[i] = sg.Command{
			CDB: read10(lba+uint32(i), 1), Direction: sg.In, Data: buffer.Segment{Mem: mem[i*512:][:512]}, Timeout: time.Minute,
			Done: func(*sg.Command) { all.Done() },
		}
		d.Submit(&commands[i])
	}
	over := make(chan struct{})
	go func() { all.Wait(); close(over) }()
	for done := false; !done; {
		select {
		case <-over:
			done = true
		case <-time.After(5 * time.Millisecond):
			if b, err := os.ReadFile("/sys/bus/scsi/devices/" + address(t, 0) + "/device_busy"); err == nil {
				k, _ := strconv.Atoi(strings.TrimSpace(string(b)))
				busy = max(busy, k)
			}
		}
	}
	for i := range commands {
		good(t, &commands[i])
	}
	return busy
}

// TestSGIO shows that TestSignals can fail: with the ioctl that is never used on sg.
func TestSGIO(t *testing.T) {
	if os.Getenv(waysVariable) == "" {
		t.Skip("there are no devices here")
	}
	fd, err := unix.Open(nodes(t, address(t, 0)).SG, unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	slow(t, 100)
	x := traced(t)
	mem := mapped(t, 4096)
	copy(mem, read10(5000, 1))
	at := uintptr(unsafe.Pointer(&mem[0]))
	header := struct {
		id, direction     int32
		cdbLen, senseLen  uint8
		_                 uint16
		dataLen           uint32
		data, cdb, sense  uintptr
		timeout, flags    uint32
		_                 int32
		_                 uintptr
		status            [4]uint8
		host, driver      uint16
		_, duration, info uint32
	}{id: 'S', direction: -3, cdbLen: 10, senseLen: 96, dataLen: 512, data: at + 1024, cdb: at, sense: at + 512, timeout: 60000}
	stop := signals()
	_, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), 0x2285, uintptr(unsafe.Pointer(&header)))
	t.Logf("%d signals, %v", stop(), errno)
	if k := x.dispatches(5000); k < 2 {
		t.Errorf("SG_IO on sg has dispatched its command %d times: signals do nothing here, and TestSignals shows nothing", k)
	} else {
		t.Logf("dispatched %d times", k)
	}
}

// TestUnplugged: the device goes while commands are under way. Each of them ends, and later ones say that it is gone.
func TestUnplugged(t *testing.T) {
	at := 0
	forEach(t, func(t *testing.T, io string) {
		at++
		where := address(t, at)
		n := nodes(t, where)
		d := open(t, where, io, 4)
		quieten(t, d)
		slow(t, 100)
		mem := mapped(t, 512)
		var under, then sync.WaitGroup
		commands := make([]sg.Command, 12) // some of which wait here
		results := map[string]int{}
		var mu sync.Mutex
		under.Add(len(commands))
		for i := range commands {
			commands[i] = sg.Command{CDB: read10(uint32(i), 1), Direction: sg.In, Data: buffer.Segment{Mem: mem}, Timeout: time.Minute}
			commands[i].Done = func(c *sg.Command) {
				mu.Lock()
				results[fmt.Sprintf("%v %v %v", c.Result.Err, c.Result.Host, c.Result.Status)]++
				mu.Unlock()
				under.Done()
			}
			d.Submit(&commands[i])
		}
		then.Go(func() {
			if err := os.WriteFile("/sys/bus/scsi/devices/"+where+"/delete", []byte("1"), 0); err != nil {
				t.Error(err)
			}
		})
		under.Wait()
		then.Wait()
		t.Log(results)
		c := do(d, make([]byte, 6), sg.None, nil)
		if c.Result.Executed() || c.Result.Err != sg.ErrGone && c.Result.Host != sg.HostNoConnect {
			t.Errorf("after it went: %+v", c.Result)
		}
		t.Logf("after it went: %+v", c.Result)
		if err := d.Reset(); !errors.Is(err, sg.ErrGone) {
			t.Errorf("reset: %v", err)
		}
		if err := d.Close(); err != nil {
			t.Error(err)
		}
		if _, err := sg.Open(n, sg.Config{IO: io}); !errors.Is(err, sg.ErrGone) {
			t.Errorf("open: %v", err)
		}
	})
}
