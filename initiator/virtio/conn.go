package virtio

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/lunette-io/lunette/network/vhost/frontend"
	"github.com/lunette-io/lunette/network/vhost/message"
	"github.com/lunette-io/lunette/transport/virtio/iu"
)

// A Conn is a SCSI host and its driver. Its methods may be called by many goroutines.
type Conn struct {
	cfg     Config
	host    iu.Config
	dev     *frontend.Device
	queues  []*Queue
	control *control
	events  *eventQueue

	turn sync.Mutex // for methods of dev

	ctx  context.Context // ends with the connection
	end  context.CancelFunc
	gone chan struct{}

	mu      sync.Mutex
	err     error // why it has ended
	again   int   // times that it has come back
	threads sync.WaitGroup
}

// Dial attaches to the host at the socket path. The caller closes it.
func Dial(ctx context.Context, path string, cfg Config) (*Conn, error) {
	if err := cfg.defaults(); err != nil {
		return nil, err
	}
	dev, err := frontend.Dial(ctx, path, cfg.Frontend)
	if errors.Is(err, frontend.ErrGone) {
		err = fmt.Errorf("%w, before it was set up: a socket takes one monitor at a time, and the log of its program says more: %w", ErrClosed, err)
	}
	if err != nil {
		return nil, err
	}
	c := &Conn{cfg: cfg, dev: dev, gone: make(chan struct{})}
	c.ctx, c.end = context.WithCancel(context.Background())
	stop := context.AfterFunc(ctx, func() { _ = dev.Socket().Close() })
	defer stop()
	if err := c.attach(); err != nil {
		c.end()
		return nil, errors.Join(err, context.Cause(ctx), dev.Close())
	}
	c.start()
	return c, nil
}

// attach makes the queues, and starts them.
func (c *Conn) attach() (err error) {
	if missing := c.wanted() &^ c.dev.Features(); missing != 0 {
		return fmt.Errorf("virtio: the host has not the features %#x", missing)
	}
	// What has no configuration space is taken to be as QEMU's is.
	c.host = iu.Config{Queues: uint32(c.cfg.Queues), Segments: maxSegments, SenseSize: iu.SenseLen, CDBSize: iu.CDBLen, MaxTarget: 255, MaxLUN: iu.MaxLUN}
	if c.dev.Protocol()&message.ProtocolConfig != 0 {
		b, err := c.dev.ReadConfig(0, iu.ConfigLen)
		if err != nil {
			return err
		}
		if c.host, err = iu.ParseConfig(b); err != nil {
			return err
		}
	}
	if c.host.SenseSize != iu.SenseLen || c.host.CDBSize != iu.CDBLen {
		return fmt.Errorf("virtio: the host has CDBs of %d bytes and sense data of %d", c.host.CDBSize, c.host.SenseSize)
	}
	// How many queues there are is the front-end's to say, up to what the back-end has; what is in the configuration space is for guests.
	most, err := c.dev.MaxQueues()
	if err != nil {
		return err
	}
	if most = max(most-queues, int(c.host.Queues)); c.cfg.Queues > most {
		return fmt.Errorf("virtio: %d queues are wanted, and the host has %d for requests", c.cfg.Queues, most)
	}
	if c.control, err = newControl(c); err != nil {
		return err
	}
	if c.events, err = newEventQueue(c); err != nil {
		return err
	}
	for i := range c.cfg.Queues {
		q, err := newQueue(c, queues+i)
		if err != nil {
			return err
		}
		c.queues = append(c.queues, q)
	}
	if err := c.dev.Start(); err != nil {
		return err
	}
	c.events.ring.Flush()
	return nil
}

// wanted are the features that the driver cannot do without, since it was told to have them.
func (c *Conn) wanted() uint64 {
	n := frontend.Version1
	if c.cfg.Packed {
		n |= frontend.Packed
	}
	return n
}

// start starts the threads.
func (c *Conn) start() {
	c.threads.Go(c.watch)
	c.threads.Go(c.control.run)
	c.threads.Go(c.events.run)
	if !c.cfg.Manual {
		for _, q := range c.queues {
			c.threads.Go(q.run)
		}
	}
}

// Host is what the host says of itself.
func (c *Conn) Host() iu.Config { return c.host }

// Device is what is below; its methods are not for those who use the Conn at the same time.
func (c *Conn) Device() *frontend.Device { return c.dev }

// Queues are the request queues.
func (c *Conn) Queues() []*Queue { return c.queues }

// Buffer gives out n bytes of the memory that is shared with the device: data that lies there is not copied. They are the caller's until Release or Close.
func (c *Conn) Buffer(n int) ([]byte, error) { return c.dev.Memory.Alloc(n) }

// Release takes a Buffer back.
func (c *Conn) Release(b []byte) { c.dev.Memory.Free(b) }

// Submit posts a command in its queue, and has the device see it. Finish must follow, unless there is an error or the command has Ended.
func (c *Conn) Submit(k *Command) error {
	q := c.queues[k.Queue]
	if err := q.Submit(k); err != nil {
		return err
	}
	q.Flush()
	return nil
}

// Finish waits for the end of a command.
func (c *Conn) Finish(k *Command) error {
	if c.cfg.Manual {
		for {
			all, err := c.queues[k.Queue].Wait(0)
			if err != nil {
				return err
			}
			for _, x := range all {
				if x == k {
					return k.Err
				}
			}
		}
	}
	<-k.done
	return k.Err
}

// Do runs a command. In a Manual connection no other may be open in its queue.
func (c *Conn) Do(k *Command) error {
	if err := c.Submit(k); err != nil {
		return err
	}
	return c.Finish(k)
}

// Stats are what waking each other has cost, all request queues together.
func (c *Conn) Stats() (n frontend.QueueStats) {
	for _, q := range c.queues {
		x := q.Stats()
		n.Kicks, n.Calls, n.Waits = n.Kicks+x.Kicks, n.Calls+x.Calls, n.Waits+x.Waits
	}
	return n
}

// Gone is closed when the connection has ended.
func (c *Conn) Gone() <-chan struct{} { return c.gone }

// Err is why it has ended; nil: it has not.
func (c *Conn) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}

// Again is how often it has come back to its back-end.
func (c *Conn) Again() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.again
}

// watch looks after the connection below.
func (c *Conn) watch() {
	for {
		c.turn.Lock()
		lost, why := c.dev.Gone(), c.dev.Conn
		c.turn.Unlock()
		select {
		case <-lost:
		case <-c.ctx.Done():
			return
		}
		if !c.cfg.Reconnect {
			c.fail(why.Err())
			return
		}
		if !c.comeBack() {
			return
		}
	}
}

// pause is between two attempts to come back.
const pause = 20 * time.Millisecond

// comeBack tries until there is a back-end again; false: the connection is closed.
func (c *Conn) comeBack() bool {
	for {
		c.turn.Lock()
		err := c.dev.Reconnect(c.ctx)
		c.turn.Unlock()
		if err == nil {
			c.mu.Lock()
			c.again++
			c.mu.Unlock()
			return true
		}
		select {
		case <-time.After(pause):
		case <-c.ctx.Done():
			return false
		}
	}
}

// fail ends the connection because of err, the first time.
func (c *Conn) fail(err error) {
	c.mu.Lock()
	if c.err != nil {
		c.mu.Unlock()
		return
	}
	if !errors.Is(err, ErrClosed) {
		err = fmt.Errorf("%w: %w", ErrClosed, err)
	}
	c.err = err
	c.end()
	c.mu.Unlock()
	for _, q := range c.queues {
		q.finish(err)
	}
	c.control.finish(err)
	c.events.ring.Wake()
	close(c.gone)
}

// Reset resets the host and begins another driver's life, as a guest does that boots again: commands that the host does not give back before that end with ErrReset, and what is asked of the Conn
// meanwhile waits. Events that were not told yet are lost.
func (c *Conn) Reset() error {
	c.turn.Lock()
	defer c.turn.Unlock()
	if err := c.dev.Stop(); err != nil {
		return err
	}
	for _, q := range c.queues {
		q.gather()
	}
	for _, q := range c.queues {
		q.hold()
		defer q.release()
	}
	c.control.hold()
	defer c.control.release()
	c.events.hold()
	defer c.events.release()
	if err := c.dev.Reset(); err != nil {
		return err
	}
	if err := c.events.postAll(); err != nil {
		return err
	}
	return c.dev.Start()
}

// Abandon breaks the connection off: what is open ends with ErrClosed. Buffers stay, until Close.
func (c *Conn) Abandon() {
	c.fail(ErrClosed)
	c.turn.Lock()
	defer c.turn.Unlock()
	_ = c.dev.Conn.Close()
}

// Close stops the queues, which waits for what is open, ends the connection, and takes all buffers back.
func (c *Conn) Close() error {
	var err error
	if c.Err() == nil {
		c.turn.Lock()
		err = c.dev.Stop()
		c.turn.Unlock()
		if errors.Is(err, frontend.ErrGone) {
			err = nil
		}
		for _, q := range c.queues {
			q.gather()
		}
	}
	c.Abandon()
	c.threads.Wait()
	for _, q := range c.queues {
		q.close()
	}
	return errors.Join(err, c.dev.Close())
}
