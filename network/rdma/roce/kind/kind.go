// Package kind is what a document can say of RoCE as a provider of RDMA, and the device of all its portals.
package kind

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"strconv"
	"strings"
	"syscall"

	"github.com/lunette-io/lunette/agent/api"
	"github.com/lunette-io/lunette/agent/model"
	"github.com/lunette-io/lunette/daemon/plugin"
	"github.com/lunette-io/lunette/network/rdma"
	"github.com/lunette-io/lunette/network/rdma/roce"
	tcp "github.com/lunette-io/lunette/network/tcp/kind"
	"github.com/lunette-io/lunette/network/udp"
	"github.com/lunette-io/lunette/network/udp/socket"
)

// Space is what portals take: two cannot have the same address and port. Ports are numbers of the communication manager, which TCP knows nothing of.
const Space = "roce"

// help is what users are told of portals.
const help = "Over RoCE, version 2, which is RDMA in UDP: with an adapter for RoCE at the initiator, or with the module rdma_rxe there, which needs none. " +
	"All portals share UDP port 4791, which the kernel's own RoCE must not have; the port of a portal is a number for connection management, and no TCP port."

// Kind is the provider "roce", over the sockets of this host.
func Kind() plugin.Provider { return On("roce", socket.New()) }

// On is a provider of a name over the sockets of a host.
func On(name string, host udp.Host) plugin.Provider {
	return plugin.Opens(plugin.Provider{
		About: plugin.About{Name: name, Help: help},
		Document: []model.Option{{Name: "network", Type: model.Group, Change: model.Restarted, Options: []model.Option{{Name: "roce", Type: model.Group, Options: []model.Option{
			{Name: "mtu", Default: model.Auto, Values: []string{model.Auto, "256", "512", "1024", "2048", "4096"}, Help: "The longest payload of a packet; `auto`: the longest that fits what the network takes, which is 1024 of 1500 bytes, and 4096 of 9000."},
			{Name: "check", Default: model.Auto, Values: []string{model.Auto, "whole"}, Help: "How the checksum of packets that come by IPv4 is checked: `whole`, which takes CAP_NET_RAW; `auto`: whole if the program may, and otherwise all but 16 of its 32 bits, which is what is left with either after something has come to the address from this host or a guest of it."},
			{Name: "congestion", Default: model.Auto, Values: []string{model.Auto, "off"}, Help: "Whether connections slow down when the network says that it is congested (ECN, DCQCN): `auto`, or `off`."},
		}}}}},
		Listen: func(port uint16) model.Listen { return model.HostPort(Space, port) }, Explain: explain, Busy: busy,
		Soft: "rxe", SoftLocal: "from another host, or a guest: the kernel's RoCE and lunette cannot both have UDP port 4791 of this one",
	}, func(v model.Values) (rdma.Device, error) { return open(v, host) })
}

// open makes the device of all RoCE portals.
func open(v model.Values, host udp.Host) (rdma.Device, error) {
	v = v.Group("network").Group("roce")
	mtu, _ := strconv.Atoi(v.String("mtu")) // 0: auto
	d, err := roce.New(roce.Config{Host: host, MTU: mtu, Whole: v.String("check") == "whole", Unpaced: v.String("congestion") == "off"})
	if err != nil {
		return nil, err
	}
	return &network{Device: d}, nil
}

// A network is the device of all RoCE portals.
type network struct{ *roce.Device }

// LogTo implements [plugin.Logger].
func (n *network) LogTo(log *slog.Logger) {
	n.Opened(func(p roce.PortInfo) {
		switch {
		case p.Inside:
			log.Warn("half of the checksum of RoCE packets is checked at this address from now on: something has come from this host or a guest of it, or looks so", "address", p.Address)
		case !p.Whole:
			log.Warn("half of the checksum of RoCE packets is checked at this address: the whole takes CAP_NET_RAW", "address", p.Address)
		}
	})
}

// Describe implements [plugin.Describer].
func (n *network) Describe() api.Facts {
	var ports []string
	for _, p := range n.Ports() {
		check := "half of the checksum"
		switch {
		case p.Whole:
			check = "whole checksum"
		case p.Inside:
			check = "half of the checksum, since something has come from this host or a guest of it"
		}
		ports = append(ports, p.Address+": "+check)
	}
	if ports == nil {
		return nil
	}
	s := n.Stats()
	facts := api.Facts{{Name: "roce", Value: ports}, {Name: "roceConnections", Value: s.Connections}}
	for _, x := range []api.Fact{
		{Name: "roceDamaged", Value: s.Damaged}, {Name: "roceMalformed", Value: s.Malformed}, {Name: "roceUnknown", Value: s.Unknown},
		{Name: "roceCongested", Value: s.Marked + s.Notified}, {Name: "roceLost", Value: s.UDP.Lost + s.UDP.Overflowed},
		{Name: "roceUnsent", Value: s.Unsent},
	} {
		if x.Value != int64(0) {
			facts = append(facts, x)
		}
	}
	return facts
}

// rival is the portal of the same document that has the port, if that is why it cannot be bound.
func rival(f plugin.Failed) (model.Portal, bool) {
	if errors.Is(f.Err, roce.ErrPort) {
		return model.Portal{}, false
	}
	return tcp.Rival(f)
}

// single reports that a portal at all addresses comes after one at a single address of the same document.
func single(f plugin.Failed) bool {
	for _, other := range f.Beside {
		if f.At.All && !other.Address.All && strings.HasPrefix(f.At.Text, "[") == strings.HasPrefix(other.Address.Text, "[") {
			return true
		}
	}
	return false
}

// busy reports that another program has UDP port 4791.
func busy(f plugin.Failed) bool { return errors.Is(f.Err, roce.ErrPort) && !single(f) }

// explain says what to do about a portal that cannot be bound.
func explain(f plugin.Failed) string {
	host, port, _ := net.SplitHostPort(f.At.Text)
	if other, ok := rival(f); ok {
		return fmt.Sprintf("port %s is that of the portal %s already: choose another port", port, other)
	}
	var dns *net.DNSError
	switch {
	case errors.Is(f.Err, roce.ErrPort) && single(f):
		return "UDP port 4791 is that of portals at single addresses already: put the portal at all addresses before them in the document, or write single addresses alone"
	case errors.Is(f.Err, roce.ErrPort) && kernelHasIt("/sys/module/rdma_rxe"):
		return "UDP port 4791 is taken by the kernel's own RoCE (module rdma_rxe): \"rdma link delete\" its devices and \"modprobe -r rdma_rxe\", or use the network namespace of a container"
	case errors.Is(f.Err, roce.ErrPort):
		return "UDP port 4791 is taken by another program (\"ss -lunp sport = 4791\" shows which, if it is not the kernel): stop it, all of RoCE uses this one port"
	case errors.Is(f.Err, roce.ErrWhole):
		return "network.roce.check is \"whole\", which takes CAP_NET_RAW: run as root, or give the program the capability (setcap cap_net_raw+ep, AmbientCapabilities=CAP_NET_RAW of systemd, --cap-add NET_RAW of containers), or leave the option out"
	case errors.Is(f.Err, syscall.EADDRNOTAVAIL):
		return fmt.Sprintf("%s is no address of this machine: \"ip address\" lists those it has", host)
	case errors.Is(f.Err, syscall.EAFNOSUPPORT):
		return fmt.Sprintf("this machine has no addresses of the family of %s", host)
	case errors.As(f.Err, &dns):
		return fmt.Sprintf("the name %s cannot be resolved: write an IP address", host)
	case errors.Is(f.Err, errors.ErrUnsupported):
		return "RoCE needs Linux"
	}
	return strings.ReplaceAll(strings.TrimPrefix(f.Err.Error(), "roce: "), "\n", "; ")
}

// kernelHasIt reports that a module is loaded, by its folder.
func kernelHasIt(module string) bool {
	_, err := os.Stat(module)
	return err == nil
}
