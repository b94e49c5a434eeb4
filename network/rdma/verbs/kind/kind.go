// Package kind is what a document can say of RDMA by adapters, and the device of all its portals. A program that was built without verbs knows
// the words as well, and says what to do when a portal asks for them.
package kind

import (
	"errors"
	"fmt"
	"net"
	"strings"
	"syscall"

	"github.com/lunette-io/lunette/agent/api"
	"github.com/lunette-io/lunette/agent/model"
	"github.com/lunette-io/lunette/daemon/plugin"
	"github.com/lunette-io/lunette/network/rdma"
	"github.com/lunette-io/lunette/network/rdma/verbs"
	tcp "github.com/lunette-io/lunette/network/tcp/kind"
)

// Space is what portals take: two cannot have the same address and port. Ports are numbers of the connection manager; with adapters for iWARP
// they are TCP ports as well, of which the kernel has its own list.
const Space = "verbs"

// help is what users are told of portals.
const help = "By an adapter for RDMA of this host, which moves the data: InfiniBand, RoCE or iWARP, or the modules rdma_rxe and siw. " +
	"The adapter is the one that has the address. It takes a program that was built for it, bin/lunette-verbs, and rdma-core."

// Kind is the provider "verbs".
func Kind() plugin.Provider {
	return plugin.Opens(plugin.Provider{
		About: plugin.About{Name: "verbs", Help: help},
		Document: []model.Option{{Name: "network", Type: model.Group, Change: model.Restarted, Options: []model.Option{{Name: "verbs", Type: model.Group, Options: []model.Option{
			{Name: "device", Help: "The only adapter that portals and connections may be on, by its name in `rdma link`, such as `mlx5_0`; empty: any that has the address."},
			{Name: "depth", Type: model.Int, Default: "128", Min: 16, Max: 4096, Help: "How many sends, writes and reads of a connection the adapter is given at a time; others wait in lunette."},
			{Name: "receive", Default: model.Auto, Values: []string{model.Auto, "shared", "own"}, Help: "Whether buffers for requests are `shared` by all connections of an adapter, or each has its `own`; `auto`: shared, but not with iWARP, where one initiator that sends too much would end the connections of others."},
			{Name: "copies", Type: model.Bytes, Default: "64M", Min: 1 << 20, Max: 1 << 40, Help: "How much memory there may be for data that has to be copied, because it is not in memory that the adapter can be given."},
		}}}}},
		Listen: func(port uint16) model.Listen { return model.HostPort(Space, port) }, Explain: explain, Busy: tcp.Busy,
	}, func(v model.Values) (rdma.Device, error) { return open(v) })
}

// open makes the device of all portals.
func open(v model.Values) (rdma.Device, error) {
	v = v.Group("network").Group("verbs")
	conf := verbs.Config{Adapter: v.String("device"), Depth: int(v.Int("depth")), Copies: v.Size("copies")}
	switch v.String("receive") {
	case "shared":
		conf.Shared = verbs.SharedYes
	case "own":
		conf.Shared = verbs.SharedNo
	}
	d, err := verbs.New(conf)
	if err != nil {
		return nil, err
	}
	return &network{d}, nil
}

// A network is the device of all portals.
// It is a [plugin.Logger] and a [plugin.Registrant] by the device's own methods.
type network struct{ *verbs.Device }

var (
	_ plugin.Logger     = (*network)(nil)
	_ plugin.Registrant = (*network)(nil)
)

// Describe implements [plugin.Describer].
func (n *network) Describe() api.Facts {
	all := n.Adapters()
	if len(all) == 0 {
		return nil
	}
	var lines []string
	for _, a := range all {
		receives := "each connection has its own receive queue"
		if a.Shared {
			receives = "shared receive queue"
		}
		lines = append(lines, fmt.Sprintf("%s: %d connections, %d MiB registered, %s", a.Name, a.Connections, a.Registered>>20, receives))
	}
	return api.Facts{{Name: "verbs", Value: lines}}
}

// explain says what to do about a portal that cannot be bound.
func explain(f plugin.Failed) string {
	host, port, _ := net.SplitHostPort(f.At.Text)
	if other, ok := tcp.Rival(f); ok {
		return fmt.Sprintf("port %s is that of the portal %s already: choose another port", port, other)
	}
	var dns *net.DNSError
	switch {
	case errors.Is(f.Err, syscall.EADDRINUSE):
		return fmt.Sprintf("port %s is taken by another program, or, with an adapter for iWARP, by a portal over TCP: choose another port", port)
	case errors.Is(f.Err, syscall.EADDRNOTAVAIL):
		return fmt.Sprintf("%s is no address of this machine: \"ip address\" lists those it has", host)
	case errors.Is(f.Err, syscall.ENODEV):
		return fmt.Sprintf("no adapter for RDMA has the address %s: \"rdma link\" lists adapters and their interfaces, \"ip address\" the addresses of these", host)
	case errors.Is(f.Err, syscall.EACCES), errors.Is(f.Err, syscall.EPERM):
		return "this program may not use /dev/infiniband: run as root, or give its group to the devices, or the devices to the container"
	case errors.As(f.Err, &dns):
		return fmt.Sprintf("the name %s cannot be resolved: write an IP address", host)
	}
	return strings.ReplaceAll(strings.TrimPrefix(f.Err.Error(), "verbs: "), "\n", "; ")
}
