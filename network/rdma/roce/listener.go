package roce

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"sync"

	"github.com/lunette-io/lunette/network/rdma"
	"github.com/lunette-io/lunette/network/rdma/ib/cm"
)

// A Listener is the rdma.Listener of RoCE.
type Listener struct {
	d       *Device
	service *service

	mu     sync.Mutex
	ready  sync.Cond     // with mu: a request has come, or closed was set
	asked  []*cm.Request // that nobody has accepted, oldest first. The manager says how many there can be
	closed bool
	begun  bool
	told   func(remote string) // of those that had to make room; nil: nobody is
}

func newListener(d *Device) *Listener {
	l := &Listener{d: d}
	l.ready.L = &l.mu
	return l
}

// Share implements handed.Sharer. All service points of a device share one socket, which is not handed on: the file stands for it, and says to Listen of the same device and
// address that the service point may be this one's. There is no moment at which nobody listens.
func (l *Listener) Share() (*os.File, error) { return os.Open(os.DevNull) }

// Addr implements rdma.Listener.
func (l *Listener) Addr() string { return l.service.key.String() }

// Evicted implements rdma.Evicter.
func (l *Listener) Evicted(f func(remote string)) {
	l.mu.Lock()
	l.told = f
	l.mu.Unlock()
}

// add takes a request.
func (l *Listener) add(r *cm.Request) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return false
	}
	l.asked = append(l.asked, r)
	l.ready.Signal()
	return true
}

// withdraw forgets a request that nobody waits for.
func (l *Listener) withdraw(r *cm.Request, evicted bool) {
	l.mu.Lock()
	i := slices.Index(l.asked, r)
	if i >= 0 {
		l.asked = slices.Delete(l.asked, i, i+1)
	}
	told := l.told
	l.mu.Unlock()
	if i >= 0 && evicted && told != nil {
		told(remote(r).String())
	}
}

// Accept implements rdma.Listener.
func (l *Listener) Accept() (rdma.Request, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.begun {
		l.begun = true
		l.mu.Unlock()
		l.service.turn(l)
		l.mu.Lock()
	}
	for !l.closed {
		if len(l.asked) > 0 {
			r := l.asked[0]
			l.asked = slices.Delete(l.asked, 0, 1)
			return &Request{d: l.d, r: r}, nil
		}
		l.ready.Wait()
	}
	return nil, net.ErrClosed
}

// Close implements rdma.Listener. If the service point was handed on, the next listener has the requests that are left.
func (l *Listener) Close() error {
	l.mu.Lock()
	again := l.closed
	l.closed = true
	left := l.asked
	l.asked = nil
	l.ready.Broadcast()
	l.mu.Unlock()
	if again {
		return nil
	}
	next := l.service.leave(l)
	for _, r := range left {
		if next == nil || !next.add(r) {
			_ = r.Reject(nil) // it may be withdrawn already
		}
	}
	if next == nil {
		l.service.end()
	}
	return nil
}

// A Request is the rdma.Request of RoCE.
type Request struct {
	d *Device
	r *cm.Request
}

// remote is the address and port of who asks: of its message, which may not be what the header of IP CM says.
func remote(r *cm.Request) netip.AddrPort { return netip.AddrPortFrom(r.Path.Remote, r.From.Port()) }

// Private implements rdma.Request. It is padded with zeros to what a request can have.
func (r *Request) Private() []byte { return r.r.Terms.Private }

// Info implements rdma.Request.
func (r *Request) Info() rdma.Info {
	return rdma.Info{Provider: provider, Local: at(r.r.Path.Local, r.r.Port), Remote: remote(r.r).String(), Reads: r.r.Terms.Serves}
}

// Accept implements rdma.Request.
func (r *Request) Accept(o rdma.Options) (rdma.Conn, error) {
	c, err := r.accept(&o)
	if err != nil {
		return nil, err
	}
	return c, nil
}

// accept is Accept. A peer that cannot be accepted is told so.
func (r *Request) accept(o *rdma.Options) (*Conn, error) {
	if err := checkOptions(o, rdma.MaxPrivate); err != nil {
		return nil, errors.Join(err, r.r.Reject(nil))
	}
	path, mtu := r.r.Path, r.r.Terms.MTU
	_, most, err := r.d.mtu(path.Local, path.Remote)
	if err != nil {
		return nil, errors.Join(err, r.r.Reject(nil))
	}
	if mtu > most {
		err := fmt.Errorf("roce: the peer wants packets of %d bytes, and %d is what fits here: %w", mtu, most, ErrMTU)
		return nil, errors.Join(err, r.r.RejectMTU(most))
	}
	p, err := r.d.found(path.Local)
	if p == nil {
		return nil, errors.Join(net.ErrClosed, err, r.r.Reject(nil))
	}
	c, err := r.d.newConn(p, path)
	if err != nil {
		p.release()
		return nil, errors.Join(err, r.r.Reject(nil))
	}
	t := cm.Terms{
		QPN: c.number, PSN: randomPSN(), Reads: min(o.Reads, 255), Serves: min(o.Serves, 255), Timeout: targetDelay, Retries: retries, RNR: 7, Private: o.Private,
	}
	agreed := r.r.Agree(t)
	agreed.QPN, agreed.PSN, agreed.Credits = r.r.Terms.QPN, r.r.Terms.PSN, r.r.Terms.Credits
	c.begin(agreed, t.PSN, mtu, o, r.Info())
	link, err := r.r.Accept(t, owner{c})
	if err != nil {
		c.QP.Close(err)
		c.gone()
		return nil, fmt.Errorf("roce: %w", err)
	}
	c.attach(link)
	return c, nil
}

// Reject implements rdma.Request.
func (r *Request) Reject(private []byte) error {
	if len(private) > MaxPrivateReject {
		err := fmt.Errorf("roce: %d bytes of private data: it can be %d", len(private), MaxPrivateReject)
		return errors.Join(err, r.r.Reject(nil))
	}
	return r.r.Reject(private)
}
