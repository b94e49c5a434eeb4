package virtio

import (
	"fmt"

	"github.com/lunette-io/lunette/network/vhost/frontend"
	"github.com/lunette-io/lunette/network/vhost/ring"
	"github.com/lunette-io/lunette/transport/virtio/iu"
)

// An eventQueue is the event queue, in which buffers wait for what the host has to tell. It is used by its own thread.
type eventQueue struct {
	conn *Conn
	ring *frontend.Queue
	mem  []byte
	addr uint64
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

func (x *eventQueue) flush() { x.ring.Flush() }

// run tells what comes until the end.
func (x *eventQueue) run() {
	for {
		select {
		case <-x.conn.closing:
			return
		default:
		}
		n, late, err := x.take()
		if err != nil {
			x.conn.fail(err)
			return
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

// take tells one event.
func (x *eventQueue) take() (n int, late bool, err error) {
	i, written, ok, err := x.ring.Get()
	if err != nil {
		return 0, false, err
	}
	if !ok {
		return 0, x.ring.Want(true), nil
	}
	if written != iu.EventLen {
		return 0, false, fmt.Errorf("virtio: an event of %d bytes", written)
	}
	e, err := iu.ParseEvent(x.mem[i*iu.EventLen:][:iu.EventLen])
	if err != nil {
		return 0, false, err
	}
	if err := x.post(i); err != nil {
		return 0, false, err
	}
	x.flush()
	if x.conn.cfg.Events != nil {
		x.conn.cfg.Events(e)
	}
	return 1, false, nil
}
