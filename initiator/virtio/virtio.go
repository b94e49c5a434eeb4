// Package virtio is the driver of a virtio SCSI host, over package frontend: an initiator in this process that asks units of lunette, or of any other back-end of vhost-user, without a virtual machine.
//
// A [Conn] is a host with its queues. Buffers of commands lie in the memory that it shares with the device if they come from [Conn.Buffer], and nothing is copied then; any others are copied here.
package virtio

import (
	"cmp"
	"errors"
	"fmt"
	"math/bits"
	"time"

	"github.com/lunette-io/lunette/network/vhost/frontend"
	"github.com/lunette-io/lunette/transport/virtio/iu"
)

// A Config says what a driver is like. The zero value of a field means its default.
type Config struct {
	// Queues is how many request queues are used, of those that the host has. Default 1.
	Queues int
	// Depth is how many commands each of them has room for. Default 128.
	Depth int
	// Packed wants packed rings; Direct no indirect descriptors; Flags no event index.
	Packed, Direct, Flags bool
	// Segment is how long a descriptor of data is at most; 0: as long as the buffer.
	Segment int
	// Manual starts no threads for the request queues: whoever has commands there takes them by [Queue.Wait].
	Manual bool
	// Poll is how long a queue is looked at before somebody sleeps until the device calls.
	Poll time.Duration
	// Events, if it is not nil, is called with every event of the host, on a thread of its own.
	Events func(iu.Event)
	// Reconnect comes back to a back-end that has died, again and again: commands stay open and end when the next one has done them. Without it the connection ends.
	Reconnect bool
	// Frontend says what the monitor is like. Memory there, if there is none, has room for Buffers bytes of buffers (default 64 MiB) beside what the driver needs.
	Frontend frontend.Config
	Buffers  int64
}

// Errors of commands.
var (
	ErrClosed  = errors.New("virtio: the connection has ended")
	ErrReset   = errors.New("virtio: the driver has reset the host")
	ErrFull    = errors.New("virtio: the queue has no room for another command")
	ErrAborted = errors.New("virtio: the command was aborted")
)

// A CodeError is a command that has ended with a response code other than OK: there is no SCSI status.
type CodeError struct{ Code iu.Code }

func (e *CodeError) Error() string { return "virtio: " + e.Code.String() }

// Is reports ErrAborted of commands that task management has ended.
func (e *CodeError) Is(err error) bool {
	return err == ErrAborted && (e.Code == iu.CodeAborted || e.Code == iu.CodeReset)
}

// The layout of what the driver has of a command beside its data: what the device reads, and what it fills.
const (
	responseAt = 64
	slotSize   = 192
	queues     = iu.QueueRequests // that are not for requests
	events     = 8                // that are posted
	managed    = 16               // task management functions at a time
)

func (c *Config) defaults() error {
	c.Queues, c.Depth = cmp.Or(c.Queues, 1), cmp.Or(c.Depth, 128)
	if c.Queues < 0 || c.Queues > 253 || c.Depth < 0 || c.Depth > 1<<14 {
		return fmt.Errorf("virtio: %d queues for %d commands each: 1 to 253 for 1 to %d are possible", c.Queues, c.Depth, 1<<14)
	}
	f := &c.Frontend
	if len(f.Memory) == 0 {
		own := int64(c.Queues*c.ring()*(slotSize+64+16*c.entries()) + 1<<20)
		f.Memory = []frontend.Region{{Size: (cmp.Or(c.Buffers, 64<<20) + own + 2<<20 - 1) &^ (2<<20 - 1)}}
	}
	f.Features |= iu.FeatureHotplug | iu.FeatureChange
	if c.Packed {
		f.Features |= frontend.Packed
	}
	if !c.Direct {
		f.Features |= frontend.Indirect
	}
	if !c.Flags {
		f.Features |= frontend.EventIndex
	}
	return nil
}

// segments is how many descriptors data has at most.
func (c *Config) segments() int {
	if c.Segment == 0 {
		return 1
	}
	return maxSegments
}

// maxSegments is what hosts take, QEMU's at least.
const maxSegments = 126

// entries is how many descriptors a command has at most.
func (c *Config) entries() int { return 2 + c.segments() }

// ring is how many entries the ring of a request queue has.
func (c *Config) ring() int {
	n := c.Depth
	if c.Direct {
		n *= c.entries()
	}
	return min(1<<bits.Len(uint(max(n, 2)-1)), 1<<15)
}
