// Package frontend is the other end of vhost-user: what a virtual machine's monitor does, for a driver in this process. It makes the memory that the driver and the device share, hands it over, starts and stops
// queues, and comes back to a back-end that has died. For `lunette bench`, the suites and the fuzz targets.
//
// A [Conn] carries any message, so that a test can send what no monitor would; a [Device] does what QEMU does; [Memory] is the guest's, with every byte of which a caller may do what it likes.
package frontend

import (
	"cmp"
	"errors"
	"time"

	"github.com/lunette-io/lunette/network/vhost/message"
)

// ErrGone: the connection has ended.
var ErrGone = errors.New("vhost: the connection to the back-end has ended")

// Version1 (VIRTIO_F_VERSION_1) and what follows are features of virtio that every device type has (virtio 1.3, 6).
const (
	Version1   uint64 = 1 << 32
	Packed     uint64 = 1 << 34 // VIRTIO_F_RING_PACKED
	Indirect   uint64 = 1 << 28 // VIRTIO_F_INDIRECT_DESC
	EventIndex uint64 = 1 << 29 // VIRTIO_F_EVENT_IDX
)

// protocol are the protocol features that a Device makes something of.
const protocol = message.ProtocolMQ | message.ProtocolReplyAck | message.ProtocolConfig | message.ProtocolInflightShmfd | message.ProtocolResetDevice | message.ProtocolConfigureMemSlots

// A Config says what a [Device] agrees to, and which memory it has.
type Config struct {
	// Features are those that are wanted if the back-end offers them; Version1 always is. Forced are agreed to whether they are offered or not, which a back-end that is asked nobody checks for.
	Features, Forced uint64
	// WithoutProtocol are protocol features that are not agreed to, of those that are known here.
	WithoutProtocol uint64
	// Memory is the guest's; none: one region of 64 MiB.
	Memory []Region
	// Table hands memory over by SET_MEM_TABLE even if regions could be added one by one.
	Table bool
	// Patience is how long an answer may take, after which the connection ends. Default: one minute, which is longer than any back-end drains.
	Patience time.Duration
}

func (c *Config) defaults() {
	if len(c.Memory) == 0 {
		c.Memory = []Region{{Size: 64 << 20}}
	}
	c.Patience = cmp.Or(c.Patience, time.Minute)
}
