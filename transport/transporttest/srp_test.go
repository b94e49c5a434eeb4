package transporttest_test

import (
	"context"
	"testing"

	"github.com/lunette-io/lunette/buffer"
	initiator "github.com/lunette-io/lunette/initiator/srp"
	"github.com/lunette-io/lunette/network/rdma/sim"
	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/target"
	"github.com/lunette-io/lunette/transport/srp"
	"github.com/lunette-io/lunette/transport/srp/iu"
	"github.com/lunette-io/lunette/transport/transporttest"
)

// overSRP is an Initiator by SRP.
type overSRP struct{ c *initiator.Conn }

func (i overSRP) Do(lun scsi.LUN, cdb, out []byte, in int) (transporttest.Outcome, error) {
	k := initiator.Command{LUN: lun, CDB: cdb, Out: out, In: make([]byte, in)}
	if err := i.c.Do(&k); err != nil {
		return transporttest.Outcome{}, err
	}
	return transporttest.Outcome{Status: k.Status, Sense: k.Sense, In: k.In[:k.Received], Residual: k.OutResidual + k.InResidual}, nil
}

func (i overSRP) Manage(f target.Function, lun scsi.LUN) (target.FunctionResult, error) {
	code, ok := map[target.Function]iu.Function{
		target.AbortTaskSet: iu.AbortTaskSet, target.ClearTaskSet: iu.ClearTaskSet, target.ClearACA: iu.ClearACA,
		target.ResetLogicalUnit: iu.LogicalUnitReset,
	}[f]
	if !ok {
		return 0, transporttest.ErrNoFunction
	}
	r, err := i.c.Manage(code, lun, 0)
	return map[iu.Code]target.FunctionResult{
		iu.CodeComplete: target.FunctionComplete, iu.CodeInvalid: target.IncorrectLUN, iu.CodeNotSupported: target.FunctionUnsupported,
		iu.CodeFailed: target.FunctionRejected,
	}[r], err
}

func (i overSRP) Close() error { return i.c.Close() }

// The ways in which an initiator describes its memory, and sends data along.
var srpWays = map[string]func(*initiator.Config){
	"direct":           func(*initiator.Config) {},
	"indirect":         func(c *initiator.Config) { c.Segment = 64<<10 + 16 },
	"one in a table":   func(c *initiator.Config) { c.Indirect = true },
	"external":         func(c *initiator.Config) { c.Segment, c.Inline = 10000, 1 },
	"none in the IU":   func(c *initiator.Config) { c.Segment, c.Inline = 10000, -1 },
	"small and inline": func(c *initiator.Config) { c.Segment = 16<<10 - 1 },
	"immediate":        func(c *initiator.Config) { c.Immediate = 8192 },
}

func TestScriptSRP(t *testing.T) {
	t.Run("sim", func(t *testing.T) {
		scriptSRP(t, func() transporttest.Devices { return transporttest.SimDevices(sim.New()) })
	})
	t.Run("iwarp", func(t *testing.T) {
		scriptSRP(t, func() transporttest.Devices { return transporttest.IWARPDevices(t) })
	})
	t.Run("roce", func(t *testing.T) {
		scriptSRP(t, func() transporttest.Devices { return transporttest.RoCEDevices(t, nil) })
	})
}

func scriptSRP(t *testing.T, devices func() transporttest.Devices) {
	for name, way := range srpWays {
		d := devices()
		arena := buffer.NewArena(64 << 20)
		disk, done := transporttest.ScriptTarget(t, arena)
		node, err := srp.NewNode(srp.Config{Arena: arena})
		if err != nil {
			t.Fatal(err)
		}
		if err := node.SetTarget(srp.Target{SCSI: disk, IDExt: 1, IOCGUID: 2}); err != nil {
			t.Fatal(err)
		}
		p, err := srp.Listen(context.Background(), d.Target, d.Addr, node)
		if err != nil {
			t.Fatal(err)
		}
		p.Start()
		t.Run(name, func(t *testing.T) {
			transporttest.Script(t, func(t *testing.T, n int) transporttest.Initiator {
				cfg := initiator.Config{Initiator: iu.MakePortID(0, uint64(n)), Target: iu.MakePortID(1, 2)}
				way(&cfg)
				c, err := initiator.Dial(context.Background(), d.Initiator, p.Addr(), cfg)
				if err != nil {
					t.Fatal(err)
				}
				return overSRP{c}
			})
		})
		_ = p.Close()
		_ = node.Shutdown(context.Background())
		if err := d.Close(); err != nil {
			t.Error(err)
		}
		done()
		if n := arena.Outstanding(); n != 0 {
			t.Errorf("%d bytes of the arena are out", n)
		}
	}
}
