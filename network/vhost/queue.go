package vhost

import (
	"time"

	"github.com/lunette-io/lunette/network/vhost/ring"
)

// A Queue is a ring while it runs.
type Queue struct{}

// Index is its number.
func (q *Queue) Index() int { panic("contract") }

// Take takes a chain that the driver has posted for a device to fill when it has something, as of an event queue; nil: there is none. Such a queue has no thread, see [Idle].
func (q *Queue) Take() *Chain { panic("contract") }

// Flush lets the driver see all chains that were given back, and calls it if it wants that. No lock may be held that Handle takes. (It makes a Queue what a target.Batch flushes.)
func (q *Queue) Flush() { panic("contract") }

// A start is what a queue begins with. The connection that starts it gives it that, and stops it: halt, drained, then base or, at the end of the connection, detach before.
type start struct {
	index   int
	place   ring.Place
	options ring.Options
	memory  ring.Memory // for this queue alone: it is asked by the one goroutine that calls Next
	base    uint32
	// inflight is the queue's part of the in-flight area, or nil. It is mapped until the queue has been drained, as are place and what memory finds.
	inflight []byte
	// kick and call are eventfds, which do not block, or -1: the driver does not want to be called. The queue has duplicates of its own.
	kick, call int
	handler    Handler
	idle       bool          // no thread: the back-end takes chains, see Idle
	poll       time.Duration // as in Config
	before     *Queue        // that ran at this index in this connection: its counters go on; or nil
	// fault ends the connection since the ring cannot be used any more. It may be called by any goroutine, with any lock of the queue held, more than once; it does not wait, and halt comes later.
	fault func(error)
	// unmoved is called when the driver has kicked for the second time and nothing has ever been in the ring (counted over before, too): once in a queue's life.
	unmoved func()
}

// startQueue makes the ring and, unless it is idle, the thread that looks at it. It calls the driver once: what had been published before it was called would never be looked at.
func startQueue(s start) (*Queue, error) { panic("contract") }

// halt returns when no chain will be handed to the handler any more: the thread has ended, and Take finds nothing. Chains that are out are given back and published as ever. It is called once, on a
// goroutine that is not the queue's.
func (q *Queue) halt() { panic("contract") }

// drained is closed when the queue has been halted, all of its chains have been given back and flushed, and nothing of it will touch the ring, the area or other memory of the guest any more; its
// descriptors are closed then.
func (q *Queue) drained() <-chan struct{} { panic("contract") }

// base is where the next queue goes on with the ring, after drained.
func (q *Queue) base() uint32 { panic("contract") }

// detach lets chains that are given back from now on be forgotten: neither the ring nor the in-flight area is changed, so that who goes on with the ring has them again. It is called after halt, when the
// connection has ended; chains may still read and write their own memory, whose results nobody sees.
func (q *Queue) detach() { panic("contract") }

// setCall replaces the descriptor, as of start, and calls the driver once.
func (q *Queue) setCall(fd int) error { panic("contract") }

// stats are the counters, of those before it too.
func (q *Queue) stats() QueueStats { panic("contract") }
