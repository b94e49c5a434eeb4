package transporttest

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"github.com/lunette-io/lunette/buffer"
	initiator "github.com/lunette-io/lunette/initiator/virtio"
	"github.com/lunette-io/lunette/network/vhost"
	"github.com/lunette-io/lunette/target"
	"github.com/lunette-io/lunette/transport/virtio"
)

// A Virtio is a node with one target, which has two Units at LUN 0 and 1, and sockets: each is one SCSI host, for one driver at a time.
type Virtio struct {
	Node   *virtio.Node
	Host   *vhost.Host
	Arena  *buffer.Arena
	Units  [2]*Unit
	Target *target.Target

	tb      testing.TB
	sockets *Sockets
	down    sync.Once
	shut    bool
}

// StartVirtio starts a node; change, if not nil, edits the target before it is shown. When the test ends the node is shut down, and everything must have been given back: memory, nexuses, goroutines.
func StartVirtio(tb testing.TB, host vhost.Config, cfg virtio.Config, change func(*virtio.Target)) *Virtio {
	tb.Helper()
	before := goleak.IgnoreCurrent()
	if cfg.Arena == nil {
		cfg.Arena = buffer.NewArena(256 << 20)
	}
	s := &Virtio{tb: tb, Arena: cfg.Arena, Host: vhost.New(host)}
	s.Units, s.Target = twoUnits(tb, cfg.Arena)
	var err error
	if s.Node, err = virtio.NewNode(cfg); err != nil {
		tb.Fatal(err)
	}
	t := virtio.Target{SCSI: s.Target}
	if change != nil {
		change(&t)
	}
	if err := s.Node.TakeTarget(t); err != nil {
		tb.Fatal(err)
	}
	s.sockets = NewSockets(tb, s.Host, s.Node)
	tb.Cleanup(func() {
		s.Close()
		goleak.VerifyNone(tb, before)
	})
	return s
}

// Close shuts the node down and checks that everything was given back.
func (s *Virtio) Close() { s.down.Do(s.close) }

func (s *Virtio) close() {
	s.sockets.Close()
	shutDown(s.tb, s.shut, s.Node, func() int { return len(s.Node.Sessions()) }, s.Units[:], s.Target, s.Arena)
	if err := s.Host.Close(); err != nil {
		s.tb.Error(err)
	}
}

// Dial attaches a driver to socket n, which is made if it is not there. It is closed with the node, if it was not before.
func (s *Virtio) Dial(n byte, cfg initiator.Config) *initiator.Conn {
	s.tb.Helper()
	return s.sockets.Dial(n, cfg)
}

// Socket is the path of socket n, which is made if it is not there.
func (s *Virtio) Socket(n byte) string {
	s.tb.Helper()
	return s.sockets.Portal(n).Addr()
}

// Portal is socket n, which is made if it is not there.
func (s *Virtio) Portal(n byte) *virtio.Portal {
	s.tb.Helper()
	return s.sockets.Portal(n)
}

// Again tells that the test has shut the node down itself.
func (s *Virtio) Again() { s.shut = true }

// Sockets are those of a node, with the drivers that are attached to them.
type Sockets struct {
	tb      testing.TB
	host    *vhost.Host
	node    *virtio.Node
	dir     string
	mu      sync.Mutex
	portals map[byte]*virtio.Portal
	conns   []*initiator.Conn
}

// NewSockets makes a directory for sockets, and none of them.
func NewSockets(tb testing.TB, host *vhost.Host, node *virtio.Node) *Sockets {
	tb.Helper()
	dir, err := os.MkdirTemp("", "vhost") // the names of directories of tests are longer than paths of sockets may be
	if err != nil {
		tb.Fatal(err)
	}
	return &Sockets{tb: tb, host: host, node: node, dir: dir, portals: make(map[byte]*virtio.Portal)}
}

// Portal is socket n.
func (s *Sockets) Portal(n byte) *virtio.Portal {
	s.tb.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if p := s.portals[n]; p != nil {
		return p
	}
	o := virtio.PortalOptions{Initiator: fmt.Sprintf("%s.%d", InitiatorName, n), Queues: 8}
	o.Path, o.UID, o.GID = filepath.Join(s.dir, fmt.Sprintf("%d.sock", n)), -1, -1
	p, err := virtio.Listen(s.host, o, s.node)
	if err != nil {
		s.tb.Fatal(err)
	}
	s.portals[n] = p
	p.Start()
	return p
}

// Dial attaches a driver to socket n. It is closed with the sockets, if it was not before.
func (s *Sockets) Dial(n byte, cfg initiator.Config) *initiator.Conn {
	s.tb.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), Patience)
	defer cancel()
	c, err := initiator.Dial(ctx, s.Portal(n).Addr(), cfg)
	if err != nil {
		s.tb.Fatalf("socket %d: %v", n, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.conns = append(s.conns, c)
	return c
}

// Close breaks off all connections, closes the sockets and removes the directory.
func (s *Sockets) Close() {
	s.mu.Lock()
	conns, portals := s.conns, s.portals
	s.conns, s.portals = nil, nil
	s.mu.Unlock()
	for _, c := range conns {
		c.Abandon()
	}
	for _, p := range portals {
		if err := p.Close(); err != nil {
			s.tb.Error(err)
		}
	}
	for _, c := range conns {
		_ = c.Close()
	}
	if err := os.Remove(s.dir); err != nil {
		s.tb.Errorf("a socket is left: %v", err)
	}
}
