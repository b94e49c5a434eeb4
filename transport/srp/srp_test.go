package srp_test

import (
	"encoding/hex"
	"testing"

	initiator "github.com/lunette-io/lunette/initiator/srp"
	"github.com/lunette-io/lunette/network/rdma/sim"
	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/transport/srp"
	"github.com/lunette-io/lunette/transport/transporttest"
)

// simulate starts a node on a network of its own, with faults.
func simulate(tb testing.TB, cfg srp.Config) (*transporttest.SRP, *sim.Network) {
	tb.Helper()
	n := sim.New()
	return transporttest.StartSRP(tb, transporttest.SimDevices(n), cfg, nil), n
}

// A starter starts a node on the network of the test.
type starter func(tb testing.TB, cfg srp.Config) *transporttest.SRP

// over runs test over every provider there is.
func over(t *testing.T, test func(t *testing.T, start starter)) {
	t.Run("sim", func(t *testing.T) {
		test(t, func(tb testing.TB, cfg srp.Config) *transporttest.SRP {
			return transporttest.StartSRP(tb, transporttest.SimDevices(sim.New()), cfg, nil)
		})
	})
	t.Run("iwarp", func(t *testing.T) {
		test(t, func(tb testing.TB, cfg srp.Config) *transporttest.SRP {
			return transporttest.StartSRP(tb, transporttest.IWARPDevices(tb), cfg, nil)
		})
	})
	t.Run("roce", func(t *testing.T) {
		test(t, func(tb testing.TB, cfg srp.Config) *transporttest.SRP {
			return transporttest.StartSRP(tb, transporttest.RoCEDevices(tb, nil), cfg, nil)
		})
	})
}

func hexOf(b []byte) string { return hex.EncodeToString(b) }

// read and write are CDBs for n bytes from block lba on.
func read(lba uint32, n int, w transporttest.Way) []byte {
	return transporttest.CDB10(scsi.OpRead10, lba, uint16(n/transporttest.BlockSize), w)
}

func write(lba uint32, n int, w transporttest.Way) []byte {
	return transporttest.CDB10(scsi.OpWrite10, lba, uint16(n/transporttest.BlockSize), w)
}

// pattern is n bytes that say where they are from.
func pattern(n int, seed uint64) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(uint64(i)*7 + uint64(i>>9) + seed*131)
	}
	return b
}

// ready runs TEST UNIT READY, and everything before it has been looked at.
func ready(tb testing.TB, c *initiator.Conn) {
	tb.Helper()
	k := initiator.Command{CDB: make([]byte, 6)}
	if err := c.Do(&k); err != nil || k.Status != scsi.Good {
		tb.Fatalf("TEST UNIT READY: %v, %v, %v", err, k.Status, k.Sense)
	}
}

// good runs a command that must succeed.
func good(tb testing.TB, c *initiator.Conn, cdb, out, in []byte) {
	tb.Helper()
	k := initiator.Command{CDB: cdb, Out: out, In: in}
	if err := c.Do(&k); err != nil || k.Status != scsi.Good || k.OutResidual != 0 || k.InResidual != 0 {
		tb.Fatalf("%x: %v, %v, %v, residuals %d %d", cdb, err, k.Status, k.Sense, k.OutResidual, k.InResidual)
	}
}

// session is what the node tells of an initiator.
func session(tb testing.TB, s *transporttest.SRP, cfg initiator.Config) srp.SessionInfo {
	tb.Helper()
	for _, i := range s.Node.Sessions() {
		if i.Initiator == cfg.Initiator.String() {
			return i
		}
	}
	tb.Fatal("there is no such session")
	return srp.SessionInfo{}
}

// quiet waits until all credits are back, on both sides, and nothing is open.
func quiet(tb testing.TB, s *transporttest.SRP, cfg initiator.Config, conns ...*initiator.Conn) {
	tb.Helper()
	transporttest.Eventually(tb, "all credits come back", func() bool {
		for i, x := range session(tb, s, cfg).Channels {
			if x.Open != 0 || x.Due != 0 || x.Credits != int(conns[i].Login.Delta) || conns[i].Credits() != x.Credits {
				return false
			}
		}
		return true
	})
}
