package udptest

import (
	"context"
	"net/netip"

	"github.com/lunette-io/lunette/network/udp"
)

// In is h, whose sockets are opened by do: in a network namespace.
func In(do func(func()), h udp.Host) udp.Host { return inside{do, h} }

type inside struct {
	do func(func())
	h  udp.Host
}

// Open binds a socket.
func (i inside) Open(ctx context.Context, c udp.Config) (s udp.Socket, err error) {
	i.do(func() { s, err = i.h.Open(ctx, c) })
	return s, err
}

// MTU is that of a way.
func (i inside) MTU(local, remote netip.Addr) (from netip.Addr, mtu int, err error) {
	i.do(func() { from, mtu, err = i.h.MTU(local, remote) })
	return from, mtu, err
}
