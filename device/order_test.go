package device_test

import (
	"testing"

	"github.com/lunette-io/lunette/device"
	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/target"
)

// The order of a command is that of its row, and of nothing if it will be refused.
func TestOrder(t *testing.T) {
	run := func(*target.Task) {}
	rows := []device.Command{
		{Op: 0xc0, Usage: "\xc0\xff\xff\x00\x00\x00", Order: target.Atomic, Run: run,
			Extent: func(c []byte) (first, blocks uint64) { return uint64(c[1]), uint64(c[2]) }},
		{Op: 0xc1, Usage: "\xc1\x00\x00\x00\x00\x00", Order: target.Writes, Run: run},
		{Op: 0xc2, Usage: "\xc2\x01\x00\x00\x00\x00", Run: run, OrderOf: func(c []byte) target.Order {
			return target.Order{Class: target.Class(c[1]), First: 7}
		}},
		{Op: scsi.OpMaintenanceOut, Action: 0x0f, Order: target.Reads, Run: run},
	}
	of := func(s *device.Server, c ...byte) target.Order { return s.Order(append(c, make([]byte, 16-len(c))...)) }
	for _, rest := range []*device.Command{nil, {Order: target.Writes, Run: run}} {
		s, err := device.New(device.Config{Commands: rows, Default: rest, Omit: []scsi.Opcode{scsi.OpReserve6}})
		if err != nil {
			t.Fatal(err)
		}
		unknown := target.Order{}
		if rest != nil {
			unknown = device.WholeUnit(target.Writes)
		}
		for _, c := range []struct{ got, want target.Order }{
			{of(s, 0xc0, 3, 4), target.Order{Class: target.Atomic, First: 3, Blocks: 4}},
			{of(s, 0xc1), device.WholeUnit(target.Writes)},
			{of(s, 0xc2, 1), target.Order{Class: target.Reads, First: 7}},
			{of(s, 0xa4, 0x0f), device.WholeUnit(target.Reads)},
			{of(s, 0xa4, 0x0e), unknown},
			{of(s, 0xc3), unknown},
			{of(s, 0x16), unknown}, // RESERVE(6), left out
			{of(s, 0x12), target.Order{}},
			{s.Order([]byte{0xc0, 3, 4, 0, 0}), target.Order{}}, // too short
			{s.Order(nil), target.Order{}},
		} {
			if c.got != c.want {
				t.Errorf("%+v, want %+v", c.got, c.want)
			}
		}
		c := []byte{0xc0, 1, 2, 0, 0, 0}
		if n := testing.AllocsPerRun(100, func() { s.Order(c) }); n != 0 {
			t.Errorf("%v allocations", n)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
	for name, rest := range map[string]*device.Command{
		"no function": {Order: target.Writes},
		"usage data":  {Order: target.Writes, Run: run, Usage: "\xc0\x00\x00\x00\x00\x00"},
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: no panic", name)
				}
			}()
			_, _ = device.New(device.Config{Default: rest})
		}()
	}
}
