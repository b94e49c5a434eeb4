//go:build vm

package ways

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/lunette-io/lunette/buffer"
	"github.com/lunette-io/lunette/initiator/sg"
)

// BenchmarkRead reads from a device that answers at once, with one command under way and with 32, and says what processors do for each command.
func BenchmarkRead(b *testing.B) {
	ways := strings.Fields(os.Getenv(waysVariable))
	if len(ways) == 0 {
		b.Skip("there are no devices here")
	}
	set(b, "delay", "0")
	b.Cleanup(func() { set(b, "ndelay", "100000") })
	for _, io := range ways {
		for _, size := range []int{4 << 10, 256 << 10} {
			for _, depth := range []int{1, 32} {
				b.Run(fmt.Sprintf("%s/%dKiB/%d", io, size>>10, depth), func(b *testing.B) { reads(b, io, size, depth) })
			}
		}
	}
}

func reads(b *testing.B, io string, size, depth int) {
	d := open(b, address(b, 0), io, 0)
	defer d.Close()
	quieten(b, d)
	arena := buffer.NewArena(64 << 20)
	defer arena.Close()
	free := make(chan *sg.Command, depth)
	for i := range depth {
		lease, err := arena.Get(int64(size))
		if err != nil {
			b.Fatal(err)
		}
		defer lease.Release()
		free <- &sg.Command{
			CDB: read10(uint32(i*size/512%16384), size/512), Direction: sg.In, Data: lease.Segment(0), Timeout: time.Minute,
			Done: func(c *sg.Command) {
				if !c.Result.Executed() || c.Result.Status != 0 {
					b.Errorf("%+v", c.Result)
				}
				free <- c
			},
		}
	}
	before := processors()
	b.SetBytes(int64(size))
	b.ReportAllocs()
	b.ResetTimer()
	for range b.N {
		d.Submit(<-free)
	}
	for range depth {
		<-free
	}
	b.StopTimer()
	b.ReportMetric(float64(processors()-before)/float64(b.N), "cpu-ns/op")
}

// processors is for how long this process has had processors.
func processors() int64 {
	var u unix.Rusage
	_ = unix.Getrusage(unix.RUSAGE_SELF, &u)
	return u.Utime.Nano() + u.Stime.Nano()
}
