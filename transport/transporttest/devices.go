package transporttest

import (
	"errors"

	"github.com/lunette-io/lunette/network/rdma"
	"github.com/lunette-io/lunette/network/rdma/sim"
)

// Devices are two RDMA devices that reach each other.
type Devices struct {
	Target, Initiator rdma.Device
	Addr              string // where the target listens, HOST:PORT
}

// Close closes both.
func (d Devices) Close() error { return errors.Join(d.Initiator.Close(), d.Target.Close()) }

// SimDevices are two devices of a simulated network.
func SimDevices(n *sim.Network) Devices {
	return Devices{Target: n.Device(), Initiator: n.Device(), Addr: "10.0.0.1:3260"}
}
