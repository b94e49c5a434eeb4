// Package ring is virtio's rings (virtio 1.3, 2.7 and 2.8): split and packed, indirect descriptors and event index, in both roles. The device's half trusts nothing that it finds in them.
package ring

import "github.com/lunette-io/lunette/buffer"

// Memory finds the guest's memory.
type Memory interface {
	// Translate appends the n bytes at the guest's address addr to dst: pieces of mapped memory, in order. It fails if any of it is outside.
	Translate(dst []buffer.Segment, addr uint64, n uint32) ([]buffer.Segment, error)
}

// Place is where the parts of a ring are in this process, and how many entries it has. (Packed: Desc is the ring, Avail the driver's event suppression, Used the device's.)
type Place struct {
	Desc, Avail, Used []byte
	Size              int
}

// Options are the features that both sides have agreed on.
type Options struct{ Packed, Indirect, EventIndex bool }

// Buffers are those of one request as the device's half finds them: checked and translated. The slices are used again.
type Buffers struct {
	ID                       uint16 // what it is given back by
	Readable                 []buffer.Segment
	Writable                 []buffer.Segment
	ReadableLen, WritableLen int64
}

// A Device is the device's half of a ring. An error means that the driver has broken the rules or that the memory is gone: the ring is not used any more.
// Next, Want and Moved are called by one goroutine at a time; Put and Publish by one at a time, which may be another.
type Device interface {
	// Next finds the next request; false: there is none.
	Next(b *Buffers) (bool, error)
	// Moved reports that there is a request, and changes nothing: who polls asks.
	Moved() bool
	// Want asks the driver to kick for the next request (on), or not to. It reports that there is a request already: then no kick comes for it.
	Want(on bool) (already bool, err error)
	// Put gives a request back with written bytes. The driver does not see it before Publish.
	Put(id uint16, written uint32) error
	// Publish lets the driver see all that was put, and reports that it wants to be called.
	Publish() (call bool, err error)
	// Base is what a device has to know to go on with the ring later (VHOST_USER_GET_VRING_BASE).
	Base() uint32
}

// A Driver is the driver's half, for the initiator and the tests.
type Driver interface {
	// Add posts a request: out is what the device reads, in what it fills, both in the guest's memory by guest addresses; token comes back with it. It fails if there is no room. The device does not see it before Kick.
	Add(out, in []Piece, token uint64) error
	// Kick lets the device see all that was added, and reports that it wants to be kicked.
	Kick() (kick bool)
	// Get takes a request that the device has given back; false: there is none.
	Get() (token uint64, written uint32, ok bool, err error)
	// Want asks the device to call for the next that it gives back (on), or not to. It reports that there is one already.
	Want(on bool) (already bool)
}

// A Piece is memory of the guest.
type Piece struct {
	Addr uint64
	Len  uint32
}
