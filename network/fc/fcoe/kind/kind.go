// Package kind is what a document can say of Fibre Channel over Ethernet as a provider of networks, and the networks that it opens.
package kind

import (
	"errors"
	"fmt"
	"log/slog"
	"strings"

	"github.com/lunette-io/lunette/agent/api"
	"github.com/lunette-io/lunette/agent/model"
	"github.com/lunette-io/lunette/daemon/plugin"
	"github.com/lunette-io/lunette/network/ethernet"
	"github.com/lunette-io/lunette/network/ethernet/packet"
	"github.com/lunette-io/lunette/network/fc"
	"github.com/lunette-io/lunette/network/fc/fcoe"
)

// Space is what portals take: two cannot have the same interface, or VLAN of one.
const Space = "fcoe"

// help is what users are told of addresses.
const help = "Over Ethernet, by FCoE. The address is an interface of this machine, or a VLAN on it, with options behind a question mark: INTERFACE[.VLAN][?OPTION=VALUE&…]. " +
	"`mode` is `vn2vn`, among neighbours without a switch, which is the default; `fabric`, where this machine is the fabric (an FCF, with its name server); or `enode`, in the fabric of a switch that is there. " +
	"`priority`, 0 to 7, is that of VLAN tags; `max-payload`, 256 to 2112, makes frames shorter than the MTU lets them be. A fabric has more: " +
	"`vlans`, such as 100,200, those that hosts are told to use (without it, that of the address); `name`, its worldwide name (without it, what follows from the interface's MAC address); " +
	"`domain`, 1 to 239, the first byte of the addresses that it gives (1); `fc-map`, 0efc00 to 0efcff, the first half of the MAC addresses that it gives (0efc00); `fcf-priority`, 0 to 255, " +
	"where hosts have a choice the lowest one wins (128); `advertise`, how often it tells that it is there, and hosts have to (8s). It takes CAP_NET_RAW."

// Kind is the provider "fcoe", on the interfaces of this host.
func Kind() plugin.Provider { return On("fcoe", packet.New()) }

// On is a provider of a name on the interfaces of a host.
func On(name string, interfaces ethernet.Host) plugin.Provider {
	return plugin.Opens(plugin.Provider{
		About: plugin.About{Name: name, Help: help},
		// There is no interface that would be right by default.
		Listen: func(uint16) model.Listen { return model.Listen{Space: Space, Parse: parse} },
		Host:   host, Explain: explain,
	}, func(model.Values) (fc.Provider, error) {
		return &networks{fcoe.New(fcoe.Config{Host: interfaces}), interfaces}, nil
	})
}

// parse reads the address of a portal.
func parse(_, text, written string) (model.Address, error) {
	a, err := fcoe.ParseAddress(text)
	if err != nil {
		return model.Address{}, model.NotAPortal(written, err.Error(), fcoe.Form)
	}
	next := a
	next.VLAN = a.VLAN%4094 + 1
	// Whoever is on the wire reaches it: there is no address at which more do.
	return model.Address{Text: a.String(), Takes: a.Place(), Next: next.String(), Open: a.String()}, nil
}

// explain says what to do about a portal that cannot be bound.
func explain(f plugin.Failed) string {
	a, _ := fcoe.ParseAddress(f.At.Text) // it has been read before
	switch {
	case errors.Is(f.Err, ethernet.ErrDenied):
		return "raw Ethernet takes CAP_NET_RAW: run as root, or give the program the capability (setcap cap_net_raw+ep, AmbientCapabilities=CAP_NET_RAW of systemd, --cap-add NET_RAW of containers)"
	case errors.Is(f.Err, ethernet.ErrNoInterface):
		return fmt.Sprintf("there is no interface %s: \"ip link\" lists those of this machine, or of the container", a.Interface)
	case errors.Is(f.Err, fcoe.ErrInUse):
		return fmt.Sprintf("%s is that of another portal already: an interface, or a VLAN on it, is one network; to give it another mode take the portal away first, and add it in a second change", a.Place())
	case errors.Is(f.Err, fcoe.ErrMTU):
		return oneLine(f.Err) + fmt.Sprintf(": \"ip link set %s mtu 2500\", and as much at the hosts and at switches between", a.Place())
	}
	return oneLine(f.Err)
}

// oneLine is an error in a line.
func oneLine(err error) string {
	return strings.TrimPrefix(strings.ReplaceAll(err.Error(), "\n", "; "), "fcoe: ")
}

// networks are those that portals have opened.
type networks struct {
	*fcoe.Provider
	interfaces ethernet.Host
}

// LogTo implements [plugin.Logger]: no network is open yet.
func (n *networks) LogTo(log *slog.Logger) {
	n.Provider = fcoe.New(fcoe.Config{Host: n.interfaces, Log: log})
}

// Describe implements [plugin.Describer].
func (n *networks) Describe() api.Facts {
	var all []string
	for _, i := range n.Networks() {
		all = append(all, i.Address+": "+i.State)
	}
	if all == nil {
		return nil
	}
	return api.Facts{{Name: "fcoe", Value: all}}
}
