package transporttest_test

import (
	"context"
	"errors"
	"testing"

	"github.com/lunette-io/lunette/buffer"
	initiator "github.com/lunette-io/lunette/initiator/virtio"
	"github.com/lunette-io/lunette/network/vhost"
	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/target"
	"github.com/lunette-io/lunette/transport/transporttest"
	"github.com/lunette-io/lunette/transport/virtio"
	"github.com/lunette-io/lunette/transport/virtio/iu"
)

// overVirtio is an Initiator by virtio.
type overVirtio struct{ c *initiator.Conn }

func (i overVirtio) Do(lun scsi.LUN, cdb, out []byte, in int) (transporttest.Outcome, error) {
	k := initiator.Command{LUN: lun, CDB: cdb, Out: out, In: make([]byte, in)}
	err := i.c.Do(&k)
	o := transporttest.Outcome{Status: k.Status, Sense: k.Sense, In: k.In[:k.Received], Residual: int64(k.Residual), NoOverflow: true}
	var code *initiator.CodeError
	if errors.As(err, &code) && code.Code == iu.CodeOverrun {
		o.In, o.Overrun, err = k.In, true, nil
	}
	if k.Status != scsi.Good && int(k.Written) == iu.ResponseLen {
		o.In = nil // the residual counts data-out too
	}
	return o, err
}

// virtioFunctions are how virtio calls task management functions.
var virtioFunctions = map[target.Function]iu.Function{
	target.AbortTaskSet: iu.AbortTaskSet, target.ClearTaskSet: iu.ClearTaskSet, target.ClearACA: iu.ClearACA,
	target.ResetLogicalUnit: iu.UnitReset, target.QueryTaskSet: iu.QueryTaskSet, target.ResetNexus: iu.NexusReset,
}

func (i overVirtio) Manage(f target.Function, lun scsi.LUN) (target.FunctionResult, error) {
	x, ok := virtioFunctions[f]
	if !ok {
		return 0, transporttest.ErrNoFunction
	}
	r, err := i.c.Manage(x, 0, lun, 0)
	return map[iu.Code]target.FunctionResult{
		iu.CodeOK: target.FunctionComplete, iu.CodeSucceeded: target.FunctionSucceeded, iu.CodeRejected: target.FunctionUnsupported,
		iu.CodeFailure: target.FunctionRejected, iu.CodeIncorrectLUN: target.IncorrectLUN,
	}[r], err
}

func (i overVirtio) Close() error { return i.c.Close() }

// virtioWays are what drivers are like.
var virtioWays = map[string]initiator.Config{
	"split":                    {},
	"split, no tables":         {Direct: true},
	"split, flags":             {Flags: true},
	"split, nothing":           {Direct: true, Flags: true},
	"split, small segments":    {Segment: 4096},
	"packed":                   {Packed: true},
	"packed, no tables":        {Packed: true, Direct: true},
	"packed, flags":            {Packed: true, Flags: true},
	"packed, small segments":   {Packed: true, Segment: 4096},
	"split, small and direct":  {Direct: true, Segment: 1000},
	"packed, small and direct": {Packed: true, Direct: true, Segment: 1000},
}

func TestScriptVirtio(t *testing.T) {
	for name, cfg := range virtioWays {
		for on, disk := range scriptDisks {
			t.Run(name+", "+on, func(t *testing.T) { scriptVirtio(t, cfg, disk) })
		}
	}
}

// scriptDisks are the stores that a ScriptTarget is on: those that leave memory to the kernel are lent the driver's.
var scriptDisks = map[string]func(testing.TB, *buffer.Arena) (*target.Target, func()){
	"memory": transporttest.ScriptTarget,
	"file": func(tb testing.TB, a *buffer.Arena) (*target.Target, func()) {
		return transporttest.ScriptTargetInFile(tb, a, false)
	},
	"direct": func(tb testing.TB, a *buffer.Arena) (*target.Target, func()) {
		return transporttest.ScriptTargetInFile(tb, a, true)
	},
}

func scriptVirtio(t *testing.T, cfg initiator.Config, makes func(testing.TB, *buffer.Arena) (*target.Target, func())) {
	arena := buffer.NewArena(64 << 20)
	disk, done := makes(t, arena)
	node, err := virtio.NewNode(virtio.Config{Arena: arena})
	if err != nil {
		t.Fatal(err)
	}
	if err := node.TakeTarget(virtio.Target{SCSI: disk}); err != nil {
		t.Fatal(err)
	}
	host := vhost.New(vhost.Config{})
	sockets := transporttest.NewSockets(t, host, node)
	transporttest.Script(t, func(t *testing.T, n int) transporttest.Initiator {
		return overVirtio{sockets.Dial(byte(n), cfg)}
	})
	sockets.Close()
	_ = node.Shutdown(context.Background())
	if err := host.Close(); err != nil {
		t.Error(err)
	}
	done()
	if n := arena.Outstanding(); n != 0 {
		t.Errorf("%d bytes of the arena are out", n)
	}
}
