package passthrough

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/lunette-io/lunette/initiator/sg"
	"github.com/lunette-io/lunette/initiator/sg/sgtest"
	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/transport/loopback"
)

// Data of every length goes both ways, however it comes.
func TestData(t *testing.T) {
	for _, opt := range []loopback.Options{{}, {First: -1}, {First: 700}, {Later: true}, {Later: true, First: 512, Piece: 4096}} {
		t.Run(fmt.Sprintf("%+v", opt), func(t *testing.T) {
			k := disk(sgtest.Config{})
			b := newBench(t, k.Device, Config{})
			s := b.login(1, opt)
			for i, blocks := range []int{1, 8, 2048, 2049, 4096, 8192} {
				data := pattern(blocks*512, byte(i))
				b.good(s, rw(scsi.OpWrite10, uint32(i), blocks), data, 0)
				if !bytes.Equal(k.Bytes(i*512, len(data)), data) {
					t.Errorf("%d blocks: the device has got something else", blocks)
				}
				if got := b.good(s, rw(scsi.OpRead10, uint32(i), blocks), nil, len(data)); !bytes.Equal(got, data) {
					t.Errorf("%d blocks: the initiator has got something else", blocks)
				}
			}
			b.good(s, rw(scsi.OpRead10, 0, 0), nil, 0)
			b.good(s, rw(scsi.OpWrite10, 0, 0), nil, 0)
		})
	}
}

// What is larger than the adapter's transfers is refused, and reaches nobody.
func TestTooLong(t *testing.T) {
	k := disk(sgtest.Config{Info: sg.Info{MaxTransfer: 64 << 10}})
	b := newBench(t, k.Device, Config{})
	s := b.login(1, loopback.Options{})
	b.good(s, rw(scsi.OpRead10, 0, 128), nil, 64<<10)
	k.Forget()
	b.fails(s, rw(scsi.OpRead10, 0, 129), nil, 129*512, scsi.IllegalRequest(scsi.ASCInvalidFieldInCDB))
	b.fails(s, rw(scsi.OpWrite10, 0, 129), make([]byte, 129*512), 0, scsi.IllegalRequest(scsi.ASCInvalidFieldInCDB))
	if n := len(k.Log(nil)); n != 0 {
		t.Errorf("the device has got %d commands", n)
	}
}

// A response that has to wait for its place keeps its sense, whatever comes meanwhile.
func TestSenseBitForBit(t *testing.T) {
	k := disk(sgtest.Config{})
	b := newBench(t, k.Device, Config{})
	s := b.login(1, loopback.Options{})
	for n := 1; n <= sg.MaxSense; n++ {
		raw := pattern(n, 3)
		raw[0] = 0x70
		if n > 2 {
			raw[2] = byte(scsi.KeyMediumError)
		}
		remove := k.Fault(sgtest.Fault{Match: sgtest.Op(scsi.OpRead10), Status: scsi.CheckCondition, Raw: raw})
		if r := b.do(s, rw(scsi.OpRead10, 0, 1), nil, 512); r.Status != scsi.CheckCondition || !bytes.Equal(r.SenseData, raw) {
			t.Errorf("sense %x, want %x", r.SenseData, raw)
		}
		remove()
	}
}

// Every status of the device is that of the command.
func TestStatuses(t *testing.T) {
	k := disk(sgtest.Config{})
	b := newBench(t, k.Device, Config{})
	s := b.login(1, loopback.Options{})
	for _, status := range []scsi.Status{scsi.ConditionMet, scsi.Busy, scsi.ReservationConflict, scsi.TaskSetFull, scsi.ACAActive, scsi.TaskAborted, 0x7e} {
		k.Fault(sgtest.Fault{Match: sgtest.Op(scsi.OpRead10), Times: 1, Status: status})
		if r := b.do(s, rw(scsi.OpRead10, 0, 1), nil, 512); r.Status != status || r.Residual != 512 || len(r.data) != 0 {
			t.Errorf("%v: %v, residual %d, %d bytes", status, r.Status, r.Residual, len(r.data))
		}
	}
}

// The adapter's residual is believed as far as it can be.
func TestResiduals(t *testing.T) {
	k := disk(sgtest.Config{})
	b := newBench(t, k.Device, Config{})
	s := b.login(1, loopback.Options{})
	secret := bytes.Repeat([]byte{0xee}, 64<<10)
	ili := scsi.Sense{ILI: true}.WithInfo(3 << 10)
	long := scsi.Sense{ILI: true}.WithInfo(uint64(0xffffffff & (1<<32 - 512)))
	mark := scsi.Sense{Filemark: true, ASC: scsi.ASCFilemarkDetected}.WithInfo(4 << 10)
	medium := scsi.UnrecoveredReadError(3)
	for name, c := range map[string]struct {
		f    sgtest.Fault
		want int // bytes that come
	}{
		"all":                              {sgtest.Fault{Executed: true}, 4096},
		"less":                             {sgtest.Fault{Executed: true, Short: 1000}, 3096},
		"more than all":                    {sgtest.Fault{Executed: true, Residual: func(int64) int64 { return 1 << 40 }}, 0},
		"negative":                         {sgtest.Fault{Executed: true, Residual: func(int64) int64 { return -5 }}, 4096},
		"an error, and all is there":       {sgtest.Fault{Status: scsi.CheckCondition, Sense: medium, Residual: func(int64) int64 { return 0 }}, 0},
		"an error, and some is there":      {sgtest.Fault{Executed: true, Short: 1024, Status: scsi.CheckCondition, Sense: medium}, 3072},
		"recovered":                        {sgtest.Fault{Executed: true, Status: scsi.CheckCondition, Sense: scsi.NewSense(scsi.KeyRecoveredError, 0x1700)}, 4096},
		"a short block":                    {sgtest.Fault{Executed: true, Status: scsi.CheckCondition, Sense: ili, Residual: func(int64) int64 { return 0 }}, 1024},
		"a long block":                     {sgtest.Fault{Executed: true, Status: scsi.CheckCondition, Sense: long}, 4096},
		"a filemark":                       {sgtest.Fault{Executed: true, Status: scsi.CheckCondition, Sense: mark, Residual: func(int64) int64 { return 0 }}, 0},
		"a deferred error":                 {sgtest.Fault{Status: scsi.CheckCondition, Sense: scsi.Sense{Key: scsi.KeyMediumError, ASC: 0x0c00, Deferred: true}, Residual: func(int64) int64 { return 0 }}, 0},
		"a deferred error, recovered":      {sgtest.Fault{Status: scsi.CheckCondition, Sense: scsi.Sense{Key: scsi.KeyRecoveredError, Deferred: true}, Residual: func(int64) int64 { return 0 }}, 0},
		"BUSY, and all is there":           {sgtest.Fault{Status: scsi.Busy, Residual: func(int64) int64 { return 0 }}, 0},
		"GOOD by the host's own statement": {sgtest.Fault{Host: sg.HostError, Executed: true, Residual: func(int64) int64 { return 0 }}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			b.good(s, rw(scsi.OpWrite10, 64, 8), secret[:4096], 0) // what a lease has in it when it is lent again
			b.good(s, rw(scsi.OpWrite10, 0, 8), pattern(4096, 9), 0)
			c.f.Match, c.f.Times = sgtest.Op(scsi.OpRead10), 1
			k.Fault(c.f)
			r := b.do(s, rw(scsi.OpRead10, 0, 8), nil, 4096)
			if len(r.data) != c.want || r.Residual != int64(4096-c.want) {
				t.Errorf("%v: %d bytes, residual %d, want %d bytes", r.Status, len(r.data), r.Residual, c.want)
			}
			if !bytes.Equal(r.data, pattern(4096, 9)[:len(r.data)]) {
				t.Error("the data is something else")
			}
		})
	}
}

// What an adapter says that has come, and has not, is never what was in the memory before.
func TestNothingLeaks(t *testing.T) {
	k := sgtest.NewTape(sgtest.Config{})
	b := newBench(t, k.Device, Config{})
	s := b.login(1, loopback.Options{})
	for _, n := range []int{4 << 10, 64 << 10, 2 << 20} {
		secret := bytes.Repeat([]byte{0xee}, n)
		b.good(s, rw6(scsi.OpWrite6, n), secret, 0)
		k.Fault(sgtest.Fault{Match: sgtest.Op(scsi.OpRead6), Times: 1, Status: scsi.Good, Edit: func(c *sg.Command) {
			c.Result = sg.Result{} // "GOOD, and all is there"
		}})
		if r := b.do(s, rw6(scsi.OpRead6, n), nil, n); bytes.IndexByte(r.data, 0xee) >= 0 {
			t.Errorf("%d bytes: an initiator has got what was another's", n)
		}
	}
}

// Data of a tape's block that is shorter comes with CHECK CONDITION, and so does that before a filemark.
func TestDataWithCheckCondition(t *testing.T) {
	k := sgtest.NewTape(sgtest.Config{})
	b := newBench(t, k.Device, Config{})
	s := b.login(1, loopback.Options{})
	block := pattern(10<<10, 1)
	b.good(s, rw6(scsi.OpWrite6, len(block)), block, 0)
	b.good(s, []byte{byte(scsi.OpWriteFilemarks6), 0, 0, 0, 1, 0}, nil, 0)
	b.good(s, []byte{byte(scsi.OpRewind), 0, 0, 0, 0, 0}, nil, 0)
	r := b.fails(s, rw6(scsi.OpRead6, 64<<10), nil, 64<<10, scsi.Sense{})
	if got := r.sense(); !got.ILI || got.Info != 54<<10 || !bytes.Equal(r.data, block) || r.Residual != 54<<10 {
		t.Errorf("%v, %d bytes, residual %d", got, len(r.data), r.Residual)
	}
	r = b.fails(s, rw6(scsi.OpRead6, 64<<10), nil, 64<<10, scsi.Sense{ASC: scsi.ASCFilemarkDetected})
	if got := r.sense(); !got.Filemark || len(r.data) != 0 || r.Residual != 64<<10 {
		t.Errorf("%v, %d bytes, residual %d", got, len(r.data), r.Residual)
	}
}

// Buffers of another size than the command says: the residual has the difference, and the device moves what it always does.
func TestOtherBuffers(t *testing.T) {
	k := disk(sgtest.Config{})
	b := newBench(t, k.Device, Config{})
	s := b.login(1, loopback.Options{})
	data := pattern(4096, 5)
	for _, c := range []struct {
		out      []byte
		in       int
		residual int64
	}{{data, 0, 0}, {append(data[:4096:4096], 1, 2, 3), 0, 3}, {nil, 4096, 0}, {nil, 5000, 904}, {nil, 1000, -3096}, {nil, 0, -4096}} {
		op := scsi.OpWrite10
		if c.out == nil {
			op = scsi.OpRead10
		}
		r := b.do(s, rw(op, 0, 8), c.out, c.in)
		if r.Status != scsi.Good || r.Residual != c.residual || c.out == nil && !bytes.Equal(r.data, data[:min(c.in, 4096)]) {
			t.Errorf("%d out, %d in: %v, residual %d, %d bytes", len(c.out), c.in, r.Status, r.Residual, len(r.data))
		}
		if all := k.Log(sgtest.Op(op)); all[len(all)-1].Data != 4096 {
			t.Errorf("the device has got %d bytes of memory", all[len(all)-1].Data)
		}
	}
	k.Forget()
	r := b.fails(s, rw(scsi.OpWrite10, 0, 8), data[:4095], 0, scsi.IllegalRequest(scsi.ASCInvalidFieldInCommandIU))
	if r.Residual != -1 || len(k.Log(nil)) != 0 {
		t.Errorf("residual %d, %d commands", r.Residual, len(k.Log(nil)))
	}
}
