package daemon

import (
	"github.com/lunette-io/lunette/daemon/plugin"
	disk "github.com/lunette-io/lunette/device/disk/kind"
	library "github.com/lunette-io/lunette/device/library/kind"
	optical "github.com/lunette-io/lunette/device/optical/kind"
	passthrough "github.com/lunette-io/lunette/device/passthrough/kind"
	fcoe "github.com/lunette-io/lunette/network/fc/fcoe/kind"
	iwarp "github.com/lunette-io/lunette/network/rdma/iwarp/kind"
	roce "github.com/lunette-io/lunette/network/rdma/roce/kind"
	verbs "github.com/lunette-io/lunette/network/rdma/verbs/kind"
	tcp "github.com/lunette-io/lunette/network/tcp/kind"
	vhost "github.com/lunette-io/lunette/network/vhost/kind"
	block "github.com/lunette-io/lunette/store/block/kind"
	file "github.com/lunette-io/lunette/store/file/kind"
	delay "github.com/lunette-io/lunette/store/filter/delay/kind"
	fault "github.com/lunette-io/lunette/store/filter/fault/kind"
	readonly "github.com/lunette-io/lunette/store/filter/readonly/kind"
	stats "github.com/lunette-io/lunette/store/filter/stats/kind"
	verify "github.com/lunette-io/lunette/store/filter/verify/kind"
	memory "github.com/lunette-io/lunette/store/memory/kind"
	null "github.com/lunette-io/lunette/store/null/kind"
	fcp "github.com/lunette-io/lunette/transport/fcp/kind"
	iscsi "github.com/lunette-io/lunette/transport/iscsi/kind"
	srp "github.com/lunette-io/lunette/transport/srp/kind"
	virtio "github.com/lunette-io/lunette/transport/virtio/kind"
)

// Registry is all plugins that a daemon has.
type Registry = plugin.Registry

// Builtin is the one list of all plugins. Nothing registers itself. The first of an axis is what a
// document means that names none.
func Builtin() Registry {
	return plugin.List(
		file.Kind(),
		memory.Kind(),
		block.Kind(),
		null.Kind(),

		verify.Kind(),
		readonly.Kind(),
		stats.Kind(),
		delay.Kind(),
		fault.Kind(),

		disk.Kind(),
		library.Kind(),
		optical.Kind(),
		passthrough.Kind(),

		iscsi.Kind(),
		srp.Kind(),
		fcp.Kind(),
		virtio.Kind(),

		tcp.Kind(),
		iwarp.Kind(),
		roce.Kind(),
		verbs.Kind(),
		fcoe.Kind(),
		vhost.Kind(),
	)
}
