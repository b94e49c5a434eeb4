package rc

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"testing"

	"github.com/lunette-io/lunette/network/rdma"
	"github.com/lunette-io/lunette/network/rdma/ib"
	"github.com/lunette-io/lunette/network/rdma/rdmatest"
)

// A bench is a device whose queue pairs are joined by wires. It has no communication manager: connections are asked for by a call.
type bench struct {
	t testing.TB
	f faults

	mu        sync.Mutex
	listeners map[string]*benchListener
	port      int
	seed      uint64
	qpn       ib.QPN
	wires     []*wire
	tasks     sync.WaitGroup
}

func newBench(t testing.TB, f faults) *bench {
	return &bench{t: t, f: f, listeners: make(map[string]*benchListener), port: 1000, qpn: 0x10}
}

func (d *bench) Listen(_ context.Context, addr string) (rdma.Listener, error) {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if port == "0" {
		d.port++
		port = fmt.Sprint(d.port)
	}
	l := &benchListener{d: d, addr: net.JoinHostPort(host, port), asked: make(chan *benchRequest, 100), closed: make(chan struct{})}
	if d.listeners[l.addr] != nil {
		return nil, errors.New("the address is in use")
	}
	d.listeners[l.addr] = l
	return l, nil
}

func (d *bench) Dial(ctx context.Context, addr string, o rdma.Options) (rdma.Conn, []byte, error) {
	if len(o.Private) > rdma.MaxPrivate {
		return nil, nil, errors.New("too much private data")
	}
	d.mu.Lock()
	l := d.listeners[addr]
	d.mu.Unlock()
	if l == nil {
		return nil, nil, fmt.Errorf("%w: nobody listens", rdma.ErrLost)
	}
	r := &benchRequest{l: l, o: o, answer: make(chan benchAnswer, 1)}
	select {
	case l.asked <- r:
	case <-l.closed:
		return nil, nil, rdma.ErrLost
	case <-ctx.Done():
		return nil, nil, ctx.Err()
	}
	select {
	case a := <-r.answer:
		return a.conn, a.private, a.err
	case <-l.closed:
	case <-ctx.Done():
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	select {
	case a := <-r.answer:
		return a.conn, a.private, a.err
	default:
		r.gone = true
		return nil, nil, cmp.Or(ctx.Err(), rdma.ErrLost)
	}
}

func (d *bench) Close() error {
	d.tasks.Wait()
	for _, w := range d.wires {
		close(w.done)
		w.stopped.Wait()
	}
	return nil
}

type benchListener struct {
	d      *bench
	addr   string
	asked  chan *benchRequest
	once   sync.Once
	closed chan struct{}
}

func (l *benchListener) Accept() (rdma.Request, error) {
	select {
	case <-l.closed:
		return nil, net.ErrClosed
	default:
	}
	select {
	case r := <-l.asked:
		return r, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}
func (l *benchListener) Addr() string { return l.addr }
func (l *benchListener) Close() error {
	l.once.Do(func() {
		close(l.closed)
		l.d.mu.Lock()
		delete(l.d.listeners, l.addr)
		l.d.mu.Unlock()
	})
	return nil
}

type benchAnswer struct {
	conn    rdma.Conn
	private []byte
	err     error
}

type benchRequest struct {
	l      *benchListener
	o      rdma.Options
	answer chan benchAnswer
	gone   bool // d.mu guards it: nobody waits for the answer
}

func (r *benchRequest) Private() []byte { return r.o.Private }
func (r *benchRequest) Info() rdma.Info {
	return rdma.Info{Provider: "test", Local: r.l.addr, Remote: "127.0.0.1:1", Reads: r.o.Serves}
}

func (r *benchRequest) Reject(private []byte) error {
	if len(private) > rdma.MaxPrivate {
		r.answer <- benchAnswer{err: rdma.ErrLost}
		return errors.New("too much private data")
	}
	r.answer <- benchAnswer{err: &rdma.RejectedError{Private: private}}
	return nil
}

func (r *benchRequest) Accept(o rdma.Options) (rdma.Conn, error) {
	if len(o.Private) > rdma.MaxPrivate {
		r.answer <- benchAnswer{err: rdma.ErrLost}
		return nil, errors.New("too much private data")
	}
	d := r.l.d
	d.mu.Lock()
	defer d.mu.Unlock()
	if r.gone {
		return nil, rdma.ErrLost
	}
	d.seed += 2
	d.qpn += 2
	f := d.f
	f.seed = d.seed
	there := newWire(f, 0, 0)
	f.seed++
	back := newWire(f, 0, 0)
	var a, b *QP
	bye := func(to **QP) func(error) {
		return func(err error) {
			switch { // DREQ says why, and may overtake a NAK
			case errors.Is(err, rdma.ErrAccess):
				err = fmt.Errorf("%w: %s", rdma.ErrRemoteAccess, err.Error())
			case err != nil:
				err = fmt.Errorf("%w: %s", rdma.ErrRemote, err.Error())
			}
			d.tasks.Go(func() { (*to).Disconnected(err) })
		}
	}
	conf := func(mine, others *rdma.Options) Config {
		c := pairConf()
		c.MaxMessage = mine.MaxMessage
		c.Serves = mine.Serves
		c.Reads = min(mine.Reads, others.Serves)
		return c
	}
	ca, cb := conf(&r.o, &o), conf(&o, &r.o)
	ca.Info.Local, ca.Info.Remote, cb.Info.Local, cb.Info.Remote = "127.0.0.1:1", r.l.addr, r.l.addr, "127.0.0.1:1"
	ca.Number, ca.Peer, cb.Number, cb.Peer = d.qpn, d.qpn+1, d.qpn+1, d.qpn
	cb.Sends, cb.Expects = ca.Expects, ca.Sends
	ca.Outlet, cb.Outlet, ca.Ended, cb.Ended = there, back, bye(&b), bye(&a)
	a, b = New(ca), New(cb)
	there.to, back.to = b, a
	for _, w := range []*wire{there, back} {
		w.stopped.Add(1)
		go w.run()
		d.wires = append(d.wires, w)
	}
	r.answer <- benchAnswer{conn: a, private: o.Private}
	return b, nil
}

// The suite of all providers, over a wire without faults and over one with.
func TestSuite(t *testing.T) {
	for _, c := range []struct {
		name string
		f    faults
	}{
		{"clean", faults{}},
		{"faults", faults{lose: 0.01, double: 0.01, late: 0.05}},
	} {
		t.Run(c.name, func(t *testing.T) {
			rdmatest.Test(t, func(t testing.TB) rdmatest.Network {
				d := newBench(t, c.f)
				t.Cleanup(func() { _ = d.Close() })
				return rdmatest.Network{Listens: d, Dials: d, Addr: "127.0.0.1:0"}
			})
		})
	}
}
