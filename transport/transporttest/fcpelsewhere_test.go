package transporttest_test

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	initiator "github.com/lunette-io/lunette/initiator/fcp"
	"github.com/lunette-io/lunette/network/fc"
	"github.com/lunette-io/lunette/network/fc/sim"
	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/target"
	"github.com/lunette-io/lunette/transport/fcp"
	"github.com/lunette-io/lunette/transport/transporttest"
)

// TestElsewhereFCP has an initiator that has come by another transport reset a unit, while commands by FCP wait for data that does not come, or
// have data that does not leave.
func TestElsewhereFCP(t *testing.T) {
	const size = 64 << 10
	for name, way := range map[string]transporttest.Way{"leased": transporttest.Lease, "in the medium": transporttest.Lend, "in pieces": transporttest.Pieces} {
		for _, write := range []bool{true, false} {
			for _, f := range []target.Function{target.ResetLogicalUnit, target.ResetTarget} {
				t.Run(name, func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						n := sim.New()
						s := transporttest.NewFCP(t, transporttest.SimFC(n), fcp.Config{}, nil)
						admin := transporttest.ComeElsewhere(t, s.Target)
						cfg := s.Config(1)
						cfg.Withhold, cfg.Timeout = write, 2*time.Minute
						c := s.Dial(cfg)
						gates := []*sim.Gate{}
						n.Break(func(e sim.Event) (f sim.Fate) {
							if e.RCtl == fc.RCtlData {
								f.Gate = new(sim.Gate)
								gates = append(gates, f.Gate)
							}
							return f
						})
						k := &initiator.Command{CDB: transporttest.CDB10(scsi.OpRead10, 0, size/transporttest.BlockSize, way), In: make([]byte, size)}
						if write {
							k = &initiator.Command{CDB: transporttest.CDB10(scsi.OpWrite10, 0, size/transporttest.BlockSize, way), Out: make([]byte, size)}
						}
						if err := c.Submit(k); err != nil {
							t.Error(err)
						}
						synctest.Wait()
						admin.ResetsAtOnce(f)
						if a, b := s.Units[0].Started.Load(), s.Units[0].Ended.Load(); a != b {
							t.Errorf("%d commands started, %d ended", a, b)
						}
						n.Break(nil)
						for _, g := range gates {
							g.Open()
						}
						c.Aborted(func(*initiator.Command) bool { return true }) // as a host does when it learns of the reset
						if err := c.Finish(k); !errors.Is(err, initiator.ErrAborted) {
							t.Errorf("the command has ended with %v", err)
						}
						admin.Close()
						s.Close()
					})
				})
			}
		}
	}
}
