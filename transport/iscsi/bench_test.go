package iscsi_test

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"runtime"
	"testing"
	"time"

	initiator "github.com/lunette-io/lunette/initiator/iscsi"
	"github.com/lunette-io/lunette/network/rdma"
	"github.com/lunette-io/lunette/network/rdma/roce"
	"github.com/lunette-io/lunette/network/udp/socket"
	"github.com/lunette-io/lunette/transport/iscsi"
	"github.com/lunette-io/lunette/transport/transporttest"
)

// A load keeps a number of commands of one size on their way.
type load struct {
	c    *initiator.Conn
	cmds []initiator.Command
}

func newLoad(tb testing.TB, s *transporttest.ISCSI, depth, size int, writes bool, way transporttest.Way, digests bool) *load {
	cfg := s.Config(1)
	if digests {
		cfg.Login.HeaderDigest, cfg.Login.DataDigest = "CRC32C", "CRC32C"
	}
	l := &load{c: s.Dial(cfg), cmds: make([]initiator.Command, depth)}
	l.c.SetDeadline(time.Time{})
	for i := range l.cmds {
		k := &l.cmds[i]
		lba := uint32(i * size / 512)
		if writes {
			k.CDB, k.Out = write(lba, size, way), make([]byte, size)
		} else {
			k.CDB, k.In = read(lba, size, way), make([]byte, size)
		}
		if err := l.c.Submit(k); err != nil {
			tb.Fatal(err)
		}
	}
	return l
}

// run finishes n commands, and submits each again.
func (l *load) run(tb testing.TB, n int) {
	for n > 0 {
		done, err := l.c.Wait()
		if err != nil {
			tb.Fatal(err)
		}
		for _, k := range done {
			if k.Status != 0 || k.Err != nil {
				tb.Fatal(k.Status, k.Sense(), k.Err)
			}
			if err := l.c.Submit(k); err != nil {
				tb.Fatal(err)
			}
		}
		n -= len(done)
	}
}

// TestNoAllocations holds initiator and target together to no allocation per command; only a
// send that has to wait for the socket makes one, for its goroutine.
func TestNoAllocations(t *testing.T) {
	if raceEnabled {
		t.Skip("leases are not recycled under the race detector")
	}
	t.Run("tcp", func(t *testing.T) {
		noAllocations(t, transporttest.StartISCSI(t, iscsi.Config{}, nil), []bool{false, true})
	})
	t.Run("iser", func(t *testing.T) {
		x := transporttest.ISER{Devices: transporttest.IWARPDevices(t)}
		noAllocations(t, transporttest.StartISER(t, x, iscsi.Config{}, nil), []bool{false})
	})
	t.Run("iser over roce", func(t *testing.T) {
		x := transporttest.ISER{Devices: loopbackRoCE(t)}
		noAllocations(t, transporttest.StartISER(t, x, iscsi.Config{}, nil), []bool{false})
	})
}

// loopbackRoCE are two devices of RoCE at addresses of loopback that nobody else has.
func loopbackRoCE(tb testing.TB) transporttest.Devices {
	tb.Helper()
	at := netip.AddrFrom4([4]byte{127, byte(1 + rand.IntN(254)), byte(rand.IntN(256)), byte(1 + rand.IntN(254))})
	d := transporttest.Devices{Addr: netip.AddrPortFrom(at, 3260).String(), Asks: roce.MaxPrivateRequest}
	for _, dev := range []*rdma.Device{&d.Target, &d.Initiator} {
		r, err := roce.New(roce.Config{Host: socket.New()})
		if err != nil {
			tb.Fatal(err)
		}
		*dev = r
	}
	return d
}

func noAllocations(t *testing.T, s *transporttest.ISCSI, kinds []bool) {
	for _, way := range []transporttest.Way{transporttest.Lend, transporttest.Lease} {
		for _, size := range []int{4096, 64 << 10, 512 << 10} {
			for _, writes := range []bool{false, true} {
				for _, digests := range kinds {
					depth := min(32, 4<<20/size)
					l := newLoad(t, s, depth, size, writes, way, digests)
					l.run(t, 200)
					var before, after runtime.MemStats
					const n = 1000
					runtime.ReadMemStats(&before)
					l.run(t, n)
					runtime.ReadMemStats(&after)
					if per := float64(after.Mallocs-before.Mallocs) / n; per > 0.2 {
						t.Errorf("way %d, %d bytes, writes %v, digests %v: %.2f allocations for each command", way, size, writes, digests, per)
					}
					_ = l.c.Close()
				}
			}
		}
	}
}

func BenchmarkCommands(b *testing.B) {
	for _, size := range []int{4096, 64 << 10, 1 << 20} {
		for _, writes := range []bool{false, true} {
			for _, depth := range []int{1, 32} {
				b.Run(fmt.Sprintf("size=%d,writes=%v,depth=%d", size, writes, depth), func(b *testing.B) {
					s := transporttest.StartISCSI(b, iscsi.Config{}, nil)
					l := newLoad(b, s, min(depth, 16<<20/size), size, writes, transporttest.Lend, false)
					l.run(b, 100)
					b.SetBytes(int64(size))
					b.ReportAllocs()
					b.ResetTimer()
					l.run(b, b.N)
				})
			}
		}
	}
}
