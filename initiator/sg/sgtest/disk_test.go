package sgtest_test

import (
	"bytes"
	"errors"
	"testing"

	"go.uber.org/goleak"

	"github.com/lunette-io/lunette/buffer"
	"github.com/lunette-io/lunette/initiator/sg"
	"github.com/lunette-io/lunette/initiator/sg/sgtest"
	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/scsi/cdb"
	"github.com/lunette-io/lunette/scsi/page"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// opened opens d for the time of the test, which fails if a caller has done something wrong.
func opened(t *testing.T, d *sgtest.Device) sg.Device {
	t.Helper()
	h, err := d.Open()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		h.Close()
		for _, w := range d.Wrong() {
			t.Error(w)
		}
	})
	return h
}

// start sends a command, whose end comes by the channel.
func start(dev sg.Device, c []byte, direction sg.Direction, data []byte) chan *sg.Command {
	ended := make(chan *sg.Command, 1)
	dev.Submit(&sg.Command{CDB: c, Direction: direction, Data: buffer.Segment{Mem: data}, Done: func(c *sg.Command) { ended <- c }})
	return ended
}

// want fails unless c has ended with key and code, or with GOOD for zeros, and has moved n bytes.
func want(t *testing.T, c *sg.Command, key scsi.SenseKey, asc scsi.ASC, n int) {
	t.Helper()
	if !c.Result.Executed() {
		t.Fatalf("% x: %+v", c.CDB, c.Result)
	}
	if moved := len(c.Data.Mem) - int(c.Result.Residual); moved != n {
		t.Errorf("% x: %d bytes were moved, not %d", c.CDB, moved, n)
	}
	s := scsi.Sense{}
	if c.Result.Status == scsi.CheckCondition {
		var err error
		if s, err = scsi.ParseSense(c.Sense[:c.Result.Sense]); err != nil {
			t.Fatal(err)
		}
	} else if c.Result.Status != scsi.Good {
		t.Fatalf("% x: %v", c.CDB, c.Result.Status)
	}
	if s.Key != key || s.ASC != asc {
		t.Fatalf("% x: %v", c.CDB, s)
	}
}

func tur() []byte { return make([]byte, 6) }

func rw(op scsi.Opcode, lba uint64, blocks uint32) []byte {
	return cdb.ReadWrite{Opcode: op, LBA: lba, Blocks: blocks}.Append(nil)
}

// TestDisk: unit attention, data both ways, a short read, the end of the medium.
func TestDisk(t *testing.T) {
	for _, inline := range []bool{true, false} {
		d := sgtest.NewDisk(sgtest.Config{Inline: inline}, 64, 512)
		dev := opened(t, d.Device)
		want(t, <-start(dev, tur(), sg.None, nil), scsi.KeyUnitAttention, scsi.ASCPowerOnOccurred, 0)
		want(t, <-start(dev, tur(), sg.None, nil), 0, 0, 0)
		block := bytes.Repeat([]byte{7}, 1024)
		want(t, <-start(dev, rw(scsi.OpWrite10, 2, 2), sg.Out, block), 0, 0, 1024)
		if !bytes.Equal(d.Bytes(1024, 1024), block) {
			t.Error("other bytes were written")
		}
		got := make([]byte, 4096)
		want(t, <-start(dev, rw(scsi.OpRead16, 2, 2), sg.In, got), 0, 0, 1024)
		if !bytes.Equal(got[:1024], block) {
			t.Error("other bytes were read")
		}
		want(t, <-start(dev, rw(scsi.OpRead6, 63, 2), sg.In, got), scsi.KeyIllegalRequest, scsi.ASCLBAOutOfRange, 0)
		want(t, <-start(dev, []byte{0xc5, 0, 0, 0, 0, 0}, sg.None, nil), scsi.KeyIllegalRequest, scsi.ASCInvalidOpcode, 0)
		d.Resize(32, 1024)
		want(t, <-start(dev, tur(), sg.None, nil), scsi.KeyUnitAttention, scsi.ASCCapacityDataChanged, 0)
		c := <-start(dev, cdb.ReadCapacity{Opcode: scsi.OpServiceActionIn16, Allocation: 32}.Append(nil), sg.In, got[:32])
		want(t, c, 0, 0, 32)
		if k, err := page.ParseCapacity16(got[:32]); err != nil || k.Last != 31 || k.BlockSize != 1024 {
			t.Errorf("%+v, %v", k, err)
		}
		if n := len(d.Log(sgtest.Op(scsi.OpWrite10))); n != 1 {
			t.Errorf("%d WRITE(10) in the log", n)
		}
	}
}

// TestFaults: each fault is seen as it was asked for, and those that say that nothing was executed execute nothing.
func TestFaults(t *testing.T) {
	d := sgtest.NewDisk(sgtest.Config{}, 64, 512)
	d.Quieten()
	dev := opened(t, d.Device)
	block := bytes.Repeat([]byte{9}, 512)
	d.Fault(sgtest.Fault{Match: sgtest.Op(scsi.OpWrite10), Times: 1, Host: sg.HostTimeOut})
	if c := <-start(dev, rw(scsi.OpWrite10, 0, 1), sg.Out, block); c.Result.Host != sg.HostTimeOut || d.Bytes(0, 1)[0] != 0 {
		t.Errorf("%+v", c.Result)
	}
	d.Fault(sgtest.Fault{Match: sgtest.Op(scsi.OpWrite10), Times: 1, Host: sg.HostError, Executed: true})
	if c := <-start(dev, rw(scsi.OpWrite10, 0, 1), sg.Out, block); c.Result.Host != sg.HostError || d.Bytes(0, 1)[0] != 9 {
		t.Errorf("%+v", c.Result)
	}
	d.Fault(sgtest.Fault{Match: sgtest.Op(scsi.OpRead10), Times: 1, Executed: true, Short: 100, Status: scsi.CheckCondition, Sense: scsi.Sense{ILI: true}})
	want(t, <-start(dev, rw(scsi.OpRead10, 0, 1), sg.In, make([]byte, 512)), 0, 0, 412)
	d.Fault(sgtest.Fault{Times: 1, Residual: func(int64) int64 { return 1 << 40 }})
	if c := <-start(dev, rw(scsi.OpRead10, 0, 1), sg.In, make([]byte, 512)); c.Result.Residual != 1<<40 || c.Result.Status != scsi.Good {
		t.Errorf("%+v", c.Result)
	}
	d.Fault(sgtest.Fault{Times: 1, Status: scsi.CheckCondition, Raw: []byte{0xff, 0xff}})
	if c := <-start(dev, tur(), sg.None, nil); c.Result.Sense != 2 || c.Sense[0] != 0xff {
		t.Errorf("%+v", c.Result)
	}
	d.Fault(sgtest.Fault{Skip: 1, Times: 1, Err: sg.ErrGone})
	want(t, <-start(dev, tur(), sg.None, nil), 0, 0, 0)
	if c := <-start(dev, tur(), sg.None, nil); !errors.Is(c.Result.Err, sg.ErrGone) {
		t.Errorf("%+v", c.Result)
	}
	want(t, <-start(dev, tur(), sg.None, nil), 0, 0, 0)
}

// TestGates: what is held waits, is let go in order, and ends with a reset or when the device goes; who touches its memory meanwhile is found out.
func TestGates(t *testing.T) {
	d := sgtest.NewDisk(sgtest.Config{}, 64, 512)
	d.Quieten()
	dev := opened(t, d.Device)
	g := d.Hold(sgtest.Op(scsi.OpRead10, scsi.OpWrite10))
	a, b := start(dev, rw(scsi.OpRead10, 0, 1), sg.In, make([]byte, 512)), start(dev, rw(scsi.OpRead10, 1, 1), sg.In, make([]byte, 512))
	g.Wait(2)
	want(t, <-start(dev, tur(), sg.None, nil), 0, 0, 0)
	if d.Most() != 3 || d.UnderWay() != 2 {
		t.Errorf("%d at most, %d under way", d.Most(), d.UnderWay())
	}
	g.Let(1)
	want(t, <-a, 0, 0, 512)
	if err := dev.Reset(); err != nil {
		t.Fatal(err)
	}
	if c := <-b; c.Result.Host != sg.HostReset {
		t.Errorf("%+v", c.Result)
	}
	want(t, <-start(dev, tur(), sg.None, nil), scsi.KeyUnitAttention, scsi.ASCBusDeviceResetFunctionOccurred, 0)
	d.OnReset(func() error { return sg.ErrPrivilege })
	if err := dev.Reset(); !errors.Is(err, sg.ErrPrivilege) || d.Resets() != 1 {
		t.Errorf("%v, %d resets", err, d.Resets())
	}
	a = start(dev, rw(scsi.OpRead10, 0, 1), sg.In, make([]byte, 512))
	d.Unplug()
	if c := <-a; c.Result.Host != sg.HostNoConnect {
		t.Errorf("%+v", c.Result)
	}
	d.Plug()
	if c := <-start(dev, tur(), sg.None, nil); !errors.Is(c.Result.Err, sg.ErrGone) {
		t.Errorf("a handle of before: %+v", c.Result)
	}
	again := opened(t, d.Device)
	want(t, <-start(again, tur(), sg.None, nil), scsi.KeyUnitAttention, scsi.ASCPowerOnOccurred, 0)
}

// TestWrong: memory that changes while a command has it is found out.
func TestWrong(t *testing.T) {
	d := sgtest.NewDisk(sgtest.Config{}, 64, 512)
	d.Quieten()
	dev, err := d.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer dev.Close()
	g := d.Hold(nil)
	block := make([]byte, 512)
	a := start(dev, rw(scsi.OpWrite10, 0, 1), sg.Out, block)
	block[3] = 1
	g.Open()
	<-a
	if len(d.Wrong()) != 1 {
		t.Errorf("%q", d.Wrong())
	}
}
