// Package vhost is the back-end of vhost-user: devices of virtio whose driver is in a virtual machine on this host. The front-end, which is the machine's monitor (QEMU,
// Cloud Hypervisor), hands over the guest's memory as descriptors by a Unix socket; from then on the driver's requests lie in rings in that memory, and the monitor is
// not on their way. What the device does is not known here: a [Backend] is behind each socket.
//
// docs/design/vhost.md draws it. Clauses are those of the vhost-user protocol (QEMU's docs/interop/vhost-user.rst) and of virtio 1.3.
package vhost

import (
	"errors"
	"io/fs"
	"log/slog"
	"time"
)

// Config is what a Host is made of. The zero value of a field means its default.
type Config struct {
	Log *slog.Logger
	// Poll is how long a queue's thread looks at its ring before it sleeps, at the most; it looks only as long as that has been worth it. Default 20 µs; negative: never.
	Poll time.Duration
}

// Errors of Listen, wrapped with the path. Others are the system's: fs.ErrNotExist of the directory, fs.ErrPermission of the directory, the owner or the group; on other systems than Linux it is
// errors.ErrUnsupported.
var (
	ErrInUse     = errors.New("vhost: a program listens at the socket already")
	ErrNotSocket = errors.New("vhost: there is a file that is no socket")
)

// ErrClosed is why a driver's life has ended that was there when its socket was closed.
var ErrClosed = errors.New("vhost: the socket is closed")

// Options say who may use a socket, and how much.
type Options struct {
	Path string
	// Mode, UID and GID are those of the socket's file; Mode 0 means 0600, and -1 leaves the owner or the group as it is.
	Mode     fs.FileMode
	UID, GID int
	// Peers are the user IDs that may connect beside who may open the file; empty: all who may open it.
	Peers []uint32
	// MaxMemory bounds the guest's memory in bytes, MaxRegions its pieces. Defaults 4 TiB, 509.
	MaxMemory  int64
	MaxRegions int
}

// A Connection is what is known of a front-end that is attached.
type Connection struct {
	PID, UID, GID int
	Since         time.Time
	Features      uint64 // agreed
	Protocol      uint64 // protocol features agreed
	Memory        int64  // bytes of the guest that are mapped
	Regions       int
	Queues        []QueueStats
}

// QueueStats are the counters of a queue since the connection began.
type QueueStats struct {
	Index               int
	Size                int
	Running             bool
	Packed              bool
	Inflight            int           // chains that the device has
	Oldest              time.Duration // since the oldest of these came
	Chains              uint64
	Kicks               uint64 // times that the thread was woken by the driver
	Calls               uint64 // times that the driver was called
	Polled              uint64 // times that polling has found work
	CopiedIn, CopiedOut uint64 // bytes that this process has copied to the guest, and from it
	LentIn, LentOut     uint64 // bytes that the guest's memory was lent for
}

// A Backend is a type of device, and what is behind it: one for each socket.
type Backend interface {
	// Features are the bits of the device type that are offered (virtio 2.2: bits 0 to 23 and 50 to 127), and Refused those that the driver must not have, each with what the
	// user is told to do: front-ends let features through that nobody was asked for.
	Features() (offered uint64, refused map[uint64]string)
	// Queues is how many there are, all kinds together.
	Queues() int
	// ReadConfig fills b from the configuration space at off; what is not there is zeros. WriteConfig is asked to change it.
	ReadConfig(b []byte, off uint32)
	WriteConfig(b []byte, off uint32) error
	// Attach begins a driver's life: its features are agreed and its first queue starts. The back-end answers with what handles it.
	Attach(d *Driver) Handler
}

// A Handler is what handles the requests of a driver during its life.
type Handler interface {
	// Handle takes c. It is called on the thread of c's queue and must not wait.
	Handle(c *Chain)
	// Burst is called on the thread of q when it has handled all chains that were there: what was put off is done now.
	Burst(q *Queue)
	// Abort asks for the end of all chains of q, or of all queues (nil): the driver waits for them to stop (see Driver), or is gone. They are given back as ever, soon.
	Abort(q *Queue)
	// Ended is the last call, when all chains have been given back: err says why the driver's life has ended; nil: it was reset by its guest or front-end.
	Ended(err error)
}

// Patience is how long a queue that is to stop waits for its chains before they are aborted.
const Patience = 5 * time.Second

// Idle reports to the host that the back-end takes chains of queue i by Queue.Take and wants no thread for it. A Backend may have it.
type Idle interface{ Idle(queue int) bool }
