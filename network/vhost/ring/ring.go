// Package ring is virtio's rings (virtio 1.3, 2.7 and 2.8): split and packed, indirect descriptors and event index, in both roles. The device's half trusts nothing that it finds in them.
package ring

import (
	"fmt"

	"github.com/lunette-io/lunette/buffer"
)

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

// PackedBase is the base of a packed ring that has not been used yet; that of a split ring is 0.
const PackedBase = 1<<31 | 1<<15

// A Start says where a device goes on with a ring.
type Start struct {
	// Base is what Device.Base said when the ring was used last (VHOST_USER_SET_VRING_BASE). It is not believed if Inflight says better.
	Base uint32
	// Inflight is the queue's part of the memory in which the front-end keeps for us what the device has, see InflightSize; nil: there is none. It is the ring's while that is used.
	Inflight []byte
}

// Buffers are those of one request as the device's half finds them: checked and translated. The slices are used again.
type Buffers struct {
	ID                       uint16 // what it is given back by: less than the size of the ring
	Again                    bool   // a device before this one had the request and has not given it back
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
	// Publish lets the driver see all that was put. With ask it reports whether the driver wants to be called for what it sees since that was asked last; without, it reports that only where it would be
	// too late later. A driver that is awake sees what is published without a call, so that it can go on while the device works.
	Publish(ask bool) (call bool, err error)
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

// NewDevice is the device's half of the ring at p. It fails if no ring can be there, or if Inflight is not what a device may have left.
func NewDevice(p Place, o Options, m Memory, s Start) (Device, error) {
	if err := p.check(o.Packed); err != nil {
		return nil, err
	}
	if o.Packed {
		d, err := newPackedDevice(p, o, m, s)
		if err != nil {
			return nil, err
		}
		return d, nil
	}
	d, err := newSplitDevice(p, o, m, s)
	if err != nil {
		return nil, err
	}
	return d, nil
}

// NewDriver is the driver's half of the ring at p, all of which is zeros.
func NewDriver(p Place, o Options, t Tables) (Driver, error) {
	if err := p.check(o.Packed); err != nil {
		return nil, err
	}
	if err := t.check(o, p.Size); err != nil {
		return nil, err
	}
	if o.Packed {
		return newPackedDriver(p, o, t), nil
	}
	return newSplitDriver(p, o, t)
}

// Tables are where a driver has its indirect tables: one of Entries descriptors for each entry of the ring. With none, all requests are chains in the ring.
type Tables struct {
	Mem     []byte
	Addr    uint64 // the guest's address of Mem
	Entries int
}

func (t *Tables) check(o Options, size int) error {
	if !o.Indirect || t.Entries == 0 {
		t.Entries = 0
		return nil
	}
	if t.Entries < 0 || t.Entries > MaxPieces || len(t.Mem) < t.Entries*descriptorSize*size {
		return fmt.Errorf("ring: %d bytes for %d indirect tables of %d descriptors", len(t.Mem), size, t.Entries)
	}
	return nil
}

// of is table i, and its guest's address.
func (t *Tables) of(i uint16) ([]byte, uint64) {
	n := t.Entries * descriptorSize
	return t.Mem[int(i)*n:][:n], t.Addr + uint64(int(i)*n)
}

// A Piece is memory of the guest.
type Piece struct {
	Addr uint64
	Len  uint32
}
