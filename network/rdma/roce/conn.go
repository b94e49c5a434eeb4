package roce

import (
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/lunette-io/lunette/network/rdma"
	"github.com/lunette-io/lunette/network/rdma/ib"
	"github.com/lunette-io/lunette/network/rdma/ib/cm"
	"github.com/lunette-io/lunette/network/rdma/ib/rc"
)

// A Conn is the rdma.Conn of RoCE: a queue pair, and what the communication manager has of it.
type Conn struct {
	*rc.QP
	d      *Device
	port   *port
	path   ib.Path
	number ib.QPN
	peer   ib.QPN
	out    outlet
	pace   pace

	touched bool // by this batch; its lane's goroutine alone uses it

	link atomic.Pointer[cm.Connection] // nil: the manager has not answered yet

	mu    sync.Mutex // guards what follows. No call is made with it held
	over  bool       // the queue pair has ended, because of why
	why   error
	early bool // the manager has said that the peer is gone before there was a queue pair, because of lost
	lost  error
}

// Time-outs. Software may be kept from its work for longer than a network takes.
const (
	// ackTimeout is how long a queue pair waits for an acknowledgement before it tries for the first time again, whatever the peer proposes: losses in the middle
	// are noticed at once, and this is about those at the end.
	ackTimeout = 4096 * time.Nanosecond << 15 // code 15: 134 ms
	retries    = 7
	// keepAlive is how long a peer may be silent before it is asked whether it is there, as with TCP (tcp.Options). It has some five seconds to answer.
	keepAlive = time.Minute
)

// newConn makes a connection without a queue pair: its number is reserved, and p is used by it. Its Close gives both back.
func (d *Device) newConn(p *port, path ib.Path) (*Conn, error) {
	n, err := d.queues.reserve()
	if err != nil {
		return nil, fmt.Errorf("roce: %w", err)
	}
	c := &Conn{d: d, port: p, path: path, number: n}
	c.out.init(c)
	c.pace.init(d.conf.Unpaced)
	d.ends.Add(1)
	return c, nil
}

// begin makes the queue pair. local and peer are terms that were agreed on, expects is the first PSN that comes.
func (c *Conn) begin(agreed cm.Terms, expects ib.PSN, mtu int, o *rdma.Options, info rdma.Info) {
	c.peer = agreed.QPN
	info.Provider, info.Reads = provider, agreed.Reads
	q := rc.New(rc.Config{
		Number: c.number, Peer: c.peer, Sends: agreed.PSN, Expects: expects, MTU: mtu, Reads: agreed.Reads, Serves: agreed.Serves, Credits: agreed.Credits,
		MaxMessage: o.MaxMessage, Timeout: ackTimeout, Retries: retries, RNR: agreed.RNR, KeepAlive: keepAlive, MaxWindows: c.d.conf.MaxWindows,
		Buffers: &c.d.buffers, Info: info, Outlet: &c.out, Ended: c.ended, Pace: c.pace.wait,
	})
	c.mu.Lock()
	c.QP = q
	early, lost := c.early, c.lost
	c.mu.Unlock()
	c.d.queues.put(c)
	if early {
		q.Disconnected(lost)
	}
}

// provider is what connections say they are of.
const provider = "roce"

// attach tells which connection of the manager it is. It has a queue pair.
func (c *Conn) attach(link *cm.Connection) {
	c.mu.Lock()
	c.link.Store(link)
	over, why := c.over, c.why
	c.mu.Unlock()
	if over {
		c.disconnect(link, why)
	}
}

// ended is told that the queue pair has ended: its number is nobody's now, and the peer learns of it.
func (c *Conn) ended(err error) {
	c.d.queues.free(c.number)
	c.d.count.end(c.Stats())
	c.mu.Lock()
	c.over, c.why = true, err
	link := c.link.Load()
	c.mu.Unlock()
	if link != nil {
		c.disconnect(link, err)
	}
}

// abandon gives up a connection that the manager does not have (any more), whose queue pair has ended or was never made.
func (c *Conn) abandon() {
	if c.QP == nil {
		c.d.queues.free(c.number)
	}
	c.gone()
}

// disconnect has the manager tell the peer.
func (c *Conn) disconnect(link *cm.Connection, err error) { link.Disconnect(reason(err), c.gone) }

// gone is the end: the peer knows of it, or was told often enough.
func (c *Conn) gone() {
	c.port.release()
	c.d.ends.Done()
}

// The first byte of the private data of DREQ says why a connection ends. Peers of other makes send zeros there, or anything.
const (
	orderly  = 0
	broken   = 1
	accessed = 2 // the peer has used memory that it may not use; a NAK has said so as well, which may come later or get lost
)

func reason(err error) []byte {
	switch {
	case err == nil:
		return []byte{orderly}
	case errors.Is(err, rdma.ErrAccess):
		return []byte{accessed}
	}
	return []byte{broken}
}

// why is what the private data of a peer's DREQ says.
func why(private []byte) error {
	switch {
	case len(private) == 0:
		return nil
	case private[0] == broken:
		return fmt.Errorf("roce: the peer has broken the connection off: %w", rdma.ErrRemote)
	case private[0] == accessed:
		return fmt.Errorf("roce: the peer has broken the connection off: %w", rdma.ErrRemoteAccess)
	}
	return nil
}

// heard tells the manager that the peer's queue pair is there, whether or not its message has come (12.9.7.2).
func (c *Conn) heard() {
	if link := c.link.Load(); link != nil {
		link.Heard()
	}
}

// end ends the queue pair because of what the manager has said.
func (c *Conn) end(err error) {
	c.mu.Lock()
	q := c.QP
	if q == nil {
		c.early, c.lost = true, err
	}
	c.mu.Unlock()
	if q != nil {
		q.Disconnected(err)
	}
}

// An owner is a Conn as the manager sees it.
type owner struct{ c *Conn }

// Established implements cm.Owner.
func (o owner) Established() { o.c.QP.Established() }

// Disconnected implements cm.Owner. What the peer's queue pair has sent before, such as a NAK, comes by another lane, and may not have been taken yet.
func (o owner) Disconnected(private []byte) {
	err := why(private)
	if err == nil {
		o.c.end(nil)
		return
	}
	time.AfterFunc(overtaken, func() { o.c.end(err) })
}

// overtaken is how long a connection that the peer breaks off waits for packets that the message which says so may have overtaken.
const overtaken = 10 * time.Millisecond

// Failed implements cm.Owner.
func (o owner) Failed(err error) { o.c.end(fmt.Errorf("roce: %w: %w", rdma.ErrLost, err)) }

// Stats implements rdma.Conn. Receives are batches of packets in which there was one for this connection, since others may have come by the same system call; Sends
// are its own.
func (c *Conn) Stats() rdma.Stats {
	s := c.QP.Stats()
	s.Sends = c.out.sends.Load()
	s.BytesOut = c.out.bytes.Load()
	return s
}

// at is an address and port as text.
func at(a netip.Addr, port uint16) string { return netip.AddrPortFrom(a, port).String() }
