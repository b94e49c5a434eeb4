package sg

import (
	"errors"
	"fmt"
	"math"
	"math/bits"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/lunette-io/lunette/buffer"
	"github.com/lunette-io/lunette/internal/uring"
)

// regions is how many regions of the arena a ring may have registered.
const regions = 64

// probe is the number of the operation that finds out whether bsg takes commands.
const probe = math.MaxUint32

// A ringDevice sends commands by io_uring on bsg. It has a ring and a thread of its own: Done is called on that. A command that finds the
// device's queue full waits on a thread of the kernel's, with the ring working on.
type ringDevice struct {
	common
	loop *uring.Loop

	mu      sync.Mutex
	waiting list // guarded by mu
	closed  bool // guarded by mu

	// What follows is used on the ring's thread alone.
	taken  list // of waiting, in order, without slots
	slots  *slots
	probed bool
	answer chan int32 // of the probe; it has room for it
	table  buffer.Table
}

// openRing opens node for io_uring; its kernel may not have what it takes.
func openRing(node string, nodes Nodes, cfg Config) (Device, error) {
	fd, err := unix.Open(node, unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, explain(node, err)
	}
	depth := min(cfg.depth(), MaxDepthUring)
	d := &ringDevice{common: newCommon(fd, node, nodes, Uring, depth, cfg, true), answer: make(chan int32, 1)}
	if d.slots, err = newSlots(depth); err != nil {
		_ = unix.Close(fd)
		return nil, err
	}
	if d.loop, err = uring.StartWide(1<<bits.Len(uint(depth+uring.Reserved)), d); err != nil {
		d.release()
		return nil, err
	}
	// Awake or asleep, it finds that it has not asked.
	d.loop.Wake()
	switch errno := unix.Errno(-<-d.answer); errno {
	case unix.EINVAL: // it knows what is wrong with the probe
		return d, nil
	case unix.EOPNOTSUPP:
		err = errors.New("bsg takes no commands by io_uring in this kernel: it does from Linux 7.1 on")
	default:
		err = fmt.Errorf("%s: %w", node, errno)
	}
	d.loop.Close()
	d.release()
	return nil, err
}

func (d *ringDevice) release() {
	d.table.Close()
	d.slots.close()
	_ = unix.Close(d.fd)
}

// Submit sends c.
func (d *ringDevice) Submit(c *Command) {
	if err := check(c, d.info.MaxTransfer); err != nil {
		fail(c, err)
		return
	}
	d.mu.Lock()
	if d.closed {
		d.mu.Unlock()
		fail(c, errClosed)
		return
	}
	d.waiting.push(c)
	d.mu.Unlock()
	d.loop.Wake()
}

// Close ends the ring.
func (d *ringDevice) Close() error {
	d.mu.Lock()
	closed := d.closed
	d.closed = true
	d.mu.Unlock()
	if closed {
		return errClosed
	}
	d.loop.Close()
	d.release()
	return nil
}

// Opened makes room for regions.
func (d *ringDevice) Opened(r *uring.Ring) {
	if r.ReserveBuffers(regions) {
		d.table.Open(regions)
	}
}

// Fill sends what waits, as far as there are slots.
func (d *ringDevice) Fill(r *uring.Ring) {
	if !d.probed {
		d.ask(r)
	}
	d.mu.Lock()
	d.taken.take(&d.waiting)
	d.mu.Unlock()
	for d.slots.free >= 0 && d.taken.first != nil {
		i := d.slots.free
		e := r.Next(uint64(i))
		if e == nil {
			return
		}
		c := d.taken.pop()
		d.slots.take(c)
		var h ringCommand
		h.encode(c, d.slots, i)
		index := -1
		if len(c.Data.Mem) > 0 {
			index = d.table.Index(r, c.Data.Region)
		}
		e.Command(d.fd, 0, h.payload(), index)
	}
}

// ask sends what a bsg that takes commands refuses as wrong, before it has looked at more than the protocol.
func (d *ringDevice) ask(r *uring.Ring) {
	e := r.Next(probe)
	if e == nil {
		return
	}
	h := ringCommand{protocol: math.MaxUint32}
	e.Command(d.fd, 0, h.payload(), -1)
	d.probed = true
}

// Ended is called for each command that has ended.
func (d *ringDevice) Ended(r *uring.Ring, user uint64, res int32) {
	if user == probe {
		d.answer <- res
		return
	}
	i := int(user)
	c := d.slots.release(i)
	d.slots.ended(c, i, d.going(decodeRing(res, r.Extra(), len(c.Data.Mem))))
	c.Done(c)
}

// Reaped has nothing to do.
func (d *ringDevice) Reaped() {}
