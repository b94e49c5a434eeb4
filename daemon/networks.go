package daemon

import (
	"errors"

	"github.com/lunette-io/lunette/agent/model"
	"github.com/lunette-io/lunette/network/rdma"
	"github.com/lunette-io/lunette/network/rdma/iwarp"
	"github.com/lunette-io/lunette/network/tcp"
)

// Networks are what all transports of a daemon share: whichever of them a connection is of, the
// same threads wait for it.
type Networks struct {
	Engine  tcp.Engine
	Sockets tcp.Options
	IWARP   rdma.Device // on the same engine and sockets
}

// newNetworks makes them as the document says.
func newNetworks(n model.Network) (*Networks, error) {
	sendBuffer, err := n.SendBufferBytes()
	if err != nil {
		return nil, err
	}
	engine, err := newEngine(n)
	if err != nil {
		return nil, err
	}
	sockets := tcp.Options{SendBuffer: sendBuffer}
	device, err := newIWARP(n.IWARP, engine, sockets)
	if err != nil {
		return nil, errors.Join(err, engine.Close())
	}
	return &Networks{Engine: engine, Sockets: sockets, IWARP: device}, nil
}

// newIWARP makes the device of all iWARP portals.
func newIWARP(w model.IWARP, engine tcp.Engine, sockets tcp.Options) (rdma.Device, error) {
	longest, err := w.MaxFPDUBytes()
	if err != nil {
		return nil, err
	}
	return iwarp.New(iwarp.Config{Engine: engine, TCP: sockets, CRC: w.CRC == "always", MaxFPDU: longest})
}

// newEngine makes what waits for TCP connections.
func newEngine(n model.Network) (tcp.Engine, error) {
	spin := tcp.AutoSpin()
	switch d, auto, err := n.BusyPollTime(); {
	case err != nil:
		return nil, err
	case !auto:
		spin = tcp.Spin{Time: d, Always: true}
	}
	if n.Engine == "reactors" {
		return tcp.NewReactors(tcp.ReactorOptions{Count: n.Reactors, Spin: spin})
	}
	return tcp.NewGoroutines(spin), nil
}

// close ends them, after all transports.
func (n *Networks) close() error {
	return errors.Join(n.IWARP.Close(), n.Engine.Close())
}
