package verbs

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"

	"github.com/lunette-io/lunette/network/rdma"
)

// backlog is how many peers may wait for Accept, at the listener and in the kernel.
const backlog = 256

// A listener is a service point.
type listener struct {
	dev   *Device
	id    identifier
	token uint64
	addr  string

	mu       sync.Mutex // guards what follows
	some     sync.Cond  // a request, or the end
	requests []*request
	closed   bool
}

// Listen implements rdma.Device.
func (d *Device) Listen(ctx context.Context, addr string) (rdma.Listener, error) {
	at, err := addrPort(ctx, addr, true)
	if err != nil {
		return nil, err
	}
	l := &listener{dev: d}
	l.some.L = &l.mu
	if l.id, l.token, err = d.identify(l); err != nil {
		return nil, err
	}
	if err = l.id.listen(at, backlog); err == nil {
		if name := l.id.name(); name != "" && d.conf.Adapter != "" && name != d.conf.Adapter {
			err = fmt.Errorf("verbs: %s is an address of adapter %s, and %s is to be used", at, name, d.conf.Adapter)
		}
	}
	if err != nil {
		d.forget(l.token)
		l.id.destroy()
		return nil, err
	}
	local, _ := l.id.addresses()
	l.addr = local.String()
	return l, nil
}

// happened implements subject.
func (l *listener) happened(e event) {
	switch e.kind {
	case requested:
		local, remote := e.id.addresses()
		r := &request{dev: l.dev, id: e.id, event: e, info: rdma.Info{Provider: Name, Local: local.String(), Remote: remote.String(), Reads: e.serves}}
		// Until it is answered nobody needs to know what happens to it: an answer to a peer that is gone fails.
		if r.token = l.dev.token(ignored{}); r.token != 0 {
			e.id.setToken(r.token)
		}
		if !l.queue(r) {
			r.drop()
		}
	case removed:
		l.dev.log.Warn("verbs: the adapter of a portal goes away", "address", l.addr)
	}
}

// queue lets Accept have r; false: there is no room.
func (l *listener) queue(r *request) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed || r.token == 0 || len(l.requests) >= backlog {
		return false
	}
	l.requests = append(l.requests, r)
	l.some.Signal()
	return true
}

// Accept implements rdma.Listener.
func (l *listener) Accept() (rdma.Request, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for len(l.requests) == 0 && !l.closed {
		l.some.Wait()
	}
	if l.closed {
		return nil, net.ErrClosed
	}
	r := l.requests[0]
	l.requests = l.requests[1:]
	return r, nil
}

// Addr implements rdma.Listener.
func (l *listener) Addr() string { return l.addr }

// Close implements rdma.Listener.
func (l *listener) Close() error {
	l.mu.Lock()
	if l.closed {
		l.mu.Unlock()
		return nil
	}
	l.closed = true
	waiting := l.requests
	l.requests = nil
	l.some.Broadcast()
	l.mu.Unlock()
	l.id.destroy()
	l.dev.forget(l.token)
	for _, r := range waiting {
		r.drop()
	}
	return nil
}

// ignored is told of what happens to a request that has not been answered.
type ignored struct{}

func (ignored) happened(event) {}

// A request is a peer that asks for a connection.
type request struct {
	dev      *Device
	id       identifier
	token    uint64
	event    event
	info     rdma.Info // taken at first: the identifier is gone once it is answered
	answered atomic.Bool
}

// Private implements rdma.Request.
func (r *request) Private() []byte { return r.event.private }

// Info implements rdma.Request.
func (r *request) Info() rdma.Info { return r.info }

// Name is what the provider calls itself.
const Name = "verbs"

// Accept implements rdma.Request.
func (r *request) Accept(o rdma.Options) (rdma.Conn, error) {
	if !r.answered.CompareAndSwap(false, true) {
		return nil, fmt.Errorf("verbs: the request has been answered: %w", net.ErrClosed)
	}
	err := checkOptions(&o)
	var c *conn
	if err == nil {
		c, err = r.dev.connect(r.id, r.token, o)
	}
	if err != nil {
		if errors.Is(err, rdma.ErrExhausted) { // whose portal it is tries no more, and the peer is not told why
			r.dev.log.Warn("verbs: a connection is refused", "remote", r.info.Remote, "err", err)
		}
		r.drop()
		return nil, err
	}
	reads := min(o.Reads, r.event.serves, c.card.can.reads)
	serves := min(o.Serves, r.event.reads, c.card.can.serves)
	c.agree(reads)
	r.dev.pass(r.token, c)
	if err := r.id.answer(greeting{o.Private, reads, serves}); err != nil {
		c.Close(err)
		return nil, fmt.Errorf("%w: %w", rdma.ErrLost, err)
	}
	return c, nil
}

// Reject implements rdma.Request.
func (r *request) Reject(private []byte) error {
	if !r.answered.CompareAndSwap(false, true) {
		return fmt.Errorf("verbs: the request has been answered: %w", net.ErrClosed)
	}
	var err error
	if len(private) > rdma.MaxPrivate {
		err = fmt.Errorf("verbs: %d bytes of private data: it can be %d", len(private), rdma.MaxPrivate)
		private = nil
	}
	if failed := r.id.refuse(private); failed != nil {
		_ = r.id.refuse(nil) // the peer is not left waiting
		if err == nil {
			err = failed
		}
	}
	r.end()
	return err
}

// drop refuses a request that nobody has answered.
func (r *request) drop() {
	_ = r.id.refuse(nil)
	r.end()
}

func (r *request) end() {
	r.id.destroy()
	r.dev.forget(r.token)
}
