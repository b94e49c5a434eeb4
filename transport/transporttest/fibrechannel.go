package transporttest

import (
	"context"
	"errors"
	"testing"

	"github.com/lunette-io/lunette/network/ethernet"
	ethersim "github.com/lunette-io/lunette/network/ethernet/sim"
	"github.com/lunette-io/lunette/network/fc"
	"github.com/lunette-io/lunette/network/fc/fcoe"
	"github.com/lunette-io/lunette/network/fc/sim"
)

// A FibreChannel is a network of Fibre Channel with two hosts: that of the targets, which open it at Address, and that of the initiators,
// which have it open.
type FibreChannel struct {
	Targets    fc.Provider
	Address    string
	Initiators fc.Network

	below []func() error // what is closed after both
}

// Close closes the initiators' end, and what is below both. Links are closed before.
func (n *FibreChannel) Close() error {
	err := n.Initiators.Close()
	for _, f := range n.below {
		err = errors.Join(err, f())
	}
	return err
}

// A common is a network inside the process, which targets and initiators share.
type common struct{ fc.Network }

// Open implements fc.Provider.
func (p common) Open(context.Context, string) (fc.Network, error) {
	if z, ok := p.Network.(fc.Zoned); ok {
		return zoned{lent{p.Network}, z}, nil
	}
	return lent{p.Network}, nil
}

// Close implements fc.Provider.
func (p common) Close() error { return nil }

// A lent network is closed by whoever owns it.
type lent struct{ fc.Network }

// Close implements fc.Network.
func (lent) Close() error { return nil }

type zoned struct {
	lent
	fc.Zoned
}

// SimFC are two hosts of a simulated network of neighbours.
func SimFC(n *sim.Network) *FibreChannel {
	return &FibreChannel{Targets: common{n}, Address: "sim", Initiators: n}
}

// SimFabric are two hosts with a simulated fabric between them: the targets are inside.
func SimFabric(f *sim.Fabric) *FibreChannel {
	return &FibreChannel{Targets: common{f.Inside}, Address: "sim", Initiators: f.Outside, below: []func() error{f.Inside.Close}}
}

// FCoE are two hosts on Ethernet, with an interface each. The targets' is a neighbour of the initiators', or their fabric; options are more of its address, as in
// "&max-payload=1024".
func FCoE(tb testing.TB, targets, initiators ethernet.Host, at, from string, mode fcoe.Mode, options string) *FibreChannel {
	tb.Helper()
	other := fcoe.VN2VN
	if mode == fcoe.Fabric {
		other = fcoe.ENode
	}
	a, b := fcoe.New(fcoe.Config{Host: targets}), fcoe.New(fcoe.Config{Host: initiators})
	n, err := b.Open(context.Background(), from+"?mode="+string(other))
	if err != nil {
		tb.Fatal(err)
	}
	return &FibreChannel{
		Targets: a, Address: at + "?mode=" + string(mode) + options, Initiators: n, below: []func() error{b.Close, a.Close},
	}
}

// HubFCoE are two hosts on a simulated hub, which is closed with them.
func HubFCoE(tb testing.TB, hub *ethersim.Network, mtu int, mode fcoe.Mode, options string) *FibreChannel {
	tb.Helper()
	a, b := hub.Host("targets"), hub.Host("initiators")
	a.Add("eth0", ethernet.MAC{2, 0, 0, 0, 0xaa, 1}, mtu)
	b.Add("eth0", ethernet.MAC{2, 0, 0, 0, 0xbb, 1}, mtu)
	n := FCoE(tb, a, b, "eth0", "eth0", mode, options)
	n.below = append(n.below, hub.Close)
	return n
}
