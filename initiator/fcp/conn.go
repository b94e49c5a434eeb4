package fcp

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/lunette-io/lunette/network/fc/nport"
	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/transport/fcp/iu"
)

// A Conn is a login to a target port. Its methods may be called from many goroutines.
type Conn struct {
	p *Port
	r *nport.Remote

	noREC atomic.Bool // the target does not know REC

	mu    sync.Mutex
	open  *Command // the first of those that have not ended
	ended error

	gone chan struct{}
}

func newConn(p *Port, r *nport.Remote) *Conn { return &Conn{p: p, r: r, gone: make(chan struct{})} }

// Remote is the target port.
func (c *Conn) Remote() *nport.Remote { return c.r }

// Port is the port that has logged in.
func (c *Conn) Port() *Port { return c.p }

// Gone is closed when the login has ended.
func (c *Conn) Gone() <-chan struct{} { return c.gone }

// Err is why the login has ended; nil: it has not.
func (c *Conn) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.ended
}

var errLogout = errors.New("by the initiator")

// Logout ends the login, which the target is told, and every command.
func (c *Conn) Logout() error {
	c.r.Logout(true, errLogout)
	<-c.gone
	return nil
}

// Abandon ends the login at this end alone.
func (c *Conn) Abandon() {
	c.r.Logout(false, errLogout)
	<-c.gone
}

// agreed reports that both ends have a service parameter.
func (c *Conn) agreed(param uint32) bool {
	theirs, ours := c.r.Params()
	return theirs&ours&param != 0
}

// Submit sends a command. Finish must follow, or Command.Ended is called, unless there is an error.
func (c *Conn) Submit(k *Command) error {
	if err := c.Queue(k); err != nil {
		return err
	}
	c.p.port.Flush()
	return nil
}

// Queue is Submit without the sending, which Flush does.
func (c *Conn) Queue(k *Command) error {
	if err := k.prepare(c); err != nil {
		return err
	}
	c.mu.Lock()
	if c.ended != nil {
		defer c.mu.Unlock()
		return c.ended
	}
	k.prev, k.next = nil, c.open
	if c.open != nil {
		c.open.prev = k
	}
	c.open = k
	c.mu.Unlock()
	if err := k.begin(); err != nil {
		c.remove(k)
		return err
	}
	return nil
}

// Flush sends what is queued.
func (c *Conn) Flush() { c.p.port.Flush() }

// Finish waits for the end of a command.
func (c *Conn) Finish(k *Command) error {
	<-k.done
	return k.Err
}

// Do runs a command.
func (c *Conn) Do(k *Command) error {
	if err := c.Submit(k); err != nil {
		return err
	}
	return c.Finish(k)
}

// Manage performs a task management function. Commands of this login that it ends are aborted at this end too (ABTS, as the standard wants
// it): they end with ErrAborted.
func (c *Conn) Manage(f iu.Management, lun scsi.LUN) (iu.Code, error) {
	k := &Command{LUN: lun, Manage: f}
	if err := c.Do(k); err != nil {
		return 0, err
	}
	if k.Code == iu.CodeComplete && f&(iu.AbortTaskSet|iu.ClearTaskSet|iu.LUReset|iu.TargetReset) != 0 {
		c.aborted(func(o *Command) bool { return (o.LUN == lun || f == iu.TargetReset) && o.Manage == 0 })
	}
	return k.Code, nil
}

// Aborted ends the commands that match, which a task management function has ended: by another initiator.
func (c *Conn) Aborted(match func(*Command) bool) { c.aborted(match) }

func (c *Conn) aborted(match func(*Command) bool) {
	ended := make(map[*Command]uint64)
	c.mu.Lock()
	for k := c.open; k != nil; k = k.next {
		if match(k) {
			ended[k] = k.use.Load()
		}
	}
	c.mu.Unlock()
	for k, use := range ended {
		k.abort(use, ErrAborted)
	}
	c.p.port.Flush()
}

// Abort ends a command by ABTS: it ends with ErrAborted when the target has answered, unless it has ended before. The caller
// waits for it as ever.
func (c *Conn) Abort(k *Command) {
	k.abort(k.use.Load(), ErrAborted)
	c.p.port.Flush()
}

// remove takes k out of the list.
func (c *Conn) remove(k *Command) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if k.next != nil {
		k.next.prev = k.prev
	}
	if k.prev != nil {
		k.prev.next = k.next
	} else if c.open == k {
		c.open = k.next
	}
	k.prev, k.next = nil, nil
}

// due appends the commands that the clock has something to do for.
func (c *Conn) due(to []*Command, now int64) []*Command {
	patience := c.p.patience()
	limit := int64(c.p.cfg.Timeout / beat)
	c.mu.Lock()
	defer c.mu.Unlock()
	for k := c.open; k != nil; k = k.next {
		if now-k.last.Load() >= patience || (limit > 0 && now-k.began >= limit) {
			to = append(to, k)
		}
	}
	return to
}

// end ends everything, since the login has ended.
func (c *Conn) end(why error) {
	err := ErrClosed
	if why != nil {
		err = fmt.Errorf("%w: %w", ErrClosed, why)
	}
	c.mu.Lock()
	if c.ended != nil {
		c.mu.Unlock()
		return
	}
	c.ended = err
	var all []*Command
	for k := c.open; k != nil; k = k.next {
		all = append(all, k)
	}
	c.mu.Unlock()
	for _, k := range all {
		k.lose(err)
	}
	close(c.gone)
}
