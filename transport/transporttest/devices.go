package transporttest

import (
	"errors"
	"testing"

	"github.com/lunette-io/lunette/network/rdma"
	"github.com/lunette-io/lunette/network/rdma/iwarp"
	"github.com/lunette-io/lunette/network/rdma/sim"
)

// Devices are two RDMA devices that reach each other.
type Devices struct {
	Target, Initiator rdma.Device
	Addr              string // where the target listens, HOST:PORT

	below []func() error // what is closed after them
}

// Close closes both.
func (d Devices) Close() error {
	err := errors.Join(d.Initiator.Close(), d.Target.Close())
	if err != nil {
		return err
	}
	for _, f := range d.below {
		err = errors.Join(err, f())
	}
	return err
}

// SimDevices are two devices of a simulated network.
func SimDevices(n *sim.Network) Devices {
	return Devices{Target: n.Device(), Initiator: n.Device(), Addr: "10.0.0.1:3260"}
}

// IWARPDevices are two devices of iWARP that reach each other by TCP on loopback, each with an
// engine of its own.
func IWARPDevices(tb testing.TB) Devices {
	tb.Helper()
	d := Devices{Addr: "127.0.0.1:0"}
	for _, dev := range []*rdma.Device{&d.Target, &d.Initiator} {
		e := NewEngine(tb)
		i, err := iwarp.New(iwarp.Config{Engine: e})
		if err != nil {
			tb.Fatal(err)
		}
		*dev = i
		d.below = append(d.below, e.Close)
	}
	return d
}
