package iscsi

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/lunette-io/lunette/transport/iscsi/login"
)

// A Node is an iSCSI target node (RFC 7143 4.1): targets, and the sessions with them,
// through any number of portals of any movers.
type Node struct {
	cfg  Config
	log  *slog.Logger
	auth atomic.Pointer[func() login.Authenticator] // for discovery; nil: none

	tick   atomic.Int64 // seconds since the node started: the clock of time-outs
	trials trials

	topology topology
	limits   atomic.Pointer[Limits]
	wishes   atomic.Pointer[login.Config]

	mu       sync.Mutex
	conns    map[*Conn]struct{}
	doors    doors
	sessions map[sessionKey]*Session
	byTSIH   map[uint16]*Session
	closing  bool
	changed  sync.Cond // with mu: a connection or a session has gone
	ticked   sync.Cond // with mu: tick has gone on, or the node is closing

	stop chan struct{}
	done sync.WaitGroup
}

// ErrClosed reports that the node is shutting down.
var ErrClosed = errors.New("iscsi: node closed")

// NewNode makes a node and starts its clock; Shutdown ends it.
func NewNode(cfg Config) (*Node, error) {
	cfg.defaults()
	if err := CheckLogin(cfg.Login); err != nil {
		return nil, err
	}
	n := &Node{
		cfg: cfg, log: cfg.Log,
		conns:    make(map[*Conn]struct{}),
		sessions: make(map[sessionKey]*Session),
		byTSIH:   make(map[uint16]*Session),
		stop:     make(chan struct{}),
	}
	n.topology.targets = make(map[string]*servedTarget)
	n.limits.Store(&cfg.Limits)
	n.wishes.Store(&cfg.Login)
	n.doors.init(&cfg.Limits)
	n.changed.L, n.ticked.L = &n.mu, &n.mu
	n.done.Add(1)
	go n.clock()
	return n, nil
}

// RequireDiscoveryAuth makes discovery sessions that begin from now on pass auth, which makes one run of it;
// nil: nothing has to be proved. If it is a [Guide] it says what the initiator learns of.
func (n *Node) RequireDiscoveryAuth(auth func() login.Authenticator) {
	if auth == nil {
		n.auth.Store(nil)
		return
	}
	n.auth.Store(&auth)
}

// Login is what the node wants of a login now, for a mover that wants it changed.
func (n *Node) Login() login.Config { return *n.wishes.Load() }

// Window is how many commands a session may have outstanding.
func (n *Node) Window() int { return n.cfg.Window }

// Room says why no connection is taken now; nil: one is.
func (n *Node) Room() error {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.room()
}

// room is Room with n.mu held.
func (n *Node) room() error {
	switch d := &n.doors; {
	case n.closing:
		return ErrClosed
	case d.byAddress.Taken()+d.half.Len() >= d.byAddress.Size()+n.limits.Load().MaxLogins:
		return fmt.Errorf("iscsi: limits.connections and limits.logins: %d and %d, no more are taken", d.byAddress.Taken(), d.half.Len())
	}
	return nil
}

// Connect makes the session's side of a new connection that came to the portal. An error means
// that there are too many, or that the node is closing; the caller then closes the connection.
func (p *Portal) Connect(m Mover) (*Conn, error) {
	n := p.node
	c := newConn(p, m)
	n.mu.Lock()
	switch {
	case n.closing:
		n.mu.Unlock()
		return nil, ErrClosed
	case n.tooFast(c.place.address):
		n.mu.Unlock()
		return nil, errTooFast
	}
	out := n.come(c)
	n.mu.Unlock()
	n.evictHalf(out, "limits.logins")
	return c, nil
}

var errTooFast = errors.New("iscsi: connections come faster than others can be closed")

func (n *Node) isClosing() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.closing
}

func (n *Node) disconnected(c *Conn) {
	n.mu.Lock()
	n.goes(c)
	n.changed.Broadcast()
	n.mu.Unlock()
}

// waiting are the sessions in which something came before its turn.
func (n *Node) waiting() (some []*Session) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, s := range n.sessions {
		if s.reorder.count.Load() > 0 {
			some = append(some, s)
		}
	}
	return some
}

// connections are all connections now.
func (n *Node) connections() []*Conn {
	n.mu.Lock()
	defer n.mu.Unlock()
	all := make([]*Conn, 0, len(n.conns))
	for c := range n.conns {
		all = append(all, c)
	}
	return all
}

// Refused tells the log of a connection that a portal has not taken.
func (n *Node) Refused(remote string, why error) {
	if why != ErrClosed {
		n.doors.counters.turned.Add(1)
		n.doors.turned.Warn(n.log, "connection refused", ownerOf(remote), "remote", remote, "why", why)
	}
}

// clock looks at every connection once a second: one goroutine for all time-outs.
func (n *Node) clock() {
	defer n.done.Done()
	t := time.NewTicker(time.Second)
	defer t.Stop()
	for {
		select {
		case <-n.stop:
			return
		case <-t.C:
			now := n.tick.Add(1)
			n.mu.Lock()
			n.ticked.Broadcast()
			n.mu.Unlock()
			n.tellRefused()
			for _, c := range n.connections() {
				c.watch.check(now)
			}
			for _, s := range n.waiting() {
				s.watchGap(now)
			}
		}
	}
}

// Shutdown asks all initiators to log out, waits for them until ctx is done, and then ends
// what is left. The portals have stopped accepting. It returns when no connection and no
// session is there any more.
func (n *Node) Shutdown(ctx context.Context) error {
	n.mu.Lock()
	n.closing = true
	n.ticked.Broadcast()
	n.mu.Unlock()
	deadline, ok := ctx.Deadline()
	if !ok {
		deadline = time.Now()
	}
	for _, c := range n.connections() {
		c.askLogout(time.Until(deadline))
	}
	wake := context.AfterFunc(ctx, func() { n.mu.Lock(); n.changed.Broadcast(); n.mu.Unlock() })
	defer wake()
	n.mu.Lock()
	for len(n.conns) > 0 && ctx.Err() == nil {
		n.changed.Wait()
	}
	n.mu.Unlock()
	for _, c := range n.connections() {
		c.m.Terminate(ErrClosed)
	}
	n.mu.Lock()
	for len(n.conns) > 0 || len(n.sessions) > 0 || len(n.byTSIH) > 0 {
		n.changed.Wait()
	}
	n.mu.Unlock()
	n.topology.closeAll()
	close(n.stop)
	n.done.Wait()
	n.tellRefused()
	return nil
}
