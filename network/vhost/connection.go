package vhost

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/lunette-io/lunette/network/vhost/message"
)

// messageTime is how long a message may take from its first byte to its last, in either direction.
const messageTime = 10 * time.Second

// A connection is a front-end that is attached: it reads its messages, one after the other, and does what they say.
type connection struct {
	socket  *Socket
	host    *Host
	backend Backend
	log     *slog.Logger
	conn    *net.UnixConn
	stream  *message.Stream
	peer    Connection // what is known when it begins
	memory  *memory
	rings   []*vring
	ended   chan struct{} // closed when nothing of the connection is left

	// ctx ends when the connection is to end; the cause says why.
	ctx    context.Context
	cancel context.CancelCauseFunc
	broken atomic.Pointer[vring] // whose fault it is

	// mu is held while a message is handled, while rings are started because what they have waited for is over, and at the end.
	mu       sync.Mutex
	agreed   bool            // the front-end has set features since the device was reset last
	before   <-chan struct{} // closed when the driver of the connection before has ended: no ring starts before; nil: it has
	inflight *area
	life     *Driver
	over     bool

	show     sync.Mutex // guards what follows, which is changed with mu held, and what rings have of the past
	features uint64
	protocol uint64
}

func newConnection(s *Socket, conn *net.UnixConn, who Connection, before <-chan struct{}) *connection {
	// s.mu is held by the caller, so that s.o stands still.
	c := &connection{socket: s, host: s.host, backend: s.backend, conn: conn, peer: who, memory: newMemory(s.o), ended: make(chan struct{}), before: before}
	c.log = s.log.With("pid", who.PID, "uid", who.UID)
	c.ctx, c.cancel = context.WithCancelCause(context.Background())
	c.stream = message.NewStream(conn, func() func() {
		stop := c.host.after(messageTime, func() { c.drop(errSlow) })
		return func() { stop() }
	})
	for i := range s.backend.Queues() {
		c.rings = append(c.rings, newVring(i))
	}
	return c
}

var errSlow = fmt.Errorf("a message has not come, or was not taken, within %v", messageTime)

// drop lets the connection end because of why. It does not wait; the first cause counts.
func (c *connection) drop(why error) {
	c.cancel(why)
	c.conn.Close()
}

// serve is the connection's goroutine.
func (c *connection) serve() {
	defer close(c.ended)
	c.socket.attached.Info(c.log, "a front-end is attached")
	var waiting sync.WaitGroup
	if c.before != nil {
		waiting.Go(c.await)
	}
	c.cancel(c.receive())
	c.end()
	waiting.Wait()
}

// await starts the rings when the driver of the connection before has ended: what it has done until then, and what is done again because it has not, are not done at the same time.
func (c *connection) await() {
	select {
	case <-c.before:
	case <-c.ctx.Done():
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.before = nil
	if c.over {
		return
	}
	if err := c.settle(nil); err != nil {
		c.drop(err)
	}
}

// receive handles messages until there are no more: the error says why.
func (c *connection) receive() error {
	var m message.Message
	for {
		if err := c.stream.Read(&m); err != nil {
			return err
		}
		err := c.answer(&m)
		m.Descriptors.Close()
		if err != nil {
			return err
		}
	}
}

// answer handles a message and sends the reply that it wants. After an error the connection ends.
func (c *connection) answer(m *message.Message) error {
	if m.Flags&message.FlagReply != 0 {
		return message.Errorf(m.Request, "a reply, and nobody has asked")
	}
	c.mu.Lock()
	a, err := c.handle(m)
	// REPLY_ACK counts from the message on with which it is agreed on.
	ack := m.Flags&message.FlagNeedReply != 0 && c.protocol&message.ProtocolReplyAck != 0
	c.mu.Unlock()
	refused := errors.As(err, new(refusal))
	if refused {
		c.socket.denied.Warn(c.log, "a message is refused", "message", m.Request.String(), "error", err)
	}
	if a.payload == nil && ack {
		result := uint64(0)
		if err != nil {
			result = 1
		}
		a.payload = message.AppendNumber(nil, result)
	}
	if err != nil && !refused {
		if a.payload != nil {
			_ = c.reply(m, a) // it is told if it can be; why the connection ends is the other error
		}
		return err
	}
	if a.payload == nil {
		return nil
	}
	return c.reply(m, a)
}

// An answer is what a message wants of us: nil, no more than an acknowledgement.
type answer struct {
	payload []byte
	fd      int // that goes with it, and is closed then; of use if file
	file    bool
}

func (c *connection) reply(m *message.Message, a answer) error {
	h := message.Header{Request: m.Request, Flags: message.FlagReply}
	if !a.file {
		return c.stream.Write(h, a.payload)
	}
	defer closeDescriptor(a.fd)
	return c.stream.Write(h, a.payload, a.fd)
}

// A refusal is an error after which the connection goes on.
type refusal struct{ error }

func (r refusal) Unwrap() error { return r.error }

// end lets all that runs stop, waits for what is out, and lets the memory go.
func (c *connection) end() {
	why := context.Cause(c.ctx)
	if c.broken.Load() == nil && (errors.Is(why, io.EOF) || errors.Is(why, ErrClosed)) {
		c.socket.gone.Info(c.log, "a front-end has gone", "error", why)
	} else {
		c.socket.gone.Warn(c.log, "the connection to a front-end has ended", "error", why)
	}
	c.conn.Close() // when it stands in the log why
	c.mu.Lock()
	defer c.mu.Unlock()
	c.over = true
	if r := c.broken.Load(); r != nil && r.err != none {
		ringBell(r.err)
	}
	// Whoever attaches next is let in now: its rings wait for ours.
	c.socket.left(c)
	c.stop(false, c.rings...)
	if c.life != nil {
		c.endLife(why)
	}
	c.memory.unmap()
	c.inflight.unmap()
	for _, r := range c.rings {
		r.forget()
	}
}

// describe is what is known of the connection now.
func (c *connection) describe() Connection {
	x := c.peer
	t := c.memory.table.Load()
	x.Memory, x.Regions = t.bytes, len(t.regions)
	c.show.Lock()
	defer c.show.Unlock()
	x.Features, x.Protocol = c.features, c.protocol
	x.Queues = make([]QueueStats, len(c.rings))
	for i, r := range c.rings {
		x.Queues[i] = r.stats()
	}
	return x
}
