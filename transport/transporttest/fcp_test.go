package transporttest_test

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"

	"github.com/lunette-io/lunette/buffer"
	initiator "github.com/lunette-io/lunette/initiator/fcp"
	"github.com/lunette-io/lunette/network/ethernet/packet"
	ethersim "github.com/lunette-io/lunette/network/ethernet/sim"
	"github.com/lunette-io/lunette/network/fc"
	"github.com/lunette-io/lunette/network/fc/fabric"
	"github.com/lunette-io/lunette/network/fc/fcoe"
	"github.com/lunette-io/lunette/network/fc/sim"
	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/target"
	"github.com/lunette-io/lunette/transport/fcp"
	"github.com/lunette-io/lunette/transport/fcp/iu"
	"github.com/lunette-io/lunette/transport/transporttest"
)

// overFCP is an Initiator by FCP.
type overFCP struct {
	p *initiator.Port
	c *initiator.Conn
}

func (i overFCP) Do(lun scsi.LUN, cdb, out []byte, in int) (transporttest.Outcome, error) {
	k := initiator.Command{LUN: lun, CDB: cdb, Out: out, In: make([]byte, in)}
	if err := i.c.Do(&k); err != nil {
		return transporttest.Outcome{}, err
	}
	return transporttest.Outcome{Status: k.Status, Sense: k.Sense, In: k.In[:k.Received], Residual: k.Residual}, nil
}

func (i overFCP) Manage(f target.Function, lun scsi.LUN) (target.FunctionResult, error) {
	flags := map[target.Function]iu.Management{
		target.AbortTaskSet: iu.AbortTaskSet, target.ClearTaskSet: iu.ClearTaskSet, target.ClearACA: iu.ClearACA,
		target.ResetLogicalUnit: iu.LUReset, target.QueryTaskSet: iu.QueryTaskSet,
	}
	code, err := i.c.Manage(flags[f], lun)
	return map[iu.Code]target.FunctionResult{
		iu.CodeComplete: target.FunctionComplete, iu.CodeIncorrectLUN: target.IncorrectLUN, iu.CodeRejected: target.FunctionUnsupported,
		iu.CodeFailed: target.FunctionRejected, iu.CodeSucceeded: target.FunctionSucceeded,
	}[code], err
}

func (i overFCP) Close() error { return i.p.Close() }

// The service parameters with which initiators come.
var fcpWays = map[string]uint32{
	"Linux":           initiator.DefaultParams,
	"no confirmation": initiator.DefaultParams &^ iu.ParamConfirm,
	"nothing":         iu.ParamInitiator | iu.ParamReadReadyDisabled,
}

func TestScriptFCP(t *testing.T) {
	for name, open := range fcpNetworks {
		for way, params := range fcpWays {
			t.Run(name+", "+way, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) { scriptFCP(t, params, open) })
			})
		}
	}
}

// fcpNetworks are the networks inside the process that FCP is tested over.
var fcpNetworks = map[string]func(tb testing.TB) *transporttest.FibreChannel{
	"sim": func(testing.TB) *transporttest.FibreChannel { return transporttest.SimFC(sim.New()) },
	"sim, short frames": func(testing.TB) *transporttest.FibreChannel {
		return transporttest.SimFC(sim.With(sim.Config{MaxPayload: 1452}))
	},
	"sim, fabric": func(testing.TB) *transporttest.FibreChannel {
		return transporttest.SimFabric(sim.NewFabric(fabric.Config{}, sim.Config{}))
	},
	"FCoE neighbours": hubFCoE(2500, fcoe.VN2VN),
	"FCoE fabric":     hubFCoE(2500, fcoe.Fabric),
	"FCoE, MTU 1500":  hubFCoE(1500, fcoe.Fabric),
}

func hubFCoE(mtu int, mode fcoe.Mode) func(tb testing.TB) *transporttest.FibreChannel {
	return func(tb testing.TB) *transporttest.FibreChannel {
		return transporttest.HubFCoE(tb, ethersim.New(), mtu, mode, "")
	}
}

func scriptFCP(t *testing.T, params uint32, network func(tb testing.TB) *transporttest.FibreChannel) {
	arena := buffer.NewArena(64 << 20)
	disk, done := transporttest.ScriptTarget(t, arena)
	node, err := fcp.NewNode(fcp.Config{Arena: arena})
	if err != nil {
		t.Fatal(err)
	}
	if err := node.SetTarget(fcp.Target{SCSI: disk, Node: transporttest.FCPNode, Ports: []fc.Name{transporttest.FCPPort}}); err != nil {
		t.Fatal(err)
	}
	n := network(t)
	p, err := fcp.Listen(context.Background(), n.Targets, n.Address, node, 1)
	if err != nil {
		t.Fatal(err)
	}
	p.Start()
	transporttest.Script(t, func(t *testing.T, i int) transporttest.Initiator {
		cfg := transporttest.FCPConfig(byte(i))
		cfg.Params = params
		port, err := initiator.Open(n.Initiators, cfg)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), transporttest.Patience)
		defer cancel()
		c, err := port.Dial(ctx, transporttest.FCPPort)
		if err != nil {
			_ = port.Close()
			t.Fatal(err)
		}
		return overFCP{port, c}
	})
	_ = p.Close()
	_ = node.Shutdown(context.Background())
	if err := n.Close(); err != nil {
		t.Error(err)
	}
	done()
	if n := arena.Outstanding(); n != 0 {
		t.Errorf("%d bytes of the arena are out", n)
	}
}

// TestScriptFCPVeth is the script over frames of this host: a pair of virtual interfaces.
func TestScriptFCPVeth(t *testing.T) {
	for _, mode := range []fcoe.Mode{fcoe.VN2VN, fcoe.Fabric} {
		for _, mtu := range []int{1500, 2500} {
			t.Run(fmt.Sprintf("%s, MTU %d", mode, mtu), func(t *testing.T) {
				if !transporttest.InNamespace(t, mtu) {
					return
				}
				scriptFCP(t, initiator.DefaultParams, func(tb testing.TB) *transporttest.FibreChannel {
					return transporttest.FCoE(tb, packet.New(), packet.New(), transporttest.VethTarget, transporttest.VethInitiator, mode, "")
				})
			})
		}
	}
}
