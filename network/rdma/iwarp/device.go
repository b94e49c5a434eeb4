// Package iwarp is RDMA in TCP streams (RFC 5044, RFC 5041, RFC 5040), in software: a provider
// for package rdma that needs no adapter and no help of the kernel.
//
// The engine of a connection's socket says when to receive (receive.go); sending is done by
// whoever flushes while nobody else sends (send.go). Payload is sent from its own memory, and
// received into it if it is large (place.go).
package iwarp

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/lunette-io/lunette/internal/handed"
	"github.com/lunette-io/lunette/network/rdma"
	"github.com/lunette-io/lunette/network/tcp"
)

// Config says how a device works.
type Config struct {
	// Engine waits for the connections. It is borrowed until Close.
	Engine tcp.Engine
	// TCP are the options of the sockets of listeners.
	TCP tcp.Options
	// CRC asks for CRCs; else there are some if the peer asks for them. With them payload is
	// copied before it is sent: it may be a store's own memory, which must not change between
	// the CRC and the sending.
	CRC bool
	// MaxFPDU is how long an FPDU may be that is sent, in bytes, up to 64 KiB. 0: as long as
	// a TCP segment of the connection, which is what RFC 5044 wants, or the longest where both
	// ends are in this host. Peers that are software take any.
	MaxFPDU int
	// MaxWindows is how many windows a connection may have; 0: 4096.
	MaxWindows int
	// HalfOpen is how many connections of a listener may wait for their Request or for
	// acceptance; when there is one more the oldest of the address with most is closed. 0: 256.
	HalfOpen int
	// Handshake is how long a peer may take for its Request, or for its Reply; 0: 5 seconds for
	// a Request, 10 for a Reply.
	Handshake time.Duration

	// Revision is the MPA revision of Dial, 1 or 2; 0: 2.
	Revision int
	// RTR are the messages that Dial offers to begin with (RFC 6581 9.2); 0: none.
	RTR RTR
}

// minFPDU is the least that MaxFPDU can be (RFC 5044 3: MULPDU is 128 at least).
const minFPDU = 136

// longestFPDU is the most that MaxFPDU can be.
const longestFPDU = 64 << 10

// longestSegment is the length of the longest TCP segment on a link with an adapter at its end, jumbo
// frames included. A connection for which the system reports more is one inside the host. The figure
// itself is useless then: at first it is half of the peer's window, 32 KiB.
const longestSegment = 16 << 10

// A Device is the rdma.Device of iWARP.
type Device struct {
	conf    Config
	buffers buffers
}

// New makes a device.
func New(c Config) (*Device, error) {
	switch {
	case c.Engine == nil:
		return nil, errors.New("iwarp: no engine")
	case c.MaxFPDU != 0 && (c.MaxFPDU < minFPDU || c.MaxFPDU > longestFPDU):
		return nil, fmt.Errorf("iwarp: FPDUs of %d bytes: it can be %d to 65536", c.MaxFPDU, minFPDU)
	case c.Revision < 0 || c.Revision > maxRevision:
		return nil, fmt.Errorf("iwarp: MPA revision %d: it can be 1 or 2", c.Revision)
	case c.RTR != 0 && c.Revision == 1:
		return nil, errors.New("iwarp: RTR messages need MPA revision 2")
	}
	if c.MaxWindows == 0 {
		c.MaxWindows = 4096
	}
	if c.HalfOpen == 0 {
		c.HalfOpen = 256
	}
	d := &Device{conf: c}
	d.buffers.init()
	return d, nil
}

// Listen implements rdma.Device.
func (d *Device) Listen(ctx context.Context, addr string) (rdma.Listener, error) {
	l, err := tcp.Listen(ctx, addr, d.conf.TCP)
	if err != nil {
		return nil, err
	}
	n := newListener(d, l)
	if handed.Socket(ctx) == nil {
		n.start()
	}
	return n, nil
}

// Close implements rdma.Device. It does not close the engine, which was borrowed.
func (d *Device) Close() error { return nil }

// checkOptions finds what cannot be agreed on.
func checkOptions(o *rdma.Options) error {
	switch {
	case len(o.Private) > rdma.MaxPrivate:
		return fmt.Errorf("iwarp: %d bytes of private data: it can be %d", len(o.Private), rdma.MaxPrivate)
	case o.Reads < 0 || o.Serves < 0 || o.MaxMessage < 0:
		return errors.New("iwarp: options less than 0")
	}
	return nil
}
