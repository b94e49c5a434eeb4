package frontend

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/lunette-io/lunette/network/vhost/message"
)

// A Conn is a connection to a back-end: messages go out, and what they are answered with comes back. Its methods may be called by many goroutines.
type Conn struct {
	conn     *net.UnixConn
	patience time.Duration

	mu      sync.Mutex // one message at a time, with its answer
	stream  *message.Stream
	acks    bool // REPLY_ACK was agreed on
	answers chan Answer

	gone chan struct{} // closed: nothing more is read
	err  error         // why; to be read when gone is closed
}

// An Answer is what a back-end has sent.
type Answer struct {
	message.Header
	Payload     []byte
	Descriptors message.Descriptors // of who has the answer, who closes those that are left
}

// Connect connects to the socket at path. No message is sent.
func Connect(ctx context.Context, path string, patience time.Duration) (*Conn, error) {
	var d net.Dialer
	conn, err := d.DialContext(ctx, "unix", path)
	if err != nil {
		return nil, err
	}
	c := &Conn{conn: conn.(*net.UnixConn), patience: patience, answers: make(chan Answer), gone: make(chan struct{})}
	c.stream = message.NewStream(c.conn, nil)
	go c.read()
	return c, nil
}

// read takes what comes until the end.
func (c *Conn) read() {
	defer close(c.gone)
	for {
		var m message.Message
		if c.err = c.stream.Read(&m); c.err != nil {
			_ = c.conn.Close() // what is written fails from now on
			return
		}
		a := Answer{Header: m.Header, Payload: append([]byte(nil), m.Payload...), Descriptors: m.Descriptors}
		t := time.NewTimer(c.patience)
		select {
		case c.answers <- a:
			t.Stop()
		case <-t.C: // nobody has asked
			a.Descriptors.Close()
			c.err = message.Errorf(m.Request, "an answer that nobody waits for")
			_ = c.conn.Close()
			return
		}
	}
}

// Send sends a message that nothing is answered to. The descriptors stay the caller's.
func (c *Conn) Send(r message.Request, payload []byte, fds ...int) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.send(message.Header{Request: r}, payload, fds)
}

// send sends. c.mu is held.
func (c *Conn) send(h message.Header, payload []byte, fds []int) error {
	if err := c.stream.Write(h, payload, fds...); err != nil {
		return fmt.Errorf("%v: %w: %w", h.Request, ErrGone, err)
	}
	return nil
}

// Ask sends a message, and waits for its answer, whose descriptors are the caller's.
func (c *Conn) Ask(r message.Request, payload []byte, fds ...int) (Answer, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.send(message.Header{Request: r}, payload, fds); err != nil {
		return Answer{}, err
	}
	return c.answer(r)
}

// answer waits for the answer to a message. c.mu is held.
func (c *Conn) answer(r message.Request) (Answer, error) {
	t := time.NewTimer(c.patience)
	defer t.Stop()
	select {
	case a := <-c.answers:
		if a.Request != r || a.Flags&message.FlagReply == 0 {
			a.Descriptors.Close()
			_ = c.conn.Close()
			return Answer{}, message.Errorf(r, "%v with flags %#x is no answer to it", a.Request, a.Flags)
		}
		return a, nil
	case <-c.gone:
		return Answer{}, fmt.Errorf("%v: %w: %w", r, ErrGone, c.err)
	case <-t.C:
		_ = c.conn.Close()
		return Answer{}, message.Errorf(r, "no answer for %v", c.patience)
	}
}

// Number asks for a number.
func (c *Conn) Number(r message.Request) (uint64, error) {
	a, err := c.Ask(r, nil)
	if err != nil {
		return 0, err
	}
	a.Descriptors.Close()
	return message.ParseNumber(r, a.Payload)
}

// A RefusedError is a message that a back-end has not done, and the number by which it says so.
type RefusedError struct {
	Request message.Request
	Code    uint64
}

func (e *RefusedError) Error() string {
	return fmt.Sprintf("%v: the back-end has refused it (%d)", e.Request, e.Code)
}

// Order sends a message that has no answer of its own, and waits until it is done if the back-end can say so; a [RefusedError] says that it is not.
func (c *Conn) Order(r message.Request, payload []byte, fds ...int) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	h := message.Header{Request: r}
	if c.acks {
		h.Flags = message.FlagNeedReply
	}
	if err := c.send(h, payload, fds); err != nil || !c.acks {
		return err
	}
	a, err := c.answer(r)
	if err != nil {
		return err
	}
	a.Descriptors.Close()
	code, err := message.ParseNumber(r, a.Payload)
	if err == nil && code != 0 {
		err = &RefusedError{r, code}
	}
	return err
}

// Acks has Order ask for an answer from now on: REPLY_ACK was agreed on.
func (c *Conn) Acks(on bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.acks = on
}

// Socket is what is below: whoever writes to it says what no message says.
func (c *Conn) Socket() *net.UnixConn { return c.conn }

// Gone is closed when the connection has ended.
func (c *Conn) Gone() <-chan struct{} { return c.gone }

// Err is why it has ended; nil: it has not.
func (c *Conn) Err() error {
	select {
	case <-c.gone:
		return fmt.Errorf("%w: %w", ErrGone, c.err)
	default:
		return nil
	}
}

// Close ends the connection, and returns when nothing more is read.
func (c *Conn) Close() error {
	err := c.conn.Close()
	if errors.Is(err, net.ErrClosed) {
		err = nil
	}
	for {
		select {
		case a := <-c.answers: // of a message whose sender has given up
			a.Descriptors.Close()
		case <-c.gone:
			return err
		}
	}
}
