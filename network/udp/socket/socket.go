// Package socket has the datagrams of this host (Linux): sockets that send and receive many of them with one system call.
// docs/design/udp.md says what that is worth, docs/adr/0026-datagrams.md why it is so.
package socket

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/lunette-io/lunette/network/udp"
)

const (
	// maxLanes is how many goroutines receive at most.
	maxLanes = 64
	// maxWord is where the word of a lane is at most.
	maxWord = 1024
	// leastReceives is how many bytes may wait at the least in a lane.
	leastReceives = 64 << 10
	// sends is how many bytes may wait to be sent.
	sends = 4 << 20
	// patience is how long a Send waits for room.
	patience = 100 * time.Millisecond
)

// New is this host.
func New() *Host { return &Host{} }

// A Host is this host; it is a [udp.Host]. Sockets are in the network namespace of the thread that opens them.
type Host struct{}

// Open binds a socket.
func (*Host) Open(ctx context.Context, c udp.Config) (udp.Socket, error) {
	a := c.Local.Addr()
	switch {
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case !a.IsValid() || a.Is4In6():
		return nil, fmt.Errorf("udp: %v is no address to bind a socket to: %w", c.Local, syscall.EINVAL)
	case c.Lanes < 1 || c.Lanes > maxLanes || c.Word < 0 || c.Word > maxWord:
		return nil, fmt.Errorf("udp: %d lanes by the word at %d: 1 to %d lanes, by a word in the first %d bytes: %w", c.Lanes, c.Word, maxLanes, maxWord, syscall.EINVAL)
	case c.Longest < 1 || c.Longest > udp.MaxPayload:
		return nil, fmt.Errorf("udp: datagrams of %d bytes: 1 to %d: %w", c.Longest, udp.MaxPayload, syscall.EINVAL)
	}
	c.Receives = max(c.Receives, leastReceives)
	c.Identified = c.Identified && a.Is4()
	s := &socket{config: c, v6: a.Is6(), any: a.IsUnspecified()}
	s.zones = newZones(s)
	err := s.open()
	switch {
	case err == nil:
		return s, nil
	case c.Identified && (errors.Is(err, unix.EPERM) || errors.Is(err, unix.EACCES)):
		return nil, fmt.Errorf("%w: identifications of IPv4 are seen with CAP_NET_RAW: run as root, or give the program the capability (setcap cap_net_raw+ep FILE, or "+
			"AmbientCapabilities=CAP_NET_RAW in a unit of systemd); in a container, --cap-add NET_RAW (%v: %w)", udp.ErrDenied, c.Local, err)
	}
	return nil, fmt.Errorf("udp: %v: %w", c.Local, err)
}

// A socket is one address and port: for each lane a socket of the system, which share the port.
//
// Each lane has one goroutine from Start to Close. The order of locks: a lane's calls; then none.
type socket struct {
	config udp.Config
	local  netip.AddrPort // with the port that was found
	v6     bool
	any    bool // bound to all addresses
	lanes  []*lane
	zones  *zones
	h      udp.Handler

	senders struct {
		sync.Mutex
		idle []*sender
		made int
	}
	apart   atomic.Bool  // the kernel has merged what is for several lanes: it is to merge nothing
	refused atomic.Int32 // for so many messages the kernel is not asked again to cut, since it has refused

	state struct {
		sync.Mutex
		started, closed bool
	}
	running sync.WaitGroup
	stats   struct {
		packetsIn, packetsOut, bytesIn, bytesOut, receives, sends, lost, tooLong, damaged atomic.Int64
	}
}

// An endpoint is a socket of the system.
type endpoint struct {
	file *os.File // for the runtime's poller
	raw  syscall.RawConn
}

// newEndpoint takes a descriptor, and closes it if there is an error.
func newEndpoint(fd int, name string) (e *endpoint, err error) {
	e = &endpoint{file: os.NewFile(uintptr(fd), name)}
	if e.raw, err = e.file.SyscallConn(); err != nil {
		_ = e.file.Close()
		return nil, err
	}
	return e, nil
}

// control calls f with the descriptor; [udp.ErrClosed] if it is closed.
func (e *endpoint) control(f func(fd uintptr) error) error {
	var err error
	if closed := e.raw.Control(func(fd uintptr) { err = f(fd) }); closed != nil {
		return udp.ErrClosed
	}
	return err
}

// Start lets h have what comes.
func (s *socket) Start(h udp.Handler) {
	s.state.Lock()
	defer s.state.Unlock()
	if s.state.started || s.state.closed {
		return
	}
	s.state.started, s.h = true, h
	for _, l := range s.lanes {
		s.running.Go(l.run)
	}
}

// Local is what it is bound to.
func (s *socket) Local() netip.AddrPort { return s.local }

// Stats is what it has done.
func (s *socket) Stats() udp.Stats {
	t := udp.Stats{
		PacketsIn: s.stats.packetsIn.Load(), PacketsOut: s.stats.packetsOut.Load(), BytesIn: s.stats.bytesIn.Load(), BytesOut: s.stats.bytesOut.Load(),
		Receives: s.stats.receives.Load(), Sends: s.stats.sends.Load(),
		Lost: s.stats.lost.Load(), TooLong: s.stats.tooLong.Load(), Damaged: s.stats.damaged.Load(),
	}
	for _, l := range s.lanes {
		t.Overflowed += l.overflowed()
	}
	return t
}

// Close ends it.
func (s *socket) Close() error {
	s.state.Lock()
	first := !s.state.closed
	s.state.closed = true
	s.state.Unlock()
	var err error
	if first {
		for _, l := range s.lanes {
			l.overflowed() // the last time
			err = errors.Join(err, l.close())
		}
	}
	s.running.Wait()
	return err
}
