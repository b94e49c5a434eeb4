package transporttest_test

import (
	"context"
	"fmt"
	"testing"

	"go.uber.org/goleak"

	"github.com/lunette-io/lunette/buffer"
	initiator "github.com/lunette-io/lunette/initiator/iscsi"
	"github.com/lunette-io/lunette/network/rdma/sim"
	"github.com/lunette-io/lunette/network/tcp"
	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/target"
	"github.com/lunette-io/lunette/transport/iscsi"
	"github.com/lunette-io/lunette/transport/iscsi/iser"
	"github.com/lunette-io/lunette/transport/iscsi/pdu"
	iscsitcp "github.com/lunette-io/lunette/transport/iscsi/tcp"
	"github.com/lunette-io/lunette/transport/loopback"
	"github.com/lunette-io/lunette/transport/transporttest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// overISCSI is an Initiator by iSCSI.
type overISCSI struct{ c *initiator.Conn }

func (i overISCSI) Do(lun scsi.LUN, cdb, out []byte, in int) (transporttest.Outcome, error) {
	b := make([]byte, in)
	r, err := i.c.Do(lun, cdb, out, b)
	if err != nil {
		return transporttest.Outcome{}, err
	}
	return transporttest.Outcome{Status: r.Status, Sense: r.Sense(), In: b[:r.Received], Residual: r.Residual}, nil
}

func (i overISCSI) Manage(f target.Function, lun scsi.LUN) (target.FunctionResult, error) {
	codes := map[target.Function]pdu.TMFFunction{
		target.AbortTaskSet: pdu.TMFAbortTaskSet, target.ClearTaskSet: pdu.TMFClearTaskSet, target.ClearACA: pdu.TMFClearACA,
		target.ResetLogicalUnit: pdu.TMFLUNReset, target.QueryTaskSet: pdu.TMFQueryTaskSet,
	}
	r, err := i.c.Manage(codes[f], lun, nil)
	return map[pdu.TMFResponseCode]target.FunctionResult{
		pdu.TMFComplete: target.FunctionComplete, pdu.TMFNoLUN: target.IncorrectLUN, pdu.TMFNotSupported: target.FunctionUnsupported,
		pdu.TMFSucceeded: target.FunctionSucceeded,
	}[r], err
}

func (i overISCSI) Close() error { _, err := i.c.Logout(pdu.LogoutCloseSession, 0); return err }

// scriptISCSI runs the script on a node. listen makes its portal; dial logs in, and below
// closes what is below the portal.
func scriptISCSI(t *testing.T, listen func(*iscsi.Node) (p portal, err error), dial func(addr string, cfg initiator.Config) (*initiator.Conn, error), below func() error) {
	arena := buffer.NewArena(64 << 20)
	disk, done := transporttest.ScriptTarget(t, arena)
	node, err := iscsi.NewNode(iscsi.Config{Arena: arena})
	if err != nil {
		t.Fatal(err)
	}
	if err := node.AddTarget(iscsi.Target{SCSI: disk}); err != nil {
		t.Fatal(err)
	}
	p, err := listen(node)
	if err != nil {
		t.Fatal(err)
	}
	p.Start()
	transporttest.Script(t, func(t *testing.T, n int) transporttest.Initiator {
		c, err := dial(p.Addr(), initiator.Config{
			InitiatorName: transporttest.InitiatorName, TargetName: transporttest.TargetName, ISID: pdu.ISID{0x80, 5: byte(n)},
			Login: initiator.DefaultLogin(),
		})
		if err != nil {
			t.Fatal(err)
		}
		return overISCSI{c}
	})
	_ = p.Close()
	_ = node.Shutdown(context.Background())
	if err := below(); err != nil {
		t.Error(err)
	}
	done()
	if n := arena.Outstanding(); n != 0 {
		t.Errorf("%d bytes of the arena are out", n)
	}
}

type portal interface {
	Start()
	Addr() string
	Close() error
}

func TestScriptISCSI(t *testing.T) {
	for _, digests := range []string{"None", "CRC32C"} {
		t.Run(digests, func(t *testing.T) {
			engine := transporttest.NewEngine(t)
			scriptISCSI(t, func(n *iscsi.Node) (portal, error) {
				return iscsitcp.Listen(context.Background(), "127.0.0.1:0", n, engine, tcp.Options{})
			}, func(addr string, cfg initiator.Config) (*initiator.Conn, error) {
				cfg.Login.HeaderDigest, cfg.Login.DataDigest = digests, digests
				return initiator.Dial(context.Background(), addr, cfg)
			}, engine.Close)
		})
	}
}

func TestScriptISER(t *testing.T) {
	devices := map[string]func(tb testing.TB) transporttest.Devices{
		"sim":   func(testing.TB) transporttest.Devices { return transporttest.SimDevices(sim.New()) },
		"iwarp": transporttest.IWARPDevices,
		"roce":  func(tb testing.TB) transporttest.Devices { return transporttest.RoCEDevices(tb, nil) },
	}
	initiators := map[string]initiator.RDMA{
		"Linux": {}, "no invalidation": {NoInvalidate: true}, "whole buffers": {Buffer: initiator.WholeBuffer},
		"Hello, large immediate data": {Hello: true, Buffer: initiator.SolicitedBuffer, TargetRecv: 64 << 10, Unexpected: 8},
	}
	for provider, open := range devices {
		for name, r := range initiators {
			for _, unsolicited := range []bool{false, true} {
				t.Run(fmt.Sprintf("%s, %s, unsolicited data %v", provider, name, unsolicited), func(t *testing.T) {
					d := open(t)
					scriptISCSI(t, func(n *iscsi.Node) (portal, error) {
						return iser.Listen(context.Background(), d.Target, d.Addr, n, iser.Options{Unsolicited: func() bool { return unsolicited }})
					}, func(addr string, cfg initiator.Config) (*initiator.Conn, error) {
						return initiator.DialRDMA(context.Background(), d.Initiator, addr, cfg, r)
					}, d.Close)
				})
			}
		}
	}
}

// overLoopback is an Initiator in the process.
type overLoopback struct{ s *loopback.Session }

func (i overLoopback) Do(lun scsi.LUN, cdb, out []byte, in int) (transporttest.Outcome, error) {
	b := make([]byte, in)
	r, err := i.s.Run(loopback.Command{LUN: lun, CDB: cdb, Out: out, In: b})
	if err != nil {
		return transporttest.Outcome{}, err
	}
	return transporttest.Outcome{Status: r.Status, Sense: r.Sense, In: b[:r.In], Residual: r.Residual}, nil
}

func (i overLoopback) Manage(f target.Function, lun scsi.LUN) (target.FunctionResult, error) {
	return i.s.Manage(f, lun, 0), nil
}

func (i overLoopback) Close() error { return i.s.Close() }

func TestScriptLoopback(t *testing.T) {
	for _, o := range []loopback.Options{{First: -1}, {}, {Later: true, Piece: 1000}} {
		arena := buffer.NewArena(64 << 20)
		disk, done := transporttest.ScriptTarget(t, arena)
		port := &target.Port{Target: disk, Protocol: scsi.ProtocolISCSI, Relative: 1, Name: disk.Name}
		transporttest.Script(t, func(t *testing.T, n int) transporttest.Initiator {
			name := transporttest.InitiatorName
			return overLoopback{loopback.Login(port, target.Initiator{Name: name, Port: scsi.ISCSIPort(name, [6]byte{5: byte(n)})}, o)}
		})
		done()
		if n := arena.Outstanding(); n != 0 {
			t.Errorf("%d bytes of the arena are out", n)
		}
	}
}
