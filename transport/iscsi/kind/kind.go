// Package kind is what a document can say of iSCSI, and what iSCSI says of itself.
package kind

import (
	"context"
	"os"

	"github.com/lunette-io/lunette/agent/model"
	"github.com/lunette-io/lunette/daemon/plugin"
	"github.com/lunette-io/lunette/network/rdma"
	tcp "github.com/lunette-io/lunette/network/tcp/kind"
	"github.com/lunette-io/lunette/transport/iscsi"
	"github.com/lunette-io/lunette/transport/iscsi/iser"
	iscsitcp "github.com/lunette-io/lunette/transport/iscsi/tcp"
)

// port is that of iSCSI (RFC 7143 4.2.7.1), over TCP and over RDMA.
const port = 3260

// Bounds of first-burst: that of the key (RFC 7143 13.14), and what a command moves at a time.
const (
	minFirstBurst = 512
	maxFirstBurst = 1 << 20
)

// Values of the option target-reset.
const nobody, anybody = "nobody", "anybody"

// Kind is the transport "iscsi", with the portals "iscsi" and "iser".
func Kind() plugin.Transport {
	return plugin.Transport{
		About: plugin.About{Name: "iscsi", Help: "iSCSI (RFC 7143), over TCP and over RDMA (iSER, RFC 7145)."},
		Document: []model.Option{
			{Name: "discovery", Type: model.Group, Change: model.Live, Options: discoveryOptions()},
			{Name: "iscsi", Type: model.Group, Change: model.Live, Options: loginOptions()},
		},
		Target: []model.Option{
			authOption("who may log in"),
			initiatorsOption(),
			{Name: "target-reset", Change: model.Live, Default: nobody, Values: []string{nobody, anybody}, Help: "Who may reset the target by TARGET WARM RESET and TARGET COLD RESET, which end the commands, and COLD RESET the sessions, of all its initiators. LOGICAL UNIT RESET, which hosts use, is everybody's."},
		},
		Check: check, Restricts: restricts, New: newNode, Show: show,
		Portals: []plugin.PortalKind{
			plugin.Over(plugin.PortalKind{
				About: plugin.About{Name: "iscsi", Help: "iSCSI, which every initiator speaks. Port 3260 unless another is given.", Options: portalOptions()},
				Port:  port, Attach: attachTCP,
			}, listenTCP),
			plugin.Over(plugin.PortalKind{
				About: plugin.About{Name: "iser", Help: "iSER, which is iSCSI over RDMA: Linux's ib_iser. Port 3260 unless another is given.", Options: portalOptions()},
				Port:  port, Attach: attachISER,
			}, listenISER),
		},
	}
}

// loginOptions say what data of a write may come unasked, over TCP and over RDMA, if the initiator
// wants it as well. The keys are those of a login (RFC 7143 13.10, 13.11, 13.14).
func loginOptions() []model.Option {
	return []model.Option{
		{Name: "initial-r2t", Default: model.Auto, Values: []string{model.Auto, "yes", "no"}, Help: "Whether all data of a write but what comes in the command is asked for; `auto`: over RDMA, where it need not be moved twice."},
		{Name: "immediate-data", Default: "yes", Values: []string{"yes", "no"}, Help: "Whether commands may have data with them."},
		{Name: "first-burst", Type: model.Bytes, Default: model.Auto, Words: []string{model.Auto}, Min: minFirstBurst, Max: maxFirstBurst, Help: "How much data may come unasked; `auto`: 256K, and over RDMA 16K if it is asked for."},
	}
}

// initiatorsOption is who may log in: names, each by itself or with the user who must prove that it is
// theirs.
func initiatorsOption() model.Option {
	return model.Option{
		Name: "initiators", Type: model.Group, List: true, Short: "name", Empty: "leave it out to let all in, or name who may log in",
		Help: "The initiators that may log in, a name each or `{name: NAME, user: USER}`; without it all may.",
		Options: []model.Option{
			{Name: "name", Required: true, Normal: initiatorName, Help: "The name, as the initiator says it: by itself no proof."},
			{Name: "user", Help: "The one of the target's users who must prove that the name is theirs; without it any of them may have it."},
		},
	}
}

// authOption is CHAP. Without users nobody has to prove who they are. Names and files are checked by
// [checkAuth], which says what CHAP would have them be.
func authOption(what string) model.Option {
	user := func(file string) []model.Option {
		return []model.Option{
			{Name: "user", Help: "The name: CHAP_N."},
			{Name: "secret-file", Type: model.Path, Help: file},
		}
	}
	return model.Option{Name: "auth", Type: model.Group, Options: []model.Option{
		{Name: "users", Type: model.Group, List: true, Short: "user", Empty: "leave `auth` out to let all in, or name who may prove who they are", Options: user("The file that has the secret; without it that of the user of this name among the `users` of the document."), Help: "Who proves by CHAP to be one of these: " + what + "."},
		{Name: "mutual", Type: model.Group, Options: user("The file that has the secret."), Help: "Who we prove to be, when we are asked."},
		{Name: "algorithms", List: true, Values: algorithmNames(), Empty: "leave it out to allow all", Help: "The hashes that may be used; without it all. Of those that an initiator offers, it decides the order."},
	}}
}

// A portal is one of any mover.
type portal struct{ listening }

type listening interface {
	Addr() string
	Start()
	Close() error
	Set(s iscsi.Showing)
	Share() (*os.File, error)
}

// Set implements [plugin.Portal].
func (p portal) Set(b plugin.Binding) {
	p.listening.Set(iscsi.Showing{Targets: b.Targets, Told: told(b.Values, p.Addr()), Group: uint16(b.Tag)})
}

// listenTCP makes a portal of connections that the network's engine waits for.
func listenTCP(ctx context.Context, t *node, n *tcp.Network, b plugin.Binding) (plugin.Portal, error) {
	p, err := iscsitcp.Listen(ctx, b.Address, t.Node, n.Engine, n.Options)
	if err != nil {
		return nil, err
	}
	x := portal{p}
	x.Set(b)
	return x, nil
}

// listenISER makes a portal of iSER over any provider of RDMA.
func listenISER(ctx context.Context, t *node, n rdma.Device, b plugin.Binding) (plugin.Portal, error) {
	p, err := iser.Listen(ctx, n, b.Address, t.Node, iser.Options{Network: b.Provider, Unsolicited: t.unsolicited.Load})
	if err != nil {
		return nil, err
	}
	x := portal{p}
	x.Set(b)
	return x, nil
}
