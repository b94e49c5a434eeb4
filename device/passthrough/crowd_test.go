package passthrough

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/lunette-io/lunette/initiator/sg/sgtest"
	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/scsi/cdb"
	"github.com/lunette-io/lunette/target"
	"github.com/lunette-io/lunette/transport/loopback"
)

// A crowd of initiators that come and go, prevent and allow, ask for events and reset: every command ends, and at last the device is told to prevent if one of
// those that are left does.
func TestCrowd(t *testing.T) {
	for _, inline := range []bool{false, true} {
		k := sgtest.NewDisc(sgtest.Config{Inline: inline}, make([]byte, 64<<10))
		b := newBench(t, k.Device, Config{})
		const hosts, rounds = 6, 60
		left := make([]*loopback.Session, hosts)
		prevents := make([]bool, hosts)
		var wait sync.WaitGroup
		for i := range hosts {
			wait.Go(func() {
				r := rand.New(rand.NewPCG(uint64(i), 13))
				name := fmt.Sprintf("iqn.host%d", i)
				login := func() *loopback.Session {
					return loopback.Login(b.port, target.Initiator{Name: name, Port: scsi.ISCSIPort(name, [6]byte{5: byte(i)})}, loopback.Options{Arena: b.arena})
				}
				s := login()
				run := func(c []byte, in int) result {
					for {
						got, data, err := s.Do(context.Background(), 0, c, nil, in)
						if err != nil {
							t.Error(err)
							return result{}
						}
						if x := (result{got, data}); x.sense().Key != scsi.KeyUnitAttention {
							return x
						}
					}
				}
				for range rounds {
					switch r.IntN(9) {
					case 0, 1:
						prevents[i] = run(long(6, 0x1e, 0, 0, 0, 1), 0).Status == scsi.Good
					case 2:
						run(long(6, 0x1e), 0)
						prevents[i] = false
					case 3:
						run(long(10, 0x4a, 1, 0, 0, 0x10, 0, 0, 0, 8), 8)
					case 4:
						run(cdb.Inquiry{Allocation: 96}.Append(nil), 96)
						run(cdb.Inquiry{VPD: true, Page: 0x83, Allocation: 255}.Append(nil), 255)
					case 5:
						run(rw(scsi.OpRead10, uint32(r.IntN(32)), 1), 2048)
					case 6:
						k.Attention(scsi.ASCThresholdReached)
					case 7:
						run(cdb.ReportOpcodes{Allocation: 1024}.Append(nil), 1024)
					case 8:
						if err := s.Close(); err != nil {
							t.Error(err)
						}
						prevents[i], s = false, login()
					}
				}
				left[i] = s
			})
		}
		wait.Wait()
		b.all = append(b.all, left...)
		some := false
		for _, p := range prevents {
			some = some || p
		}
		// What is under way still, such as the ALLOW of a nexus that is lost, comes before this.
		b.calm(left[0])
		b.do(left[0], long(6, 0x1e, 0, 0, 0, 1), nil, 0)
		if !prevents[0] {
			b.do(left[0], long(6, 0x1e), nil, 0)
		}
		if got := k.State().Prevented; got != some {
			t.Errorf("inline %v: the device prevents: %v, want %v", inline, got, some)
		}
		for i := range left {
			b.calm(left[i])
			b.do(left[i], long(6, 0x1e), nil, 0)
		}
		if k.State().Prevented {
			t.Error("the device prevents, and nobody else does")
		}
	}
}
