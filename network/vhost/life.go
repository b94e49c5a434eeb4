package vhost

import "sync/atomic"

// A Driver is the life of one driver in the guest: from its first queue to the reset of the device, or to the end of the connection. A guest that boots has two lives at
// least: those of its firmware and of its kernel.
//
// When a queue is to stop, its chains are waited for; after [Patience] the handler is asked to abort them.
type Driver struct {
	connection *connection
	features   uint64
	handler    Handler
	over       atomic.Bool
}

// Features are those that were agreed.
func (d *Driver) Features() uint64 { return d.features }

// Connection describes the front-end.
func (d *Driver) Connection() Connection { return d.connection.describe() }

// Queue is the queue of the number, or nil if it is not running.
func (d *Driver) Queue(i int) *Queue {
	if i < 0 || i >= len(d.connection.rings) || d.over.Load() {
		return nil
	}
	return d.connection.rings[i].queue.Load()
}

// Fail ends the connection because of why: the driver has broken the rules of the device type.
func (d *Driver) Fail(why error) {
	if !d.over.Load() {
		d.connection.drop(why)
	}
}

// beginLife asks the back-end who handles the requests of the driver that starts its first queue. c.mu is held.
func (c *connection) beginLife() error {
	if !c.socket.begin(c) {
		return errReplace
	}
	d := &Driver{connection: c, features: c.features}
	d.handler = c.backend.Attach(d)
	c.life = d
	return nil
}

// endLife tells the handler that all is over, when no queue runs any more; a nil why: the driver was reset. c.mu is held.
func (c *connection) endLife(why error) {
	d := c.life
	c.life = nil
	d.over.Store(true)
	d.handler.Ended(why)
}
