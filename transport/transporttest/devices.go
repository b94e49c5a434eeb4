package transporttest

import (
	"errors"
	"net/netip"
	"os"
	"testing"

	"github.com/lunette-io/lunette/network/rdma"
	"github.com/lunette-io/lunette/network/rdma/iwarp"
	"github.com/lunette-io/lunette/network/rdma/roce"
	"github.com/lunette-io/lunette/network/rdma/sim"
	udpsim "github.com/lunette-io/lunette/network/udp/sim"
)

// Devices are two RDMA devices that reach each other.
type Devices struct {
	Target, Initiator rdma.Device
	Addr              string // where the target listens, HOST:PORT
	// From is the address of the initiator; not valid: it is that of the target.
	From netip.Addr
	// Asks is how long the private data of a request is, to which they come filled up with zeros; 0: as long as they are.
	Asks int

	below []func() error // what is closed after them
}

// Initiates is the address of the initiator; addr is that of the target, HOST:PORT.
func (d Devices) Initiates(addr string) netip.Addr {
	if d.From.IsValid() {
		return d.From
	}
	return netip.MustParseAddrPort(addr).Addr()
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

// RoCEDevices are two devices of RoCE that reach each other by datagrams on a network inside the process, which breaks what faults say;
// nil: nothing. RoCE has nothing that waits by an engine: where EngineEnv names one, tb is skipped, which is to be done before anything else is made.
func RoCEDevices(tb testing.TB, faults udpsim.Faults) Devices {
	tb.Helper()
	if engine := os.Getenv(EngineEnv); engine != "" {
		tb.Skipf("SKIPPED: RoCE waits for no sockets of TCP: it is the same with %s", engine)
	}
	n := udpsim.New()
	n.Break(faults)
	d := Devices{Addr: "10.0.0.1:3260", From: netip.MustParseAddr("10.0.0.2"), Asks: roce.MaxPrivateRequest, below: []func() error{n.Close}}
	for i, dev := range []*rdma.Device{&d.Target, &d.Initiator} {
		host := n.Host([]string{"target", "initiator"}[i], 9000, netip.AddrFrom4([4]byte{10, 0, 0, byte(1 + i)}))
		r, err := roce.New(roce.Config{Host: host, Lanes: 2})
		if err != nil {
			tb.Fatal(err)
		}
		*dev = r
	}
	return d
}
