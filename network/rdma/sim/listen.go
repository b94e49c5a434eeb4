package sim

import (
	"fmt"
	"net"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/lunette-io/lunette/network/rdma"
)

// A listener is a service point.
type listener struct {
	dev  *device
	addr string

	mu      sync.Mutex
	changed sync.Cond
	waiting []*request
	closed  bool
}

func (l *listener) Addr() string { return l.addr }

// Accept waits for the next peer.
func (l *listener) Accept() (rdma.Request, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for len(l.waiting) == 0 && !l.closed {
		l.changed.Wait()
	}
	if l.closed {
		return nil, fmt.Errorf("sim: accept at %s: %w", l.addr, net.ErrClosed)
	}
	r := l.waiting[0]
	l.waiting = slices.Delete(l.waiting, 0, 1)
	return r, nil
}

// Close stops accepting. Requests that Accept has returned are their holders'.
func (l *listener) Close() error {
	l.mu.Lock()
	closed, waiting := l.closed, l.waiting
	l.closed, l.waiting = true, nil
	l.changed.Broadcast()
	l.mu.Unlock()
	if closed {
		return nil
	}
	for _, r := range waiting {
		if r.decide() {
			r.answer <- answer{err: fmt.Errorf("%w: sim: nobody listens any more", rdma.ErrLost)}
		}
	}
	n := l.dev.net
	n.mu.Lock()
	delete(n.listeners, l.addr)
	n.mu.Unlock()
	l.dev.free(&l.dev.listeners)
	return nil
}

func (l *listener) put(r *request) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed || len(l.waiting) >= backlog {
		return false
	}
	l.waiting = append(l.waiting, r)
	l.changed.Signal()
	return true
}

// drop forgets a peer that has given up.
func (l *listener) drop(r *request) {
	l.mu.Lock()
	l.waiting = slices.DeleteFunc(l.waiting, func(o *request) bool { return o == r })
	l.mu.Unlock()
}

// A request is a Dial that waits for its answer.
type request struct {
	from, to      *device
	options       rdma.Options
	private       []byte
	local, remote string // the dialer's
	answer        chan answer
	decided       atomic.Bool // by Accept, by Reject, or by the dialer that gave up
}

// An answer is what Dial returns.
type answer struct {
	conn    *conn
	private []byte
	err     error
}

func (a answer) take(addr string) (rdma.Conn, []byte, error) {
	if a.err != nil {
		return nil, nil, fmt.Errorf("sim: dial %s: %w", addr, a.err)
	}
	return a.conn, a.private, nil
}

func (r *request) decide() bool { return r.decided.CompareAndSwap(false, true) }

func (r *request) Private() []byte { return r.private }

func (r *request) Info() rdma.Info {
	return rdma.Info{Provider: "sim", Local: r.remote, Remote: r.local, Reads: r.options.Serves}
}

var (
	errDecided    = fmt.Errorf("%w: sim: the peer has given up, or has been answered", rdma.ErrLost)
	errUnanswered = fmt.Errorf("%w: sim: the peer could not answer", rdma.ErrLost)
)

// Accept makes the connection.
func (r *request) Accept(o rdma.Options) (rdma.Conn, error) {
	if !r.decide() {
		return nil, errDecided
	}
	if len(o.Private) > rdma.MaxPrivate {
		r.answer <- answer{err: errUnanswered}
		return nil, fmt.Errorf("sim: accept: %d bytes of private data, %d fit", len(o.Private), rdma.MaxPrivate)
	}
	ours, theirs, err := connect(r, o)
	if err != nil {
		r.answer <- answer{err: err}
		return nil, err
	}
	r.answer <- answer{conn: theirs, private: append([]byte(nil), o.Private...)}
	return ours, nil
}

// Reject refuses the peer.
func (r *request) Reject(private []byte) error {
	if !r.decide() {
		return errDecided
	}
	if len(private) > rdma.MaxPrivate {
		r.answer <- answer{err: errUnanswered}
		return fmt.Errorf("sim: reject: %d bytes of private data, %d fit", len(private), rdma.MaxPrivate)
	}
	r.answer <- answer{err: &rdma.RejectedError{Private: append([]byte(nil), private...)}}
	return nil
}
