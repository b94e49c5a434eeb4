package virtio

import (
	"cmp"
	"fmt"
	"sync"

	"github.com/lunette-io/lunette/network/vhost/frontend"
	"github.com/lunette-io/lunette/network/vhost/ring"
	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/transport/virtio/iu"
)

// A control is the control queue.
type control struct {
	conn *Conn
	ring *frontend.Queue
	mem  []byte
	addr uint64

	mu    sync.Mutex
	room  sync.Cond
	free  []int
	open  [managed]chan []byte // who waits; nil: nobody
	held  bool                 // the ring is made anew
	ended error
}

// The layout of a function in shared memory.
const (
	functionSize = 64
	answerAt     = 32
	answerLen    = 8
)

func newControl(c *Conn) (*control, error) {
	x := &control{conn: c}
	x.room.L = &x.mu
	var err error
	if x.ring, err = c.dev.Queue(iu.QueueControl, frontend.QueueConfig{Size: 2 * managed, Entries: 2}); err != nil {
		return nil, err
	}
	if x.mem, err = c.dev.Memory.Alloc(managed * functionSize); err != nil {
		return nil, err
	}
	x.addr, _ = c.dev.Memory.Address(x.mem)
	for i := range managed {
		x.free = append(x.free, i)
	}
	return x, nil
}

// Ask sends what b is in the control queue, at most 32 bytes, and returns up to n bytes of the answer, at most 8: as many as the device has filled.
func (c *Conn) Ask(b []byte, n int) ([]byte, error) {
	x := c.control
	if len(b) > answerAt || n > answerLen {
		return nil, fmt.Errorf("virtio: %d bytes with an answer of %d", len(b), n)
	}
	done := make(chan []byte, 1)
	if err := x.post(b, n, done); err != nil {
		return nil, err
	}
	answer, ok := <-done
	if !ok {
		return nil, cmp.Or(c.Err(), ErrReset)
	}
	return answer, nil
}

func (x *control) post(b []byte, n int, done chan []byte) error {
	x.mu.Lock()
	defer x.mu.Unlock()
	for x.ended == nil && (x.held || len(x.free) == 0) {
		x.room.Wait()
	}
	if x.ended != nil {
		return x.ended
	}
	i := x.free[len(x.free)-1]
	at := i * functionSize
	copy(x.mem[at:], b)
	clear(x.mem[at+answerAt:][:answerLen])
	out := []ring.Piece{{Addr: x.addr + uint64(at), Len: uint32(len(b))}}
	in := []ring.Piece{{Addr: x.addr + uint64(at) + answerAt, Len: uint32(n)}}
	if err := x.ring.Add(out, in, uint64(i)); err != nil {
		return err
	}
	x.free = x.free[:len(x.free)-1]
	x.open[i] = done
	x.ring.Flush()
	return nil
}

// run takes answers until the end.
func (x *control) run() {
	for {
		late, err := x.take()
		if err != nil {
			x.conn.fail(err)
			return
		}
		if !late {
			if err := x.ring.Wait(0); err != nil {
				x.conn.fail(err)
				return
			}
		}
	}
}

func (x *control) take() (late bool, err error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	for {
		if x.ended != nil || x.held {
			return false, x.ended
		}
		token, written, ok, err := x.ring.Get()
		if err != nil {
			return false, err
		}
		if !ok {
			return x.ring.Want(true), nil
		}
		i := int(token)
		b := x.mem[i*functionSize+answerAt:][:min(written, answerLen)]
		x.open[i] <- append([]byte(nil), b...)
		x.open[i] = nil
		x.free = append(x.free, i)
		x.room.Broadcast()
	}
}

// finish ends what is open.
func (x *control) finish(err error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.ended == nil {
		x.ended = err
	}
	x.drop()
	x.ring.Wake()
}

// hold and release are those of a Queue.
func (x *control) hold() {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.held = true
	x.drop()
}

func (x *control) release() {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.held = false
	x.room.Broadcast()
	x.ring.Wake()
}

// drop forgets what is open. x.mu is held.
func (x *control) drop() {
	for i, done := range x.open {
		if done != nil {
			close(done)
			x.open[i] = nil
			x.free = append(x.free, i)
		}
	}
	x.room.Broadcast()
}

// Manage performs a task management function; id is that of the command that it is about. Commands that it ends have come back when it returns.
func (c *Conn) Manage(f iu.Function, target uint8, lun scsi.LUN, id uint64) (iu.Code, error) {
	m := iu.Management{Function: f, Address: iu.UnitAddress(target, lun), ID: id}
	b, err := c.Ask(m.Append(nil), iu.ManagementResponseLen)
	if err != nil {
		return 0, err
	}
	if len(b) < iu.ManagementResponseLen {
		return 0, fmt.Errorf("virtio: the answer to %v is empty", f)
	}
	// What it has ended is in the rings by now.
	for _, q := range c.queues {
		q.gather()
	}
	return iu.Code(b[0]), nil
}

// Notify asks which asynchronous notifications a unit has, or for them.
func (c *Conn) Notify(n iu.Notification) (iu.Notified, error) {
	b, err := c.Ask(n.Append(nil), iu.NotifiedLen)
	if err != nil {
		return iu.Notified{}, err
	}
	return iu.ParseNotified(b)
}
