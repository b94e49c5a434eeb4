package iwarp

import (
	"fmt"
	"net"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/lunette-io/lunette/internal/share"
	"github.com/lunette-io/lunette/network/rdma"
	"github.com/lunette-io/lunette/network/tcp"
)

// A Listener is the rdma.Listener of iWARP. Each peer has a goroutine until its Request is
// there, and there is a limit for those that nobody has accepted yet.
type Listener struct {
	d     *Device
	l     *tcp.Listener
	begin sync.Once // to accept
	done  sync.WaitGroup

	mu     sync.Mutex
	ready  sync.Cond                      // with mu: a request has come, or closed was set
	open   *share.Crowd[string, *Request] // those that nobody has accepted, by address
	asked  []*Request                     // of these, those whose Request is here, oldest first
	closed bool
	told   func(remote string) // of those that had to make room; nil: nobody is
}

func newListener(d *Device, l *tcp.Listener) *Listener {
	n := &Listener{d: d, l: l, open: share.NewCrowd[string, *Request](d.conf.HalfOpen)}
	n.ready.L = &n.mu
	l.MakeRoom = n.makeRoom
	return n
}

// start begins to accept, once: at once, or with the first Accept if the socket was handed on. Who connects before
// that is still let in by the one who has it too.
func (l *Listener) start() { l.begin.Do(func() { l.done.Go(l.accept) }) }

// Share implements handed.Sharer.
func (l *Listener) Share() (*os.File, error) { return l.l.Share() }

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
		r.place.Value = r
		l.mu.Lock()
		if l.closed {
			l.mu.Unlock()
			_ = c.Close()
			return
		}
		out := l.open.Add(share.Address(c.RemoteAddr()), &r.place)
		l.forget(out)
		told := l.told
		l.mu.Unlock()
		l.evict(out, told)
		l.done.Go(func() { l.ask(r) })
	}
}

// forget takes out, which has just left the crowd, off the list of those that have asked. l.mu is held.
func (l *Listener) forget(out *share.Member[string, *Request]) {
	if out == nil {
		return
	}
	if i := slices.Index(l.asked, out.Value); i >= 0 {
		l.asked = slices.Delete(l.asked, i, i+1)
	}
}

// evict closes the connection of who has to make room, if that is not nil.
func (l *Listener) evict(out *share.Member[string, *Request], told func(remote string)) {
	if out == nil {
		return
	}
	c := out.Value.c
	remote := c.RemoteAddr()
	_ = c.Close() // which ends the goroutine that waits for its Request
	if told != nil {
		told(remote)
	}
}

// makeRoom closes the connection that has waited longest to be accepted, of the address that has most, if
// there is one, since there are no descriptors for others.
func (l *Listener) makeRoom() bool {
	l.mu.Lock()
	out := l.open.Oldest()
	if out != nil {
		l.open.Remove(out)
		l.forget(out)
	}
	told := l.told
	l.mu.Unlock()
	l.evict(out, told)
	return out != nil
}

// Evicted implements rdma.Evicter.
func (l *Listener) Evicted(f func(remote string)) {
	l.mu.Lock()
	l.told = f
	l.mu.Unlock()
}

// ask waits for the Request of a peer.
func (l *Listener) ask(r *Request) {
	err := r.read()
	l.mu.Lock()
	if err == nil && r.place.Present() {
		l.asked = append(l.asked, r)
		l.ready.Signal()
		l.mu.Unlock()
		return
	}
	l.open.Remove(&r.place)
	l.mu.Unlock()
	_ = r.c.Close() // it may be closed already
}

// Accept implements rdma.Listener.
func (l *Listener) Accept() (rdma.Request, error) {
	l.start()
	l.mu.Lock()
	defer l.mu.Unlock()
	for !l.closed {
		if len(l.asked) > 0 {
			r := l.asked[0]
			l.asked = slices.Delete(l.asked, 0, 1)
			l.open.Remove(&r.place)
			return r, nil
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
	for m := l.open.Oldest(); m != nil; m = l.open.Oldest() {
		l.open.Remove(m)
		_ = m.Value.c.Close()
	}
	l.asked = nil
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
	place share.Member[string, *Request] // among those that wait. The Listener's mu guards it
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
