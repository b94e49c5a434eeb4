//go:build vm

package ways

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/lunette-io/lunette/buffer"
	"github.com/lunette-io/lunette/initiator/sg"
	"github.com/lunette-io/lunette/initiator/sg/sgtest"
	"github.com/lunette-io/lunette/scsi"
)

// TestAuto: the best way that the kernel has is taken, and why it is not a better one is said.
func TestAuto(t *testing.T) {
	ways := strings.Fields(os.Getenv(waysVariable))
	if len(ways) == 0 {
		t.Skip("there are no devices here")
	}
	d := open(t, address(t, 0), sg.Auto, 0)
	defer d.Close()
	if i := d.Info(); i.IO != ways[0] || (i.Instead == "") != (ways[0] == sg.Uring) {
		t.Errorf("%+v", i)
	} else {
		t.Logf("%+v", i)
	}
}

// TestSuite is the suite of all devices.
func TestSuite(t *testing.T) {
	forEach(t, func(t *testing.T, io string) {
		sgtest.Run(t, func(t testing.TB) (sg.Device, sgtest.Facts) {
			d := open(t, address(t, 0), io, 0)
			return d, facts(t, d)
		})
	})
}

// TestTape is what of the suite is for all types, with a tape drive: the last of the devices.
func TestTape(t *testing.T) {
	tape := len(strings.Fields(os.Getenv(devicesVariable))) - 1
	forEach(t, func(t *testing.T, io string) {
		sgtest.Run(t, func(t testing.TB) (sg.Device, sgtest.Facts) {
			d := open(t, address(t, tape), io, 1)
			quieten(t, d)
			return d, sgtest.Facts{Type: scsi.TypeTape}
		})
	})
}

// TestAnswers: what the device says is the same by each way, to the bit; residuals and sense are those of the device.
func TestAnswers(t *testing.T) {
	var first []string
	forEach(t, func(t *testing.T, io string) {
		d := open(t, address(t, 0), io, 0)
		defer d.Close()
		quieten(t, d)
		var said []string
		for _, x := range []struct {
			cdb []byte
			n   int
		}{
			{[]byte{0x12, 0, 0, 0x10, 0, 0}, 4096}, {[]byte{0x12, 1, 0x83, 0x10, 0, 0}, 4096}, {[]byte{0x12, 1, 0x80, 0, 252, 0}, 252}, {[]byte{0x12, 1, 0xee, 0, 252, 0}, 252},
			{read10(0x7fffffff, 1), 512}, {[]byte{0xdf, 0, 0, 0, 0, 0}, 0}, {[]byte{0x1a, 0, 0x3f, 0, 255, 0}, 255}, {[]byte{0x5a, 0x10, 0x3f, 0, 0, 0, 0, 0x10, 0, 0}, 4096},
			{[]byte{0xa0, 0, 0, 0, 0, 0, 0, 0, 0x10, 0, 0, 0}, 4096}, {[]byte{0xa3, 0x0c, 0, 0, 0, 0, 0, 0, 0x20, 0, 0, 0}, 8192}, {[]byte{0x03, 0, 0, 0, 252, 0}, 252},
		} {
			c := do(d, x.cdb, sg.In, mapped(t, max(x.n, 1))[:x.n])
			r := c.Result
			if !r.Executed() {
				t.Errorf("% x: %+v", x.cdb, r)
				continue
			}
			sense := c.Sense[:r.Sense]
			if r.Status == scsi.CheckCondition && (len(sense) < 8 || len(sense) != 8+int(sense[7])) {
				t.Errorf("% x: sense % x", x.cdb, sense)
			}
			if x.cdb[0] == 0x12 && x.cdb[1] == 0 && int(r.Residual) != x.n-5-int(c.Data.Mem[4]) {
				t.Errorf("INQUIRY: residual %d of %d, and %d bytes behind the fifth", r.Residual, x.n, c.Data.Mem[4])
			}
			moved := x.n - int(r.Residual)
			if r.Status != scsi.Good {
				moved = 0 // scsi_debug says nothing of what was not moved
			}
			said = append(said, fmt.Sprintf("% x: %v, sense % x, residual %d, % x", x.cdb, r.Status, sense, r.Residual, c.Data.Mem[:moved]))
		}
		if first == nil {
			first = said
		}
		for i := range said {
			if said[i] != first[i] {
				t.Errorf("%s\nand before\n%s", said[i], first[i])
			}
		}
	})
}

// TestNothingElse: what a command that has moved nothing brings is nothing, also where the adapter does not say so.
func TestNothingElse(t *testing.T) {
	forEach(t, func(t *testing.T, io string) {
		d := open(t, address(t, 0), io, 0)
		defer d.Close()
		quieten(t, d)
		for range 20 {
			mem := mapped(t, 256<<10)
			c := do(d, read10(0x7fffffff, len(mem)/512), sg.In, mem)
			if !c.Result.Executed() || c.Result.Status != scsi.CheckCondition {
				t.Fatalf("%+v", c.Result)
			}
			if n := len(mem) - bytes.Count(mem, []byte{0}); n != 0 {
				t.Fatalf("a residual of %d, and %d bytes of something", c.Result.Residual, n)
			}
		}
	})
}

// TestArena: data in the memory that data lies in elsewhere, whose regions a ring registers, and data that is larger than a piece of it.
func TestArena(t *testing.T) {
	forEach(t, func(t *testing.T, io string) {
		arena := buffer.NewArena(64 << 20)
		defer arena.Close()
		d := open(t, address(t, 0), io, 0)
		defer d.Close()
		quieten(t, d)
		lease, err := arena.Get(1 << 20)
		if err != nil {
			t.Fatal(err)
		}
		defer lease.Release()
		s := lease.Segment(0)
		if s.Region == nil || len(s.Mem) != 1<<20 {
			t.Fatalf("%d bytes, region %v", len(s.Mem), s.Region)
		}
		for i := range s.Mem {
			s.Mem[i] = byte(i*7) ^ byte(i>>9) ^ byte(len(io))
		}
		for _, n := range []int{1, 7, 2048} {
			for _, at := range []int{0, 512} {
				m := min(n*512, len(s.Mem)-at) / 512 * 512
				out := buffer.Segment{Mem: s.Mem[at:][:m], Region: s.Region}
				good(t, doSegment(d, write10(3, m/512), sg.Out, out))
				in := mapped(t, m)
				good(t, do(d, read10(3, m/512), sg.In, in))
				if !bytes.Equal(in, out.Mem) {
					t.Fatalf("WRITE of %d bytes at %d: other data", m, at)
				}
				clear(out.Mem)
				good(t, doSegment(d, read10(3, m/512), sg.In, out))
				if !bytes.Equal(in, out.Mem) {
					t.Fatalf("READ of %d bytes at %d: other data", m, at)
				}
			}
		}
		large, back := mapped(t, 4<<20), mapped(t, 4<<20)
		for i := range large {
			large[i] = byte(i*3) ^ byte(i>>9) ^ byte(len(io))
		}
		good(t, do(d, write10(0, len(large)/512), sg.Out, large))
		good(t, do(d, read10(0, len(large)/512), sg.In, back))
		if !bytes.Equal(large, back) {
			t.Fatal("4 MiB: other data")
		}
	})
}

// TestTooMuch: what the adapter does not move is an error, and the device goes on.
func TestTooMuch(t *testing.T) {
	forEach(t, func(t *testing.T, io string) {
		d := open(t, address(t, 0), io, 0)
		defer d.Close()
		quieten(t, d)
		c := do(d, read10(0, 0xffff), sg.In, mapped(t, 256<<20))
		if c.Result.Err == nil || c.Result.Executed() || errors.Is(c.Result.Err, sg.ErrGone) {
			t.Errorf("%+v", c.Result)
		}
		t.Log(c.Result.Err)
		good(t, do(d, make([]byte, 6), sg.None, nil))
	})
}

// TestTimeout: a command that the device does not answer ends as one that has timed out.
func TestTimeout(t *testing.T) {
	forEach(t, func(t *testing.T, io string) {
		d := open(t, address(t, 0), io, 0)
		defer d.Close()
		quieten(t, d)
		set(t, "opts", "4")
		set(t, "every_nth", "1")
		ended := make(chan struct{})
		c := &sg.Command{CDB: read10(77, 1), Direction: sg.In, Data: buffer.Segment{Mem: mapped(t, 512)}, Timeout: time.Second, Done: func(*sg.Command) { close(ended) }}
		d.Submit(c)
		<-ended
		set(t, "every_nth", "0")
		set(t, "opts", "0")
		if c.Result.Host != sg.HostTimeOut || c.Result.Executed() {
			t.Errorf("%+v", c.Result)
		}
		quieten(t, d)
	})
}

// TestReset: the logical unit says that it was reset.
func TestReset(t *testing.T) {
	forEach(t, func(t *testing.T, io string) {
		all := nodes(t, address(t, 0))
		for _, n := range []sg.Nodes{{BSG: all.BSG, SG: all.SG}, {BSG: all.BSG, SG: all.SG, Upper: all.Upper}, {BSG: all.BSG, Upper: all.Upper}} {
			if io == sg.SG && n.SG == "" {
				continue
			}
			d, err := sg.Open(n, sg.Config{IO: io})
			if err != nil {
				t.Fatal(err)
			}
			quieten(t, d)
			// Only one is told, who may be somebody else who looks at a disk that was closed a moment ago.
			var c *sg.Command
			for range 5 {
				if err := d.Reset(); err != nil {
					t.Errorf("%+v: %v", n, err)
				}
				if c = do(d, make([]byte, 6), sg.None, nil); c.Result.Status == scsi.CheckCondition {
					break
				}
			}
			if c.Result.Status != scsi.CheckCondition || c.Result.Sense < 14 || c.Sense[2]&0xf != 6 || c.Sense[12] != 0x29 {
				t.Errorf("%+v: %+v, sense % x", n, c.Result, c.Sense[:c.Result.Sense])
			}
			d.Close()
		}
	})
}

const privilegeVariable = "LUNETTE_WAYS_PRIVILEGE"

// TestPrivilege: what a process may not do says so. It loses what it had after it has opened the device, in a process of its own.
func TestPrivilege(t *testing.T) {
	forEach(t, func(t *testing.T, io string) {
		cmd := exec.Command(os.Args[0], "-test.run=^TestUnprivileged$", "-test.v")
		cmd.Env = append(os.Environ(), privilegeVariable+"="+io)
		if out, err := cmd.CombinedOutput(); err != nil || bytes.Contains(out, []byte("SKIP")) {
			t.Errorf("%v\n%s", err, out)
		}
	})
}

// TestUnprivileged is the other process of TestPrivilege.
func TestUnprivileged(t *testing.T) {
	io := os.Getenv(privilegeVariable)
	if io == "" {
		t.Skip("it is the other process of TestPrivilege")
	}
	n := nodes(t, address(t, 0))
	d, err := sg.Open(n, sg.Config{IO: io})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	quieten(t, d)
	if err := syscall.Setresuid(65534, 65534, 65534); err != nil {
		t.Fatal(err)
	}
	inquiry := do(d, []byte{0x12, 0, 0, 0, 96, 0}, sg.In, mapped(t, 96))
	if io == sg.SG {
		if inquiry.Result.Err != sg.ErrPrivilege { // with other credentials than it was opened with
			t.Errorf("INQUIRY: %+v", inquiry.Result)
		}
	} else {
		good(t, inquiry)
	}
	if c := do(d, []byte{0x5e, 0, 0, 0, 0, 0, 0, 0, 8, 0}, sg.In, mapped(t, 8)); c.Result.Err != sg.ErrPrivilege {
		t.Errorf("PERSISTENT RESERVE IN: %+v", c.Result)
	}
	if err := d.Reset(); !errors.Is(err, sg.ErrPrivilege) {
		t.Errorf("reset: %v", err)
	}
	if _, err := sg.Open(n, sg.Config{IO: io}); !errors.Is(err, sg.ErrPrivilege) {
		t.Errorf("open: %v", err)
	} else {
		t.Log(err)
	}
	if _, err := os.Open(n.BSG); !errors.Is(err, unix.EACCES) {
		t.Errorf("this user may open %s: %v", n.BSG, err)
	}
}
