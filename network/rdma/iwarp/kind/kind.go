// Package kind is what a document can say of iWARP as a provider of RDMA.
package kind

import (
	"github.com/lunette-io/lunette/agent/model"
	"github.com/lunette-io/lunette/daemon/plugin"
	"github.com/lunette-io/lunette/network/rdma"
	"github.com/lunette-io/lunette/network/rdma/iwarp"
	tcp "github.com/lunette-io/lunette/network/tcp/kind"
)

// Kind is the provider "iwarp".
func Kind() plugin.Provider {
	return plugin.OpensOn(plugin.Provider{
		About: plugin.About{Name: "iwarp", Help: "Over iWARP, which is RDMA in TCP: with an adapter for iWARP or with the module siw, which needs none. The port is a TCP port, which no other portal of the same address can have as well."},
		Document: []model.Option{{Name: "network", Type: model.Group, Change: model.Restarted, Options: []model.Option{{Name: "iwarp", Type: model.Group, Options: []model.Option{
			{Name: "crc", Default: model.Auto, Values: []string{model.Auto, "always"}, Help: "Checksums of iWARP's frames: `auto`, if the initiator asks for them, or `always`."},
			// RFC 5044 3.1: 128 bytes of data at least, and what is around them.
			{Name: "max-fpdu", Type: model.Bytes, Default: model.Auto, Words: []string{model.Auto}, Min: 256, Max: 64 << 10, Help: "How long frames are that iWARP sends; `auto`: as long as the connection's segments."},
		}}}}},
		Listen: func(port uint16) model.Listen { return model.HostPort(tcp.Space, port) }, Explain: tcp.Explain, Busy: tcp.Busy,
		// On lo most kernels find no way to a device, so that a portal that only this machine reaches needs an address of another network device.
		Soft: "siw", SoftLocal: "DEVICE is not lo: there most kernels find no way; listen on the address of another",
	}, "tcp", open)
}

// open makes the device of all iWARP portals, on the same engine and sockets as all else.
func open(v model.Values, below *tcp.Network) (rdma.Device, error) {
	v = v.Group("network").Group("iwarp")
	return iwarp.New(iwarp.Config{
		Engine: below.Engine, TCP: below.Options, CRC: v.String("crc") == "always", MaxFPDU: int(v.Size("max-fpdu")),
	})
}
