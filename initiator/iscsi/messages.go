package iscsi

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"time"

	"github.com/lunette-io/lunette/network/rdma"
	"github.com/lunette-io/lunette/network/tcp"
	"github.com/lunette-io/lunette/transport/iscsi/iser"
	"github.com/lunette-io/lunette/transport/iscsi/login"
	"github.com/lunette-io/lunette/transport/iscsi/pdu"
)

// messages is the link of an RDMA connection. What it receives waits for the goroutine of
// the Conn, unless that is who receives it.
type messages struct {
	conn       rdma.Conn
	caller     *tcp.Inline // or nil
	invalidate bool        // the target may
	c          *Conn
	buffer     Buffer
	most       int // bytes of data in a PDU of full feature phase

	mu    sync.Mutex
	got   []received // not handled
	spare [][]byte   // memory for more
	free  []*outgoing
	err   error // the end
	over  chan struct{}
	until time.Time

	came  chan struct{} // something has changed
	taken []received
	timer *time.Timer
}

// received is a message.
type received struct {
	b           []byte
	invalidated rdma.Key
	invalidates bool
}

// dialMessages connects.
func dialMessages(ctx context.Context, d rdma.Device, addr string, r RDMA) (*messages, error) {
	ours := iser.Private{NoZeroBase: true, NoInvalidate: r.NoInvalidate}
	conn, private, err := d.Dial(ctx, addr, rdma.Options{
		Private: ours.Append(nil), Reads: 1, Serves: 128,
		MaxMessage: iser.HeaderLen + pdu.HeaderLen + login.MaxLoginData, Messages: maxMessages,
	})
	if err != nil {
		return nil, err
	}
	l := &messages{
		conn: conn, caller: r.Caller, over: make(chan struct{}), came: make(chan struct{}, 1), most: login.MaxLoginData,
		invalidate: !r.NoInvalidate && !iser.ParsePrivate(private).NoInvalidate,
		timer:      time.NewTimer(time.Hour),
	}
	conn.Start(l)
	return l, nil
}

// Received implements rdma.Handler.
func (l *messages) Received(m rdma.Message) {
	l.mu.Lock()
	var b []byte
	if n := len(l.spare); n > 0 {
		b, l.spare = l.spare[n-1], l.spare[:n-1]
	}
	l.got = append(l.got, received{append(b[:0], m.Data...), m.Invalidated, m.Invalidates})
	l.mu.Unlock()
	l.wake()
}

// Closed implements rdma.Handler.
func (l *messages) Closed(err error) {
	l.mu.Lock()
	if l.err = err; err == nil {
		l.err = io.EOF
	}
	l.mu.Unlock()
	close(l.over)
	l.wake()
}

func (l *messages) wake() {
	select {
	case l.came <- struct{}{}:
	default:
	}
}

// serve receives, if nobody else does; if wait, when there is something.
func (l *messages) serve(wait bool) error {
	if err := l.caller.Serve(wait); !errors.Is(err, net.ErrClosed) { // else batch says why
		return err
	}
	return nil
}

// wait waits until something has come.
func (l *messages) wait() error {
	if l.caller != nil {
		return l.serve(true)
	}
	l.mu.Lock()
	until := l.until
	l.mu.Unlock()
	if until.IsZero() {
		<-l.came
		return nil
	}
	left := time.Until(until)
	if left <= 0 {
		return os.ErrDeadlineExceeded
	}
	l.timer.Reset(left)
	defer l.timer.Stop()
	select {
	case <-l.came:
		return nil
	case <-l.timer.C:
		return os.ErrDeadlineExceeded
	}
}

// batch takes what has come, and how the connection has ended if nothing more comes.
func (l *messages) batch() ([]received, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.taken, l.got = l.got, l.taken[:0]
	if len(l.taken) == 0 {
		return nil, l.err
	}
	return l.taken, nil
}

// handled gives the memory of a message back.
func (l *messages) handled(m received) {
	l.mu.Lock()
	l.spare = append(l.spare, m.b)
	l.mu.Unlock()
}

// next waits for one message, before there is a Conn.
func (l *messages) next() (received, error) {
	for {
		l.mu.Lock()
		if len(l.got) > 0 {
			m := l.got[0]
			l.got = append(l.got[:0], l.got[1:]...)
			l.mu.Unlock()
			return m, nil
		}
		err := l.err
		l.mu.Unlock()
		if err == nil {
			err = l.wait()
		}
		if err != nil {
			return received{}, err
		}
	}
}

// An outgoing is a message to be sent.
type outgoing struct {
	rdma.Work
	b []byte // room for Head
}

// take takes one to be filled.
func (l *messages) take() *outgoing {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := len(l.free)
	if n == 0 {
		o := new(outgoing)
		o.Owner = o
		return o
	}
	o := l.free[n-1]
	l.free = l.free[:n-1]
	o.b = o.b[:0]
	return o
}

// post queues a message. When the connection has ended it goes nowhere, as what is sent then.
func (l *messages) post(o *outgoing) {
	o.Work = rdma.Work{Op: rdma.Send, Head: o.b, Owner: o}
	l.conn.Post(&o.Work)
}

// Done implements rdma.Handler.
func (l *messages) Done(w *rdma.Work, _ error) {
	l.mu.Lock()
	l.free = append(l.free, w.Owner.(*outgoing))
	l.mu.Unlock()
}

func (l *messages) flush() error {
	l.conn.Flush()
	return nil
}

func (l *messages) localAddr() string { return l.conn.Info().Local }

func (l *messages) setDeadline(t time.Time) {
	if l.caller != nil {
		l.caller.SetDeadline(t)
		return
	}
	l.mu.Lock()
	l.until = t
	l.mu.Unlock()
	l.wake()
}

// SetDeadline implements exchanger.
func (l *messages) SetDeadline(t time.Time) error {
	l.setDeadline(t)
	return nil
}

func (l *messages) close() error {
	l.conn.Close(nil)
	if l.caller != nil { // the end is received too
		for err := error(nil); !errors.Is(err, net.ErrClosed); err = l.caller.Serve(true) {
			l.caller.SetDeadline(time.Time{})
		}
	}
	<-l.over // nothing of ours is exposed any more
	return nil
}
