package vhost

import (
	"github.com/lunette-io/lunette/network/vhost/message"
	"github.com/lunette-io/lunette/network/vhost/ring"
)

// ringOf is the ring of a number that the front-end has said.
func (c *connection) ringOf(r message.Request, index uint32) (*vring, error) {
	if uint64(index) >= uint64(len(c.rings)) {
		return nil, message.Errorf(r, "queue %d: the device has %d, all kinds together (QEMU: num_queues=%d at the most)", index, len(c.rings), len(c.rings)-2)
	}
	return c.rings[index], nil
}

// stopped refuses to change what a ring runs with. c.mu is held.
func stopped(m *message.Message, r *vring) error {
	if r.queue.Load() != nil {
		return message.Errorf(m.Request, "queue %d runs", r.index)
	}
	return nil
}

// vringState has a ring's size, where it goes on, or whether it is enabled; or it stops the ring. c.mu is held.
func (c *connection) vringState(m *message.Message) (answer, error) {
	x, err := message.ParseVringState(m.Request, m.Payload)
	if err != nil {
		return answer{}, err
	}
	r, err := c.ringOf(m.Request, x.Index)
	if err != nil {
		return answer{}, err
	}
	switch m.Request {
	case message.SetVringNum:
		if x.Num == 0 || x.Num > ring.MaxSize {
			return answer{}, message.Errorf(m.Request, "queue %d of %d entries: there can be 1 to %d", x.Index, x.Num, ring.MaxSize)
		}
		err = stopped(m, r)
		if err == nil {
			r.size = x.Num
		}
	case message.SetVringBase:
		err = stopped(m, r)
		if err == nil {
			r.base = x.Num
		}
	case message.SetVringEnable:
		if x.Num > 1 {
			return answer{}, message.Errorf(m.Request, "queue %d: %d is neither 0 nor 1", x.Index, x.Num)
		}
		if r.enabled = x.Num == 1; r.enabled {
			return answer{}, c.settle(r)
		}
		c.stop(false, r)
	case message.GetVringBase:
		c.stop(false, r)
		closeDescriptor(r.kick)
		r.kick = none
		return answer{payload: message.VringState{Index: x.Index, Num: r.base}.Append(nil)}, nil
	}
	return answer{}, err
}

// vringAddr has where a ring is. c.mu is held.
func (c *connection) vringAddr(m *message.Message) error {
	x, err := message.ParseVringAddr(m.Payload)
	if err != nil {
		return err
	}
	r, err := c.ringOf(m.Request, x.Index)
	if err != nil {
		return err
	}
	if x.Flags != 0 {
		return message.Errorf(m.Request, "queue %d: flags %#x: what is written is not logged", x.Index, x.Flags)
	}
	if err := stopped(m, r); err != nil {
		return err
	}
	r.addr, r.addressed = x, true
	return nil
}

// vringFile has what the driver kicks by, what it is called by, or what the front-end is told by that a ring broke. c.mu is held.
func (c *connection) vringFile(m *message.Message) error {
	x, err := message.ParseVringFile(m.Request, m.Payload)
	if err != nil {
		return err
	}
	r, err := c.ringOf(m.Request, uint32(x.Index))
	if err != nil {
		return err
	}
	fd, err := event(m, x)
	if err != nil {
		return err
	}
	switch m.Request {
	case message.SetVringKick:
		return c.setKick(m, r, fd)
	case message.SetVringCall:
		closeDescriptor(r.call)
		r.call = fd
		if q := r.queue.Load(); q != nil {
			return q.setCall(fd)
		}
	case message.SetVringErr:
		closeDescriptor(r.err)
		r.err = fd
	}
	return nil
}

// event is the eventfd that came with a message, or none if that says so.
func event(m *message.Message, x message.VringFile) (int, error) {
	if x.None {
		return none, nil
	}
	fd, err := take(m)
	if err != nil {
		return none, err
	}
	if err := checkEvent(fd); err != nil {
		closeDescriptor(fd)
		return none, message.Errorf(m.Request, "queue %d: %v", x.Index, err)
	}
	return fd, nil
}

// setKick starts a ring: fd, which is the connection's from now on, is what its driver kicks by. c.mu is held.
func (c *connection) setKick(m *message.Message, r *vring, fd int) error {
	if fd == none {
		// A thread that looks all the time is what the protocol would have for this, a processor for each queue.
		return message.Errorf(m.Request, "queue %d: a driver that does not kick is not served", r.index)
	}
	closeDescriptor(r.kick)
	r.kick = fd
	if r.size == 0 || !r.addressed {
		return message.Errorf(m.Request, "queue %d has no ring", r.index)
	}
	if q := r.queue.Load(); q != nil {
		return q.setKick(fd)
	}
	return c.settle(r)
}
