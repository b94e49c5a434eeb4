package sgtest

import (
	"bytes"
	"encoding/binary"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/lunette-io/lunette/buffer"
	"github.com/lunette-io/lunette/initiator/sg"
	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/scsi/cdb"
	"github.com/lunette-io/lunette/scsi/page"
)

// Facts are what the suite has to know of a device that is not its own.
type Facts struct {
	Type scsi.PeripheralType
	// Blocks and BlockSize are those of a disk. With Writable the suite writes to it, all over it.
	Blocks    uint64
	BlockSize int
	Writable  bool
	// Allocates says that sending a command may allocate; else the suite holds that it does not.
	Allocates bool
}

// Run is the suite that each way to a device passes. open opens the device anew for each test, which closes it.
func Run(t *testing.T, open func(t testing.TB) (sg.Device, Facts)) {
	for _, c := range []struct {
		name string
		disk bool // it takes a disk
		run  func(*suite)
	}{
		{"inquiry", false, (*suite).inquiry},
		{"status and sense", false, (*suite).status},
		{"one Done each", false, (*suite).oneDone},
		{"submitted by Done", false, (*suite).chain},
		{"lengths of CDBs", false, (*suite).lengths},
		{"data", true, (*suite).data},
		{"data that lies anywhere", true, (*suite).unaligned},
		{"reads past the end", true, (*suite).pastEnd},
		{"many at a time", true, (*suite).many},
		{"memory is given back", true, (*suite).givenBack},
		{"allocations", false, (*suite).allocations},
	} {
		counted := true
		t.Run(c.name, func(t *testing.T) {
			dev, facts := open(t)
			s := &suite{T: t, dev: dev, facts: facts}
			defer func() {
				if err := dev.Close(); err != nil {
					t.Errorf("Close: %v", err)
				}
				for _, x := range s.calls {
					if x.dones.Load() != x.submits.Load() {
						counted = false
						t.Errorf("%d calls of Done for %d of Submit: % x", x.dones.Load(), x.submits.Load(), x.CDB)
					}
				}
			}()
			if c.disk && (facts.Type != scsi.TypeDisk || facts.Blocks == 0 || facts.BlockSize == 0) {
				t.Skip("it is not a disk")
			}
			s.settle()
			c.run(s)
		})
		if !counted {
			return // nobody can tell any more whose Done is whose
		}
	}
}

// A suite is a test of the suite.
type suite struct {
	*testing.T
	dev   sg.Device
	facts Facts

	mu    sync.Mutex
	calls []*call
}

// memory is n bytes outside of the Go heap, for the time of the test.
func (s *suite) memory(n int) []byte {
	s.Helper()
	b, err := unix.Mmap(-1, 0, n, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE)
	if err != nil {
		s.Fatal(err)
	}
	s.Cleanup(func() { unix.Munmap(b) })
	return b
}

// A call is a command, to be sent again and again, of which one is under way at a time.
type call struct {
	sg.Command
	ended          chan struct{}
	submits, dones atomic.Int32
}

// call is a new one. Whether each Submit has had one Done is looked at when the test has ended.
func (s *suite) call() *call {
	x := &call{ended: make(chan struct{}, 1)}
	x.Timeout = 60 * time.Second
	x.Done = func(c *sg.Command) {
		x.dones.Add(1)
		select {
		case x.ended <- struct{}{}:
		default:
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls = append(s.calls, x)
	return x
}

// set makes x this command.
func (x *call) set(c []byte, direction sg.Direction, data []byte) *call {
	x.CDB, x.Direction, x.Data = c, direction, buffer.Segment{Mem: data}
	return x
}

// do sends x and waits for its end.
func (x *call) do(dev sg.Device) *sg.Result {
	x.submit(dev)
	<-x.ended
	return &x.Result
}

func (x *call) submit(dev sg.Device) {
	x.submits.Add(1)
	dev.Submit(&x.Command)
}

// sense is the sense of x, which must have ended with CHECK CONDITION.
func (s *suite) sense(x *call) scsi.Sense {
	s.Helper()
	if !x.Result.Executed() || x.Result.Status != scsi.CheckCondition {
		s.Fatalf("% x: %+v, and it should be CHECK CONDITION", x.CDB, x.Result)
	}
	sense, err := scsi.ParseSense(x.Sense[:x.Result.Sense])
	if err != nil {
		s.Fatalf("% x: sense data % x: %v", x.CDB, x.Sense[:x.Result.Sense], err)
	}
	return sense
}

// good fails unless x ended with GOOD, and at least n bytes were moved.
func (s *suite) good(x *call, n int) {
	s.Helper()
	r := &x.Result
	if !r.Executed() || r.Status != scsi.Good {
		s.Fatalf("% x: %+v, sense % x", x.CDB, *r, x.Sense[:r.Sense])
	}
	if r.Sense != 0 {
		s.Errorf("% x: GOOD has sense data % x", x.CDB, x.Sense[:r.Sense])
	}
	if r.Residual < 0 || r.Residual > int64(len(x.Data.Mem)-n) {
		s.Errorf("% x: a residual of %d bytes, of %d", x.CDB, r.Residual, len(x.Data.Mem))
	}
}

// settle takes the unit attentions that are pending.
func (s *suite) settle() {
	s.Helper()
	x := s.call().set(make([]byte, 6), sg.None, nil)
	for range 16 {
		if r := x.do(s.dev); r.Executed() && r.Status == scsi.Good {
			return
		}
		if s.sense(x).Key != scsi.KeyUnitAttention {
			return // an empty drive, perhaps: what is asked of it is asked all the same
		}
	}
	s.Fatal("there is no end of unit attentions")
}

// inquiry: data-in, and what was not moved.
func (s *suite) inquiry() {
	for _, n := range []int{36, 96, 255, 4096} {
		x := s.call().set(cdb.Inquiry{Allocation: uint16(n)}.Append(nil), sg.In, s.memory(n))
		x.do(s.dev)
		s.good(x, 36)
		if got := scsi.PeripheralType(x.Data.Mem[0] & 0x1f); got != s.facts.Type {
			s.Errorf("it is a %v, not a %v", got, s.facts.Type)
		}
		if x.Data.Mem[4] < 31 {
			s.Errorf("INQUIRY data % x", x.Data.Mem[:36])
		}
	}
	x := s.call().set(cdb.Inquiry{VPD: true, Page: page.VPDSupported, Allocation: 252}.Append(nil), sg.In, s.memory(252))
	x.do(s.dev)
	s.good(x, 4)
}

// status: CHECK CONDITION has its sense, which is gone with the next command.
func (s *suite) status() {
	x := s.call()
	for range 3 {
		x.set(cdb.Inquiry{VPD: true, Page: 0xee, Allocation: 255}.Append(nil), sg.In, s.memory(255)).do(s.dev)
		if sense := s.sense(x); sense.Key != scsi.KeyIllegalRequest || sense.ASC != scsi.ASCInvalidFieldInCDB {
			s.Errorf("a VPD page that is not there: %v", sense)
		}
		x.set([]byte{0xdf, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}, sg.None, nil).do(s.dev)
		if sense := s.sense(x); sense.Key != scsi.KeyIllegalRequest || sense.ASC != scsi.ASCInvalidOpcode {
			s.Errorf("a command that is not there: %v", sense)
		}
		x.set(cdb.Inquiry{Allocation: 36}.Append(nil), sg.In, s.memory(36)).do(s.dev)
		s.good(x, 36)
	}
}

// oneDone: some commands at a time from several goroutines, each used again; each Submit has one Done.
func (s *suite) oneDone() {
	const senders, rounds, each = 8, 40, 4
	var wait sync.WaitGroup
	for range senders {
		wait.Go(func() {
			var calls [each]*call
			for i := range calls {
				calls[i] = s.call().set(cdb.Inquiry{Allocation: 36}.Append(nil), sg.In, s.memory(36))
			}
			for range rounds {
				for _, x := range calls {
					x.submit(s.dev)
				}
				for _, x := range calls {
					<-x.ended
					if !x.Result.Executed() || x.Result.Status != scsi.Good {
						s.Errorf("%+v", x.Result)
					}
				}
			}
		})
	}
	wait.Wait()
}

// chain: Done may submit.
func (s *suite) chain() {
	ended := make(chan struct{})
	calls := make([]*call, 200)
	for i := range calls {
		x := s.call().set(make([]byte, 6), sg.None, nil)
		calls[i] = x
		x.Done = func(*sg.Command) {
			switch {
			case x.dones.Add(1) > 1:
			case i+1 < len(calls):
				calls[i+1].submit(s.dev)
			default:
				close(ended)
			}
		}
	}
	calls[0].submit(s.dev)
	<-ended
}

// lengths: what the kernel has room for is sent, what it has none for is an error.
func (s *suite) lengths() {
	x := s.call()
	for _, n := range []int{0, sg.MaxCDB + 1, 260} {
		c := make([]byte, n)
		if n > 0 {
			c[0], c[7] = byte(scsi.OpVariableLength), byte(n-8)
		}
		if r := x.set(c, sg.None, nil).do(s.dev); r.Err == nil || errors.Is(r.Err, sg.ErrGone) || r.Executed() {
			s.Errorf("a CDB of %d bytes: %+v", n, *r)
		}
	}
	c := make([]byte, 32)
	c[0], c[7] = byte(scsi.OpVariableLength), 24
	binary.BigEndian.PutUint16(c[8:], 0x7fee)
	// An adapter may have no room for it, and says so.
	if r := x.set(c, sg.None, nil).do(s.dev); r.Executed() {
		if sense := s.sense(x); sense.Key != scsi.KeyIllegalRequest {
			s.Errorf("a CDB of 32 bytes that no device has: %v", sense)
		}
	}
	s.good(s.call().set(make([]byte, 6), sg.None, nil).after(s.dev), 0)
	if s.facts.Type != scsi.TypeDisk {
		return
	}
	y := s.call().set(cdb.ReadCapacity{Opcode: scsi.OpServiceActionIn16, Allocation: 32}.Append(nil), sg.In, s.memory(32))
	s.good(y.after(s.dev), 12)
	if k, err := page.ParseCapacity16(y.Data.Mem); err != nil || k.Last+1 != s.facts.Blocks || int(k.BlockSize) != s.facts.BlockSize {
		s.Errorf("the capacity is %+v, %v", k, err)
	}
}

// after is x when it has ended.
func (x *call) after(dev sg.Device) *call {
	x.do(dev)
	return x
}

// allocations: sending a command allocates nothing.
func (s *suite) allocations() {
	if s.facts.Allocates {
		s.Skip("sending a command may allocate")
	}
	x, y := s.call().set(make([]byte, 6), sg.None, nil), s.call()
	if s.facts.Type == scsi.TypeDisk {
		y.set(blocks(scsi.OpRead10, 0, 1), sg.In, s.memory(s.facts.BlockSize))
	}
	if n := testing.AllocsPerRun(200, func() {
		x.do(s.dev)
		if y.CDB != nil {
			y.do(s.dev)
		}
	}); n >= 1 {
		s.Errorf("%v allocations for a command", n)
	}
}

// same compares data that was read with what it should be.
func (s *suite) same(what string, got, want []byte) {
	s.Helper()
	if !bytes.Equal(got, want) {
		s.Errorf("%s: other bytes", what)
	}
}
