package virtio

import (
	"fmt"
	"sync"

	"github.com/lunette-io/lunette/network/vhost/frontend"
	"github.com/lunette-io/lunette/network/vhost/ring"
	"github.com/lunette-io/lunette/transport/virtio/iu"
)

// An eventQueue is the event queue, in which buffers wait for what the host has to tell.
type eventQueue struct {
	conn *Conn
	mem  []byte
	addr uint64

	mu   sync.Mutex // for the ring
	ring *frontend.Queue
	held bool // the ring is made anew
}

func newEventQueue(c *Conn) (*eventQueue, error) {
	x := &eventQueue{conn: c}
	var err error
	if x.ring, err = c.dev.Queue(iu.QueueEvent, frontend.QueueConfig{Size: events}); err != nil {
		return nil, err
	}
	if x.mem, err = c.dev.Memory.Alloc(events * iu.EventLen); err != nil {
		return nil, err
	}
	x.addr, _ = c.dev.Memory.Address(x.mem)
	return x, x.postAll()
}

func (x *eventQueue) postAll() error {
	for i := range uint64(events) {
		if err := x.post(i); err != nil {
			return err
		}
	}
	return nil
}

func (x *eventQueue) post(i uint64) error {
	return x.ring.Add(nil, []ring.Piece{{Addr: x.addr + i*iu.EventLen, Len: iu.EventLen}}, i)
}

// run tells what comes until the end.
func (x *eventQueue) run() {
	for {
		if x.conn.ctx.Err() != nil {
			return
		}
		e, n, late, err := x.take()
		if err != nil {
			x.conn.fail(err)
			return
		}
		if n > 0 && x.conn.cfg.Events != nil {
			x.conn.cfg.Events(e)
		}
		if n > 0 || late {
			continue
		}
		if err := x.ring.Wait(0); err != nil {
			x.conn.fail(err)
			return
		}
	}
}

// take takes an event, and posts its buffer again; with none it asks the host to call for the next. late: there is one after all.
func (x *eventQueue) take() (e iu.Event, n int, late bool, err error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.held {
		return e, 0, false, nil
	}
	i, written, ok, err := x.ring.Get()
	if err != nil {
		return e, 0, false, err
	}
	if !ok {
		return e, 0, x.ring.Want(true), nil
	}
	if written != iu.EventLen {
		return e, 0, false, fmt.Errorf("virtio: an event of %d bytes", written)
	}
	if e, err = iu.ParseEvent(x.mem[i*iu.EventLen:][:iu.EventLen]); err != nil {
		return e, 0, false, err
	}
	if err := x.post(i); err != nil {
		return e, 0, false, err
	}
	x.ring.Flush()
	return e, 1, false, nil
}

// hold and release are those of a Queue.
func (x *eventQueue) hold() {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.held = true
}

func (x *eventQueue) release() {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.held = false
	x.ring.Flush()
	x.ring.Wake()
}
