package vhost

import "github.com/lunette-io/lunette/buffer"

// A Chain is a request of the driver (virtio 2.7.4, a chain of descriptors): memory that it has filled, then memory for the device to fill. It belongs to the device until Return. Descriptors are
// checked and translated: the memory is the guest's, which it changes while we look, and which may go away: it is touched by the methods here, by the kernel, or by package guard, and by nothing else.
// Methods may be called by one goroutine at a time.
type Chain struct {
	// Private is the back-end's own state; it stays with the memory of the chain, which is used again for a later chain.
	Private any
}

// Queue is where it came from.
func (c *Chain) Queue() *Queue { panic("contract") }

// Again reports that a back-end before this one had the chain, and may have done what it says: the driver was never told.
func (c *Chain) Again() bool { panic("contract") }

// Readable and Writable are how many bytes the driver has filled, and has room for.
func (c *Chain) Readable() int64 { panic("contract") }

// Writable is how many bytes there are for the device to fill.
func (c *Chain) Writable() int64 { panic("contract") }

// Read fills dst from what the driver has filled at off, and counts it as copied. It fails if the memory is gone, or not so long.
func (c *Chain) Read(off int64, dst []byte) error { panic("contract") }

// Write puts src into what the device fills at off, and counts it as copied. It fails if the memory is gone, or not so long.
func (c *Chain) Write(off int64, src []byte) error { panic("contract") }

// LendReadable makes l a lease of n bytes at off of what the driver has filled; owner takes it back, before Return. Nothing is copied; what is lent is counted. LendWritable is the same for what the
// device fills. The lease is [buffer.Lease.Foreign].
func (c *Chain) LendReadable(l *buffer.Lease, owner buffer.Owner, off, n int64) { panic("contract") }

// LendWritable is LendReadable for what the device fills.
func (c *Chain) LendWritable(l *buffer.Lease, owner buffer.Owner, off, n int64) { panic("contract") }

// Return gives the chain back with written bytes from the first writable byte on, all leases of it having come back. The driver sees it after the queue's next Flush. It may be called on any goroutine,
// is called exactly once, and c is another chain after that.
func (c *Chain) Return(written int64) { panic("contract") }
