package iwarp

import (
	"fmt"
	"net"
	"slices"
	"sync"
	"time"

	"github.com/lunette-io/lunette/network/rdma"
	"github.com/lunette-io/lunette/network/tcp"
)

// A Listener is the rdma.Listener of iWARP. Each peer has a goroutine until its Request is
// there, and there is a limit for those that nobody has accepted yet.
type Listener struct {
	d    *Device
	l    *tcp.Listener
	done sync.WaitGroup

	mu     sync.Mutex
	ready  sync.Cond // with mu: a request has come, or closed was set
	open   []*Request
	closed bool
}

func newListener(d *Device, l *tcp.Listener) *Listener {
	n := &Listener{d: d, l: l}
	n.ready.L = &n.mu
	l.MakeRoom = n.makeRoom
	n.done.Go(n.accept)
	return n
}

// Addr implements rdma.Listener.
func (l *Listener) Addr() string { return l.l.Addr() }

// accept accepts TCP connections until the listener is closed.
func (l *Listener) accept() {
	for {
		c, err := l.l.Accept()
		if err != nil {
			return // closed: Accept waits out all else
		}
		r := &Request{d: l.d, c: c}
		l.mu.Lock()
		if l.closed {
			l.mu.Unlock()
			_ = c.Close()
			return
		}
		if len(l.open) == l.d.conf.HalfOpen {
			_ = l.open[0].c.Close() // which ends the goroutine that waits for its Request
			l.open = slices.Delete(l.open, 0, 1)
		}
		l.open = append(l.open, r)
		l.mu.Unlock()
		l.done.Go(func() { l.ask(r) })
	}
}

// makeRoom closes the connection that has waited longest to be accepted, if there is one, since there are
// no descriptors for others.
func (l *Listener) makeRoom() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.open) == 0 {
		return false
	}
	_ = l.open[0].c.Close() // which ends the goroutine that waits for its Request
	l.open = slices.Delete(l.open, 0, 1)
	return true
}

// ask waits for the Request of a peer.
func (l *Listener) ask(r *Request) {
	err := r.read()
	l.mu.Lock()
	i := slices.Index(l.open, r)
	if err == nil && i >= 0 {
		r.asked = true
		l.ready.Signal()
		l.mu.Unlock()
		return
	}
	if i >= 0 {
		l.open = slices.Delete(l.open, i, i+1)
	}
	l.mu.Unlock()
	_ = r.c.Close() // it may be closed already
}

// Accept implements rdma.Listener.
func (l *Listener) Accept() (rdma.Request, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for !l.closed {
		for i, r := range l.open {
			if r.asked {
				l.open = slices.Delete(l.open, i, i+1)
				return r, nil
			}
		}
		l.ready.Wait()
	}
	return nil, net.ErrClosed
}

// Close implements rdma.Listener.
func (l *Listener) Close() error {
	err := l.l.Close()
	l.mu.Lock()
	l.closed = true
	for _, r := range l.open {
		_ = r.c.Close()
	}
	l.open = nil
	l.ready.Broadcast()
	l.mu.Unlock()
	l.done.Wait()
	return err
}

// A Request is the rdma.Request of iWARP.
type Request struct {
	d     *Device
	c     *tcp.Conn
	q     frame
	asked bool // the peer's Request is here. The Listener's mu guards it
}

// read waits for the peer's Request. It rejects one that nobody could accept.
func (r *Request) read() error {
	limit := r.d.conf.Handshake
	if limit == 0 {
		limit = 5 * time.Second
	}
	err := r.c.SetReadDeadline(time.Now().Add(limit))
	if err == nil {
		r.q, err = readFrame(r.c, false)
	}
	if err == nil {
		err = quiet(r.c)
	}
	if err == nil {
		err = r.c.SetReadDeadline(time.Time{})
	}
	if err != nil {
		return err
	}
	if err := r.q.unusable(); err != nil {
		no := r.q.refusal(nil)
		_ = writeFrame(r.c, &no) // it is refused either way
		return err
	}
	return nil
}

// Private implements rdma.Request.
func (r *Request) Private() []byte { return r.q.private }

// Info implements rdma.Request.
func (r *Request) Info() rdma.Info {
	return rdma.Info{Provider: "iwarp", Local: r.c.LocalAddr(), Remote: r.c.RemoteAddr(), Reads: r.q.offers()}
}

// Accept implements rdma.Request.
func (r *Request) Accept(o rdma.Options) (rdma.Conn, error) {
	c, err := r.accept(&o)
	if err != nil {
		_ = r.c.Close() // it may be closed already
		return nil, err
	}
	return c, nil
}

func (r *Request) accept(o *rdma.Options) (*Conn, error) {
	if err := checkOptions(o); err != nil {
		return nil, err
	}
	if err := quiet(r.c); err != nil {
		return nil, err
	}
	a, t := r.q.answer(o, r.d.conf.CRC)
	if err := writeFrame(r.c, &a); err != nil {
		return nil, err
	}
	return newConn(r.d, r.c, t, o, false)
}

// Reject implements rdma.Request.
func (r *Request) Reject(private []byte) error {
	defer r.c.Close()
	if len(private) > rdma.MaxPrivate {
		return fmt.Errorf("iwarp: %d bytes of private data: it can be %d", len(private), rdma.MaxPrivate)
	}
	if err := quiet(r.c); err != nil {
		return err
	}
	no := r.q.refusal(private)
	return writeFrame(r.c, &no)
}
