package passthrough

import (
	"errors"
	"testing"

	"github.com/lunette-io/lunette/initiator/sg"
	"github.com/lunette-io/lunette/initiator/sg/sgtest"
	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/transport/loopback"
)

// FuzzResult: whatever an adapter says of a command, the initiator gets one answer that is within its bounds, and GOOD only if the device said so.
func FuzzResult(f *testing.F) {
	f.Add(byte(0), byte(0), byte(0), false, int64(0), 0, []byte(nil), false)
	f.Add(byte(2), byte(0), byte(8), false, int64(0), 18, scsi.Sense{ILI: true}.WithInfo(700).AppendFixed(nil), false)
	f.Add(byte(2), byte(0), byte(8), false, int64(1)<<62, 4000, scsi.Sense{Filemark: true, ASC: 1}.WithInfo(1<<40).AppendDescriptor(nil), true)
	f.Add(byte(2), byte(0), byte(0), false, int64(-1), -5, []byte{0x70}, false)
	f.Add(byte(0), byte(7), byte(6), false, int64(0), 0, []byte(nil), true)
	f.Add(byte(0), byte(8), byte(0), false, int64(0), 0, []byte(nil), true)
	f.Add(byte(0), byte(0), byte(0), true, int64(0), 0, []byte(nil), false)
	for _, fixed := range []byte{0, 1} {
		f.Add(byte(2), fixed, byte(8), false, int64(0), 18, scsi.Sense{EOM: true}.WithInfo(0x80000000).AppendFixed(nil), false)
	}
	var says func(*sg.Command)
	k := sgtest.NewTape(sgtest.Config{Inline: true})
	k.Fault(sgtest.Fault{Match: sgtest.Op(scsi.OpRead6, scsi.OpWrite6), Executed: true, Edit: func(c *sg.Command) { says(c) }})
	b := newBench(f, k.Device, Config{})
	f.Cleanup(func() { b.TB = f })
	s := b.login(1, loopback.Options{})
	f.Fuzz(func(t *testing.T, status, host, driver byte, fails bool, residual int64, n int, sense []byte, writes bool) {
		b.TB = t
		r := sg.Result{Status: scsi.Status(status), Host: sg.HostStatus(host), Driver: driver, Residual: residual, Sense: n}
		if fails {
			r.Err = errors.New("the kernel does not like it")
		}
		if goneBy(&r) != nil {
			return
		}
		says = func(c *sg.Command) {
			c.Result = r
			copy(c.Sense[:], sense)
		}
		const room = 1000
		var got result
		if writes {
			got = b.do(s, rw6(scsi.OpWrite6, room), make([]byte, room), 0)
		} else {
			got = b.do(s, rw6(scsi.OpRead6, room), nil, room)
		}
		if got.Residual < 0 || got.Residual > room || len(got.data) > room || !writes && int64(room-len(got.data)) != got.Residual {
			t.Errorf("%+v: %d bytes, residual %d", r, len(got.data), got.Residual)
		}
		if !r.Executed() && got.Status == scsi.Good || r.Executed() && got.Status != r.Status {
			t.Errorf("%+v: %v", r, got.Status)
		}
		if got.Status == scsi.CheckCondition && len(got.SenseData) == 0 && got.Sense.IsZero() {
			t.Errorf("%+v: CHECK CONDITION without sense", r)
		}
		b.calm(s)
	})
}
