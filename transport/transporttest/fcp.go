package transporttest

import (
	"context"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"github.com/lunette-io/lunette/buffer"
	initiator "github.com/lunette-io/lunette/initiator/fcp"
	"github.com/lunette-io/lunette/network/fc"
	"github.com/lunette-io/lunette/target"
	"github.com/lunette-io/lunette/transport/fcp"
)

// Names that an FCP uses. FCPInitiator is the first of the initiators' ports; their nodes are 1000000000000000h more.
const (
	FCPNode      fc.Name = 0x1000_02000000aa00
	FCPPort      fc.Name = 0x2000_02000000aa01
	FCPInitiator fc.Name = 0x2000_020000001000
)

// An FCP is a node with one target, which has two Units at LUN 0 and 1, and a portal.
type FCP struct {
	Node    *fcp.Node
	Arena   *buffer.Arena
	Units   [2]*Unit
	Target  *target.Target
	Network *FibreChannel
	Portal  *fcp.Portal

	tb    testing.TB
	down  sync.Once
	shut  bool
	mu    sync.Mutex
	ports []*initiator.Port
}

// StartFCP starts a node on a network, which it closes at the end; change, if not nil, edits the target before it is shown. When the test ends the node is
// shut down, and everything must have been given back: memory, nexuses, goroutines.
func StartFCP(tb testing.TB, n *FibreChannel, cfg fcp.Config, change func(*fcp.Target)) *FCP {
	tb.Helper()
	before := goleak.IgnoreCurrent()
	s := NewFCP(tb, n, cfg, change)
	tb.Cleanup(func() {
		s.Close()
		goleak.VerifyNone(tb, before)
	})
	return s
}

// NewFCP is StartFCP for those who call Close themselves, and look for goroutines that are left: in a bubble of testing/synctest.
func NewFCP(tb testing.TB, n *FibreChannel, cfg fcp.Config, change func(*fcp.Target)) *FCP {
	tb.Helper()
	if cfg.Arena == nil {
		cfg.Arena = buffer.NewArena(256 << 20)
	}
	s := &FCP{tb: tb, Arena: cfg.Arena, Network: n}
	var err error
	must := func() {
		tb.Helper()
		if err != nil {
			tb.Fatal(err)
		}
	}
	s.Units, s.Target = twoUnits(tb, cfg.Arena)
	s.Node, err = fcp.NewNode(cfg)
	must()
	ft := fcp.Target{SCSI: s.Target, Node: FCPNode, Ports: []fc.Name{FCPPort}}
	if change != nil {
		change(&ft)
	}
	err = s.Node.SetTarget(ft)
	must()
	s.Portal, err = fcp.Listen(context.Background(), n.Targets, n.Address, s.Node, 1)
	must()
	s.Portal.Start()
	return s
}

// Close ends the initiators and the node, and checks that everything was given back.
func (s *FCP) Close() { s.down.Do(s.close) }

func (s *FCP) close() {
	tb := s.tb
	s.mu.Lock()
	ports := s.ports
	s.ports = nil
	s.mu.Unlock()
	for _, p := range ports {
		_ = p.Close()
	}
	if err := s.Portal.Close(); err != nil {
		tb.Error(err)
	}
	shutDown(tb, s.shut, s.Node, func() int { return len(s.Node.Sessions()) }, s.Units[:], s.Target, s.Arena)
	if err := s.Network.Close(); err != nil {
		tb.Error(err)
	}
}

// Config is what an initiator logs in with. n tells initiators apart: the even ones have lower names than the target's port, and wait for its PLOGI among
// neighbours; the odd ones higher names.
func (s *FCP) Config(n byte) initiator.Config { return FCPConfig(n) }

// FCPConfig is [FCP.Config].
func FCPConfig(n byte) initiator.Config {
	port := FCPInitiator + fc.Name(n)
	if n%2 == 1 {
		port += 0x100_0000 // behind the target's
	}
	return initiator.Config{Node: port + 0xf000_000000000000, Port: port}
}

// Open makes an initiator's port. It is closed with the node.
func (s *FCP) Open(cfg initiator.Config) *initiator.Port {
	s.tb.Helper()
	p, err := initiator.Open(s.Network.Initiators, cfg)
	if err != nil {
		s.tb.Fatal(err)
	}
	s.mu.Lock()
	s.ports = append(s.ports, p)
	s.mu.Unlock()
	return p
}

// Dial logs in by a port of its own. It is closed with the node.
func (s *FCP) Dial(cfg initiator.Config) *initiator.Conn {
	s.tb.Helper()
	c, err := s.Again(s.Open(cfg))
	if err != nil {
		s.tb.Fatalf("login: %v", err)
	}
	return c
}

// Again logs in by a port that is there.
func (s *FCP) Again(p *initiator.Port) (*initiator.Conn, error) {
	ctx, cancel := context.WithTimeout(context.Background(), Patience)
	defer cancel()
	return p.Dial(ctx, FCPPort)
}

// Shut tells that the test has shut the node down itself.
func (s *FCP) Shut() { s.shut = true }
