// Package kind is what a document can say of vhost-user as a provider, and the host of all its sockets.
package kind

import (
	"cmp"
	"log/slog"
	"time"

	"github.com/lunette-io/lunette/agent/model"
	"github.com/lunette-io/lunette/daemon/plugin"
	"github.com/lunette-io/lunette/network/vhost"
)

// Space is what portals take: two cannot have the same path.
const Space = "socket"

// help is what users are told of portals.
const help = "For virtual machines on this host, by vhost-user: the address is the absolute path of a Unix socket, which is made there, and at which one machine's monitor " +
	"(QEMU, Cloud Hypervisor) attaches at a time. It hands over all of its guest's memory, which has to be shared (`share=on`); no network and no copy is between. It needs Linux."

// Kind is the provider "vhost".
func Kind() plugin.Provider {
	return plugin.Opens(plugin.Provider{
		About: plugin.About{Name: "vhost", Help: help, Options: []model.Option{
			{Name: "mode", Default: "0600", Normal: mode, Change: model.Live, Help: "The permissions of the socket's file, in octal: who may write it may attach."},
			{Name: "owner", Check: name, Change: model.Live, Help: "The user that the file belongs to, by name or number; without it, the daemon's. Another than that takes CAP_CHOWN."},
			{Name: "group", Check: name, Change: model.Live, Help: "The group that the file belongs to, by name or number, such as `kvm`; without it, the daemon's. Another than those of the daemon's user takes CAP_CHOWN."},
			{Name: "peers", List: true, Empty: "leave it out to let in all who may open the socket, or name users", Check: name, Change: model.Live,
				Help: "The users, by name or number, one of whom a monitor must run as, beside that it may open the file; without it, any."},
			{Name: "memory", Type: model.Bytes, Default: "4T", Min: 1 << 20, Max: 64 << 40, Change: model.Live, Help: "How much memory a guest may have at the most: it is mapped, and a larger guest is not served."},
		}},
		Document: []model.Option{{Name: "network", Type: model.Group, Change: model.Restarted, Options: []model.Option{{Name: "vhost", Type: model.Group, Options: []model.Option{
			{Name: "poll", Type: model.Duration, Default: model.Auto, Words: []string{model.Auto}, Max: int64(time.Second), Help: "How long a queue's thread looks for requests before it sleeps, as long as that has been worth it; `0s`: not at all; `auto`: up to 20 µs."},
		}}}}},
		Listen:  func(uint16) model.Listen { return model.SocketPath(Space) },
		Explain: explain, Busy: busy,
	}, func(v model.Values) (*Network, error) { return &Network{cfg: config(v)}, nil })
}

// config is what the document says of the host.
func config(v model.Values) vhost.Config {
	v = v.Group("network").Group("vhost")
	if v.String("poll") == model.Auto {
		return vhost.Config{}
	}
	return vhost.Config{Poll: cmp.Or(v.Duration("poll"), -1)}
}

// A Network is the host of all sockets.
type Network struct {
	*vhost.Host
	cfg vhost.Config
}

// LogTo implements [plugin.Logger]: there is no socket yet.
func (n *Network) LogTo(log *slog.Logger) {
	n.cfg.Log = log
	n.Host = vhost.New(n.cfg)
}

// Close ends the host.
func (n *Network) Close() error {
	if n.Host == nil { // nobody has had anything to say
		return nil
	}
	return n.Host.Close()
}
