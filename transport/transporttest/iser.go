package transporttest

import (
	"context"
	"testing"

	initiator "github.com/lunette-io/lunette/initiator/iscsi"
	"github.com/lunette-io/lunette/network/rdma"
	"github.com/lunette-io/lunette/network/rdma/sim"
	"github.com/lunette-io/lunette/transport/iscsi"
	"github.com/lunette-io/lunette/transport/iscsi/iser"
)

// An ISER is how a node on RDMA and its initiators are.
type ISER struct {
	Devices Devices
	Portal  iser.Options
	RDMA    initiator.RDMA
	// Withhold, if not nil, makes the network answer no Read any more: what an initiator asks
	// for that withholds its data.
	Withhold func()
}

// StartISER is StartISCSI on RDMA. It closes the devices at the end.
func StartISER(tb testing.TB, x ISER, cfg iscsi.Config, change func(*iscsi.Target)) *ISCSI {
	tb.Helper()
	return start(tb, cfg, change, func(s *ISCSI) (portal, error) {
		s.Network, s.below = iser.Name, x.Devices.Close
		s.dial = func(ctx context.Context, cfg initiator.Config) (*initiator.Conn, error) {
			if cfg.Withhold && x.Withhold != nil {
				x.Withhold()
			}
			return initiator.DialRDMA(ctx, x.Devices.Initiator, s.Addr, cfg, x.RDMA)
		}
		return iser.Listen(context.Background(), x.Devices.Target, x.Devices.Addr, s.Node, x.Portal)
	})
}

// Start starts a node as StartISCSI does, on the network of the test.
type Start func(cfg iscsi.Config, change func(*iscsi.Target)) *ISCSI

// OverISCSI runs test over every network that iSCSI has: TCP, and RDMA.
func OverISCSI(t *testing.T, test func(t *testing.T, start Start)) {
	t.Run("tcp", func(t *testing.T) {
		test(t, func(cfg iscsi.Config, change func(*iscsi.Target)) *ISCSI { return StartISCSI(t, cfg, change) })
	})
	t.Run("iser", func(t *testing.T) {
		test(t, func(cfg iscsi.Config, change func(*iscsi.Target)) *ISCSI {
			n := sim.New()
			mute := func() { n.Break(func(e sim.Event) sim.Fate { return sim.Fate{Mute: e.Op == rdma.Read} }) }
			return StartISER(t, ISER{Devices: SimDevices(n), Withhold: mute}, cfg, change)
		})
	})
}
