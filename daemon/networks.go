package daemon

import (
	"errors"

	"github.com/lunette-io/lunette/agent/model"
	"github.com/lunette-io/lunette/network/tcp"
)

// Networks are what all transports of a daemon share: whichever of them a connection is of, the
// same threads wait for it.
type Networks struct {
	Engine  tcp.Engine
	Sockets tcp.Options
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
	return &Networks{Engine: engine, Sockets: tcp.Options{SendBuffer: sendBuffer}}, nil
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
	return errors.Join(n.Engine.Close())
}
