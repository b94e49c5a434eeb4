package passthrough

import (
	"testing"

	"github.com/lunette-io/lunette/initiator/sg/sgtest"
	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/transport/loopback"
)

// No command allocates on its way, however large it is, and whatever comes of it.
func TestNothingIsAllocated(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector recycles nothing")
	}
	k := sgtest.NewDisk(sgtest.Config{Inline: true, Quiet: true}, 32<<10, 512)
	b := newBench(t, k.Device, Config{})
	s := b.login(1, loopback.Options{})
	buf := make([]byte, 4<<20)
	for name, c := range map[string]loopback.Command{
		"read 4 KiB":  {CDB: rw(scsi.OpRead10, 0, 8), In: buf[:4096]},
		"write 4 KiB": {CDB: rw(scsi.OpWrite10, 0, 8), Out: buf[:4096]},
		"read 4 MiB":  {CDB: rw(scsi.OpRead10, 0, 8192), In: buf},
		"write 4 MiB": {CDB: rw(scsi.OpWrite10, 0, 8192), Out: buf},
		"fails":       {CDB: rw(scsi.OpRead10, 1<<30, 8), In: buf[:4096]},
	} {
		if n := testing.AllocsPerRun(100, func() {
			if _, err := s.Run(c); err != nil {
				t.Error(err)
			}
		}); n >= 1 && (name != "fails" || n >= 2) { // the transport here copies the sense
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}

// BenchmarkCommand is a command of 4 KiB through the unit, without a device.
func BenchmarkCommand(b *testing.B) {
	k := sgtest.NewDisk(sgtest.Config{Inline: true, Quiet: true}, 32<<10, 512)
	x := newBench(b, k.Device, Config{})
	s := x.login(1, loopback.Options{})
	for name, c := range map[string]loopback.Command{
		"read":  {CDB: rw(scsi.OpRead10, 0, 8), In: make([]byte, 4096)},
		"write": {CDB: rw(scsi.OpWrite10, 0, 8), Out: make([]byte, 4096)},
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(4096)
			for b.Loop() {
				if _, err := s.Run(c); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
