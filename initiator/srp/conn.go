package srp

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/lunette-io/lunette/network/rdma"
	"github.com/lunette-io/lunette/transport/srp/iu"
)

// A Conn is a channel. Its methods may be called by many goroutines.
type Conn struct {
	cfg   Config
	conn  rdma.Conn
	Login iu.LoginResponse

	mu      sync.Mutex
	changed sync.Cond
	credits int // the request limit
	open    int // requests without a response
	tags    uint64
	tasks   map[uint64]*Command
	managed map[uint64]chan iu.Code
	ended   error

	gone chan struct{} // closed: so is the connection
}

// Dial opens a channel to a target at addr. A target that refuses it is a [RejectedError].
func Dial(ctx context.Context, dev rdma.Device, addr string, cfg Config) (*Conn, error) {
	cfg.defaults()
	x := cfg.login()
	return DialPrivate(ctx, dev, addr, cfg, x.AppendCM(nil))
}

// DialPrivate is Dial with a login request of the caller's own.
func DialPrivate(ctx context.Context, dev rdma.Device, addr string, cfg Config, private []byte) (*Conn, error) {
	cfg.defaults()
	conn, answer, err := dev.Dial(ctx, addr, rdma.Options{
		Private: private, Reads: 1, Serves: cfg.Reads, MaxMessage: 4096, Messages: cfg.Queue,
	})
	if err != nil {
		var r *rdma.RejectedError
		if errors.As(err, &r) {
			if x, bad := iu.ParseLoginReject(r.Private); bad == nil {
				return nil, &RejectedError{x}
			}
		}
		return nil, err
	}
	c := &Conn{
		cfg: cfg, conn: conn, tasks: make(map[uint64]*Command), managed: make(map[uint64]chan iu.Code),
		gone: make(chan struct{}),
	}
	c.changed.L = &c.mu
	if c.Login, err = iu.ParseLoginResponse(answer); err != nil {
		conn.Close(err)
		return nil, fmt.Errorf("srp: the answer to the login: %w", err)
	}
	c.credits = int(c.Login.Delta)
	conn.Start(c)
	return c, nil
}

// RDMA is the connection below.
func (c *Conn) RDMA() rdma.Conn { return c.conn }

// Credits is the request limit now.
func (c *Conn) Credits() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.credits
}

// Close ends the channel, and waits for the end of its connection.
func (c *Conn) Close() error {
	c.conn.Close(nil)
	<-c.gone
	return nil
}

// Abandon breaks the connection off.
func (c *Conn) Abandon() {
	c.conn.Close(ErrClosed)
	<-c.gone
}

// Gone is closed when the connection has ended.
func (c *Conn) Gone() <-chan struct{} { return c.gone }

// Err is why the channel has ended; nil: it has not.
func (c *Conn) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.ended
}

// Logout ends the channel by SRP_I_LOGOUT.
func (c *Conn) Logout() error {
	err := c.Send(iu.ILogout{Tag: 1}.Append(nil))
	<-c.gone
	return err
}

// Send sends any message, whatever the credits.
func (c *Conn) Send(b []byte) error {
	w := &rdma.Work{Op: rdma.Send, Head: b}
	if !c.conn.Post(w) {
		return ErrClosed
	}
	c.conn.Flush()
	return nil
}

// credit waits until a request may be sent, and counts it; keep is how many credits are not for it.
func (c *Conn) credit(keep int) error {
	for c.ended == nil && !c.cfg.Overrun && (c.credits <= keep || c.open >= c.cfg.Queue-2-keep) {
		c.changed.Wait()
	}
	if c.ended != nil {
		return c.ended
	}
	c.credits--
	c.open++
	return nil
}

// Received implements rdma.Handler.
func (c *Conn) Received(m rdma.Message) {
	b := m.Data
	if c.cfg.Received != nil {
		c.cfg.Received(b)
	}
	if len(b) == 0 || c.cfg.Mute {
		return
	}
	switch iu.Opcode(b[0]) {
	case iu.OpResponse:
		if x, err := iu.ParseResponse(b); err == nil {
			c.response(&x)
		}
	case iu.OpCreditRequest:
		if x, err := iu.ParseCreditRequest(b); err == nil {
			c.grant(x.Delta)
			_ = c.Send(iu.CreditResponse{Tag: x.Tag}.Append(nil))
		}
	case iu.OpEventRequest:
		if x, err := iu.ParseEventRequest(b); err == nil {
			c.grant(x.Delta)
			_ = c.Send(iu.EventResponse{Tag: x.Tag}.Append(nil))
		}
	case iu.OpTLogout:
		if x, err := iu.ParseTLogout(b); err == nil {
			c.end(&LogoutError{x})
		}
	}
}

func (c *Conn) grant(delta int32) {
	c.mu.Lock()
	c.credits += int(delta)
	c.changed.Broadcast()
	c.mu.Unlock()
}

// response takes a response. One to nobody counts for its credits.
func (c *Conn) response(x *iu.Response) {
	c.mu.Lock()
	c.credits += int(x.Delta)
	k := c.tasks[x.Tag]
	m := c.managed[x.Tag]
	if k != nil || m != nil {
		c.open--
	}
	delete(c.tasks, x.Tag)
	delete(c.managed, x.Tag)
	c.changed.Broadcast()
	c.mu.Unlock()
	switch {
	case k != nil:
		k.take(x)
		k.part()
	case m != nil:
		m <- x.Code
	}
}

// Done implements rdma.Handler.
func (c *Conn) Done(w *rdma.Work, _ error) {
	if k, ok := w.Owner.(*Command); ok {
		k.part()
	}
}

// Closed implements rdma.Handler.
func (c *Conn) Closed(err error) {
	if err == nil {
		err = ErrClosed
	}
	c.end(fmt.Errorf("%w: %w", ErrClosed, err))
	close(c.gone)
}

// end fails everything that waits.
func (c *Conn) end(err error) {
	c.mu.Lock()
	if c.ended == nil {
		c.ended = err
	}
	err = c.ended
	tasks, managed := c.tasks, c.managed
	c.tasks, c.managed = make(map[uint64]*Command), make(map[uint64]chan iu.Code)
	c.changed.Broadcast()
	c.mu.Unlock()
	for _, k := range tasks {
		k.Err = err
		k.part()
	}
	for _, m := range managed {
		close(m)
	}
}
