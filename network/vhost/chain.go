package vhost

import (
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/lunette-io/lunette/buffer"
	"github.com/lunette-io/lunette/internal/guard"
	"github.com/lunette-io/lunette/network/vhost/ring"
)

// A Chain is a request of the driver (virtio 2.7.4, a chain of descriptors): memory that it has filled, then memory for the device to fill. It belongs to the device until Return. Descriptors are
// checked and translated: the memory is the guest's, which it changes while we look, and which may go away: it is touched by the methods here, by the kernel, or by package guard, and by nothing else.
// Methods may be called by one goroutine at a time.
type Chain struct {
	// Private is the back-end's own state; it stays with the memory of the chain, which is used again for a later chain.
	Private any

	queue *Queue
	ring.Buffers
	since  atomic.Int64     // when it came, by the queue's clock; 0: the device does not have it
	lent   []buffer.Segment // of leases
	copies traffic
	lends  traffic
	kept   int // what the queue's count of pieces has of this chain; guarded by its mu
}

var errTwice = errors.New("vhost: a chain is given back that the device does not have")

// Queue is where it came from.
func (c *Chain) Queue() *Queue { return c.queue }

// Again reports that a back-end before this one had the chain, and may have done what it says: the driver was never told.
func (c *Chain) Again() bool { return c.Buffers.Again }

// Readable is how many bytes the driver has filled.
func (c *Chain) Readable() int64 { return c.ReadableLen }

// Writable is how many bytes there are for the device to fill.
func (c *Chain) Writable() int64 { return c.WritableLen }

// Read fills dst from what the driver has filled at off, and counts it as copied. It fails if the memory is gone, or not so long.
func (c *Chain) Read(off int64, dst []byte) error {
	return c.read(off, dst, guard.Copy)
}

// ReadInto is Read into l from at on, to the end of l, past the processor's caches if l is [buffer.Lease.Kept]. It borrows l.
func (c *Chain) ReadInto(l *buffer.Lease, at, off int64) error {
	copied := guard.Copy
	if l.Kept() {
		copied = guard.CopyNontemporal
	}
	for at < l.Len() {
		p := l.At(at)
		if err := c.read(off, p, copied); err != nil {
			return err
		}
		at += int64(len(p))
		off += int64(len(p))
	}
	return nil
}

func (c *Chain) read(off int64, dst []byte, copied func(dst, src []byte) (int, error)) error {
	if err := c.walk(c.Buffers.Readable, c.ReadableLen, off, dst, false, copied); err != nil {
		return err
	}
	c.copies.out += uint64(len(dst))
	return nil
}

// Write puts src into what the device fills at off, and counts it as copied. It fails if the memory is gone, or not so long.
func (c *Chain) Write(off int64, src []byte) error {
	if err := c.walk(c.Buffers.Writable, c.WritableLen, off, src, true, guard.Copy); err != nil {
		return err
	}
	c.copies.in += uint64(len(src))
	return nil
}

// walk copies between b and the pieces, of n bytes, at off, as copied does. Memory that is gone ends the connection.
func (c *Chain) walk(pieces []buffer.Segment, n, off int64, b []byte, write bool, copied func(dst, src []byte) (int, error)) error {
	if off < 0 || int64(len(b)) > n-off {
		return fmt.Errorf("vhost: %d bytes at %d of a chain's %d", len(b), off, n)
	}
	for i := 0; len(b) > 0; i++ {
		m := pieces[i].Mem
		if off >= int64(len(m)) {
			off -= int64(len(m))
			continue
		}
		m = m[off:min(int64(len(m)), off+int64(len(b)))]
		off = 0
		dst, src := b, m
		if write {
			dst, src = m, b
		}
		if _, err := copied(dst, src[:len(m)]); err != nil {
			c.queue.breaks(err)
			return err
		}
		b = b[len(m):]
	}
	return nil
}

// LendReadable makes l a lease of n bytes at off of what the driver has filled; owner takes it back, before Return. Nothing is copied; what is lent is counted. LendWritable is the same for what the
// device fills. The lease is [buffer.Lease.Foreign], and ends where the chain does.
func (c *Chain) LendReadable(l *buffer.Lease, owner buffer.Owner, off, n int64) {
	c.lends.out += c.lend(l, owner, c.Buffers.Readable, off, n)
}

// LendWritable is LendReadable for what the device fills.
func (c *Chain) LendWritable(l *buffer.Lease, owner buffer.Owner, off, n int64) {
	c.lends.in += c.lend(l, owner, c.Buffers.Writable, off, n)
}

// lend reports how many bytes it has lent. Leases have pieces of their own, as Truncate changes them; if there is no more room for them, those of earlier leases stay where they are.
func (c *Chain) lend(l *buffer.Lease, owner buffer.Owner, pieces []buffer.Segment, off, n int64) uint64 {
	first := len(c.lent)
	for _, p := range pieces {
		if n <= 0 {
			break
		}
		m := int64(len(p.Mem))
		if off >= m {
			off -= m
			continue
		}
		p.Mem = p.Mem[off:min(m, off+n)]
		off = 0
		n -= int64(len(p.Mem))
		c.lent = append(c.lent, p)
	}
	l.InitForeign(owner, c.lent[first:len(c.lent):len(c.lent)])
	return uint64(l.Len())
}

// Return gives the chain back with written bytes from the first writable byte on, all leases of it having come back. The driver sees it after the queue's next Flush. It may be called on any goroutine,
// is called exactly once, and c is another chain after that.
func (c *Chain) Return(written int64) {
	q := c.queue
	q.mu.Lock()
	err := q.giveBack(c, written)
	q.mu.Unlock()
	if err != nil {
		q.breaks(err)
	}
}
