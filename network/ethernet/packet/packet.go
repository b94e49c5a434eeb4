// Package packet has the raw Ethernet of this host (Linux, AF_PACKET). Frames come and go through rings of memory that the kernel and
// the process share (TPACKET_V2): docs/adr/0024-raw-ethernet.md says why. It needs CAP_NET_RAW and no other right.
//
// A wire has one socket with a filter for its types and its VLAN, and one for news of interfaces (rtnetlink); both are
// opened by Open, in the network namespace of the thread that calls it.
package packet

import (
	"errors"
	"fmt"
	"net"
	"strconv"

	"golang.org/x/sys/unix"

	"github.com/lunette-io/lunette/network/ethernet"
)

const (
	// defaultLongest is used if a Config does not say how long frames are: an MTU that interfaces have without being asked.
	defaultLongest = 1500
	// maxLongest is a frame that fits in a block of a ring.
	maxLongest = 32 << 10
	// leastReceives is how many bytes of frames may wait at the least.
	leastReceives = 64 << 10
	maxVLAN       = 4094
	maxPriority   = 7
	maxTypes      = 16
)

// New is this host.
func New() *Host { return &Host{} }

// A Host is this host; it is an [ethernet.Host].
type Host struct{}

// Open opens an interface.
func (*Host) Open(c ethernet.Config) (ethernet.Wire, error) {
	if c.Longest == 0 {
		c.Longest = defaultLongest
	}
	switch {
	case c.VLAN > maxVLAN || c.Priority > maxPriority:
		return nil, fmt.Errorf("ethernet: VLAN %d with priority %d: a VLAN is 1 to 4094, a priority 0 to 7", c.VLAN, c.Priority)
	case len(c.Types) == 0 || len(c.Types) > maxTypes || c.Longest < 0 || c.Longest > maxLongest:
		return nil, fmt.Errorf("ethernet: %d types of frames of %d bytes: 1 to %d types, and %d bytes at most", len(c.Types), c.Longest, maxTypes, maxLongest)
	}
	c.Receives = max(c.Receives, leastReceives)

	name, vlan := c.Interface, c.VLAN
	if vlan != 0 {
		whole := c.Interface + "." + strconv.Itoa(int(vlan))
		if _, err := net.InterfaceByName(whole); err == nil {
			name, vlan = whole, 0
		}
	}
	if len(name) == 0 || len(name) >= unix.IFNAMSIZ {
		return nil, fmt.Errorf("%w: %q", ethernet.ErrNoInterface, name)
	}
	w, err := open(name, vlan, c)
	switch {
	case errors.Is(err, unix.EPERM) || errors.Is(err, unix.EACCES):
		return nil, fmt.Errorf("%w: run as root, or give the program the capability (setcap cap_net_raw+ep FILE, or AmbientCapabilities=CAP_NET_RAW in a unit of systemd); "+
			"in a container, --cap-add NET_RAW (%s: %w)", ethernet.ErrDenied, name, err)
	case err != nil:
		return nil, fmt.Errorf("ethernet: interface %s: %w", name, err)
	}
	return w, nil
}
