package roce

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/lunette-io/lunette/network/udp"
)

// A dim is a host whose sockets know identifications until something comes from inside, as those of this host do.
type dim struct {
	udp.Host
	inside atomic.Bool
}

func (h *dim) Open(ctx context.Context, c udp.Config) (udp.Socket, error) {
	s, err := h.Host.Open(ctx, c)
	return dimSocket{s, h}, err
}

type dimSocket struct {
	udp.Socket
	at *dim
}

func (s dimSocket) Start(h udp.Handler) { s.Socket.Start(dimHandler{h, s.at}) }

type dimHandler struct {
	udp.Handler
	at *dim
}

func (h dimHandler) Received(lane int, batch []udp.Packet) {
	if h.at.inside.Load() {
		for i := range batch {
			batch[i].Identified, batch[i].ID, batch[i].Fragment = false, 0, 0
		}
	}
	h.Handler.Received(lane, batch)
}

// When identifications are not known any more users are told, and packets are checked in part.
func TestBlinded(t *testing.T) {
	for _, whole := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			_, at, from := hosts(t, 9000, "10.0.0.1", "10.0.0.2")
			h := &dim{Host: at}
			listens, dials := device(t, Config{Host: h, Whole: whole}), device(t, Config{Host: from})
			var told []PortInfo
			listens.Opened(func(p PortInfo) { told = append(told, p) })
			l := listen(t, listens, "10.0.0.1:0")
			a, b := connect(t, l, dials)
			exchange(t, a, b, 3)
			h.inside.Store(true)
			exchange(t, a, b, 3)
			finish(t, a, b)
			want := []PortInfo{{Address: "10.0.0.1", Whole: true}, {Address: "10.0.0.1", Inside: true}}
			if len(told) != 2 || told[0] != want[0] || told[1] != want[1] || listens.Ports()[0] != want[1] {
				t.Errorf("%+v, and now %+v", told, listens.Ports())
			}
		})
	}
}
