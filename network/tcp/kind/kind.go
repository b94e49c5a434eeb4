// Package kind is what a document can say of TCP as a provider, and the network that it opens.
package kind

import (
	"time"

	"github.com/lunette-io/lunette/agent/api"
	"github.com/lunette-io/lunette/agent/model"
	"github.com/lunette-io/lunette/daemon/plugin"
	"github.com/lunette-io/lunette/network/tcp"
)

// Space is what TCP portals take: two cannot have the same address and port, whichever provider
// they are of.
const Space = "tcp"

// A Network is TCP for all transports, and for providers on it: whichever of them a connection is of,
// the same threads wait for it.
type Network struct {
	Engine  tcp.Engine
	Options tcp.Options // of the sockets
}

// Close ends the engine. No connection is left.
func (n *Network) Close() error { return n.Engine.Close() }

// Describe implements [plugin.Describer].
func (n *Network) Describe() api.Facts {
	if r, ok := n.Engine.(*tcp.Reactors); ok {
		return api.Facts{{Name: "engine", Value: "reactors"}, {Name: "reactors", Value: r.Count()}}
	}
	return api.Facts{{Name: "engine", Value: "goroutines"}}
}

// Kind is the provider "tcp".
func Kind() plugin.Provider {
	return plugin.Opens(plugin.Provider{
		About: plugin.About{Name: "tcp", Help: "Over TCP."},
		Document: []model.Option{{Name: "network", Type: model.Group, Change: model.Restarted, Options: []model.Option{
			{Name: "engine", Default: model.Auto, Values: []string{model.Auto, "goroutines", "reactors"}, Help: "What waits for connections: `goroutines`, one for each; `reactors`, a few threads for all; or `auto`."},
			{Name: "reactors", Type: model.Int, Max: 1024, Help: "How many threads the reactors are; 0: one less than there are processors."},
			{Name: "busy-poll", Type: model.Duration, Default: model.Auto, Words: []string{model.Auto}, Max: int64(time.Second), Help: "How long to look for work before sleeping; `auto`: where it pays."},
			{Name: "send-buffer", Type: model.Bytes, Default: model.Auto, Words: []string{model.Auto, "none"}, Min: 128 << 10, Max: 1 << 30, Help: "How much each connection holds that is being sent; `none`: what the system thinks right; `auto`: a limit on connections that stay on this host."},
		}}},
		Check: check, Listen: func(port uint16) model.Listen { return model.HostPort(Space, port) }, Explain: Explain, Busy: Busy,
	}, open)
}

func check(c *model.Check) {
	n := c.Document.Values.Group("network")
	if n.Int("reactors") > 0 && n.String("engine") == "goroutines" {
		c.Fail("network.reactors", "the engine \"goroutines\" has no reactors")
	}
}

func open(v model.Values) (*Network, error) {
	v = v.Group("network")
	spin := tcp.AutoSpin()
	if v.String("busy-poll") != model.Auto {
		spin = tcp.Spin{Time: v.Duration("busy-poll"), Always: true}
	}
	n := &Network{Options: tcp.Options{SendBuffer: int(v.Size("send-buffer"))}}
	if v.String("send-buffer") == "none" {
		n.Options.SendBuffer = -1
	}
	if v.String("engine") != "reactors" {
		n.Engine = tcp.NewGoroutines(spin)
		return n, nil
	}
	var err error
	n.Engine, err = tcp.NewReactors(tcp.ReactorOptions{Count: int(v.Int("reactors")), Spin: spin})
	return n, err
}
