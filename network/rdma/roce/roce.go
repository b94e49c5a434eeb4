// Package roce is RDMA over Converged Ethernet, version 2 (IBTA annex A17), in software: a provider for package rdma that needs no adapter and no help of the kernel.
//
// A device has a socket for each local address (port.go), and all its connections go over them. What comes is received by the goroutine of the lane that the
// queue pair's number says (receive.go); what a queue pair sends goes through its outlet (outlet.go).
package roce

import (
	"errors"
	"fmt"
	"runtime"
	"sync"
	"time"

	"github.com/lunette-io/lunette/network/rdma"
	"github.com/lunette-io/lunette/network/rdma/ib"
	"github.com/lunette-io/lunette/network/rdma/ib/cm"
	"github.com/lunette-io/lunette/network/rdma/ib/rc"
	"github.com/lunette-io/lunette/network/udp"
)

// Port is the UDP port of RoCEv2 (annex A17.9).
const Port = 4791

// Errors of Listen and Dial; what is returned wraps one of them, and the system's.
var (
	// ErrPort: UDP port 4791 is taken: by another program, or by the kernel's own RoCE.
	ErrPort = errors.New("roce: UDP port 4791 is taken")
	// ErrWhole: the whole ICRC cannot be checked, which takes CAP_NET_RAW.
	ErrWhole = errors.New("roce: the whole ICRC is to be checked, and the process lacks CAP_NET_RAW")
	// ErrMTU: packets on the way to the peer are too short for RoCE.
	ErrMTU = errors.New("roce: the MTU of the network is too small")
)

// Limits of private data (annex A11): rdma_cm's header takes a part of that of a request.
const (
	MaxPrivateRequest = 56
	MaxPrivateReject  = 148
)

// Config says how a device works.
type Config struct {
	// Host has the addresses. It is borrowed until Close.
	Host udp.Host
	// MTU is the longest payload of a packet: 256, 512, 1024, 2048 or 4096; 0: as the path allows.
	MTU int
	// Whole: no socket is opened that cannot see all of what the ICRC of IPv4 covers, which takes CAP_NET_RAW. See [PortInfo] for how that may end.
	Whole bool
	// Unpaced: notifications of congestion do not slow queue pairs down, and packets do not say that they take part (ECN).
	Unpaced bool
	// HalfOpen is how many connections may wait to be accepted, or for the peer to be ready; 0: 256.
	HalfOpen int
	// MaxWindows is how many windows a connection may have; 0: 4096.
	MaxWindows int
	// Lanes is how many goroutines receive, for each local address; 0: one for each processor, 8 at the most.
	Lanes int
}

// A Device is the rdma.Device of RoCE: a channel adapter whose ports are the addresses of the host that are listened on, or dialled from.
type Device struct {
	conf    Config
	guid    uint64
	cm      *cm.Manager
	queues  table
	bundles sync.Pool // of *bundle
	buffers rc.Buffers
	sums    *icrcTables
	count   counters
	opened  func(p PortInfo) // nil: nobody wants to know
	ends    sync.WaitGroup   // connections whose peer has not yet answered that they end

	// opening is held while a socket is opened or closed. It comes before mu.
	opening sync.Mutex

	// mu guards what follows. The manager's lock may be held when it is taken; it is not held for calls out of this package.
	mu       sync.RWMutex
	ports    map[portKey]*port
	services map[serviceKey]*service
	closed   bool
}

// New makes a device.
func New(c Config) (*Device, error) {
	switch {
	case c.Host == nil:
		return nil, errors.New("roce: no host")
	case c.MTU != 0 && ib.MTUOf(c.MTU).Bytes() != c.MTU:
		return nil, fmt.Errorf("roce: an MTU of %d bytes: it can be 256, 512, 1024, 2048 or 4096", c.MTU)
	case c.Lanes < 0 || c.Lanes > maxLanes:
		return nil, fmt.Errorf("roce: %d lanes: it can be %d at the most", c.Lanes, maxLanes)
	}
	if c.MaxWindows == 0 {
		c.MaxWindows = 4096
	}
	if c.HalfOpen == 0 {
		c.HalfOpen = 256
	}
	if c.Lanes == 0 {
		c.Lanes = min(runtime.GOMAXPROCS(0), maxLanes)
	}
	d := &Device{conf: c, guid: random64(), sums: newICRCTables(), ports: make(map[portKey]*port), services: make(map[serviceKey]*service)}
	d.bundles.New = func() any { return newBundle() }
	d.queues.init(c.Lanes)
	d.cm = cm.New(cm.Config{Send: d.sendMAD, GUID: d.guid, HalfOpen: c.HalfOpen})
	return d, nil
}

// maxLanes is how many goroutines receive at the most, for each local address.
const maxLanes = 8

// parting is how long Close waits for peers to answer that connections end: they may not hear of it otherwise.
const parting = 500 * time.Millisecond

// Close implements rdma.Device. It does not close the host, which was borrowed.
func (d *Device) Close() error {
	d.mu.Lock()
	again := d.closed
	d.closed = true
	d.mu.Unlock()
	if again {
		return nil
	}
	answered := make(chan struct{})
	go func() {
		d.ends.Wait()
		close(answered)
	}()
	wait := time.NewTimer(parting)
	defer wait.Stop()
	select {
	case <-answered:
	case <-wait.C:
	}
	d.cm.Close()
	return d.closePorts()
}

// checkOptions finds what cannot be agreed on.
func checkOptions(o *rdma.Options, private int) error {
	switch {
	case len(o.Private) > private:
		return fmt.Errorf("roce: %d bytes of private data: it can be %d", len(o.Private), private)
	case o.Reads < 0 || o.Serves < 0 || o.MaxMessage < 0:
		return errors.New("roce: options less than 0")
	}
	return nil
}
