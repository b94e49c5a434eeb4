package transporttest

import (
	"context"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/lunette-io/lunette/buffer"
	initiator "github.com/lunette-io/lunette/initiator/srp"
	"github.com/lunette-io/lunette/target"
	"github.com/lunette-io/lunette/transport/srp"
	"github.com/lunette-io/lunette/transport/srp/iu"
)

// Identifiers of the ports that an SRP uses.
const (
	SRPIDExt   = 0x0002c90300a0b0c0
	SRPIOCGUID = 0x0002c90300a0b0c1
)

// An SRP is a node with one target, which has two Units at LUN 0 and 1, and a portal.
type SRP struct {
	Node    *srp.Node
	Addr    string
	Arena   *buffer.Arena
	Units   [2]*Unit
	Target  *target.Target
	Devices Devices
	Portal  *srp.Portal

	tb   testing.TB
	down sync.Once
	shut bool
}

// StartSRP starts a node on devices, which it closes at the end; change, if not nil, edits the
// target before it is shown. When the test ends the node is shut down, and everything must have
// been given back: memory, nexuses, goroutines.
func StartSRP(tb testing.TB, d Devices, cfg srp.Config, change func(*srp.Target)) *SRP {
	tb.Helper()
	before := goleak.IgnoreCurrent()
	if cfg.Arena == nil {
		cfg.Arena = buffer.NewArena(256 << 20)
	}
	s := &SRP{tb: tb, Arena: cfg.Arena, Devices: d}
	var err error
	must := func() {
		tb.Helper()
		if err != nil {
			tb.Fatal(err)
		}
	}
	s.Units, s.Target = twoUnits(tb, cfg.Arena)
	s.Node, err = srp.NewNode(cfg)
	must()
	st := srp.Target{SCSI: s.Target, IDExt: SRPIDExt, IOCGUID: SRPIOCGUID}
	if change != nil {
		change(&st)
	}
	err = s.Node.SetTarget(st)
	must()
	s.Portal, err = srp.Listen(context.Background(), d.Target, d.Addr, s.Node)
	must()
	s.Portal.Start()
	s.Addr = s.Portal.Addr()
	tb.Cleanup(func() {
		s.Close()
		goleak.VerifyNone(tb, before)
	})
	return s
}

// Close shuts the node down and checks that everything was given back.
func (s *SRP) Close() { s.down.Do(s.close) }

func (s *SRP) close() {
	tb := s.tb
	if err := s.Portal.Close(); err != nil {
		tb.Error(err)
	}
	shutDown(tb, s.shut, s.Node, func() int { return len(s.Node.Sessions()) }, s.Units[:], s.Target, s.Arena)
	for stop := time.Now().Add(Patience); ; time.Sleep(time.Millisecond) {
		err := s.Devices.Close() // the initiators have to notice
		if err == nil {
			break
		}
		if time.Now().After(stop) {
			tb.Error(err)
			break
		}
	}
}

// Config is what an initiator logs in with. n tells initiators apart.
func (s *SRP) Config(n byte) initiator.Config {
	return initiator.Config{
		Initiator: iu.MakePortID(0, 0x0002c90300000000+uint64(n)), Target: iu.MakePortID(SRPIDExt, SRPIOCGUID),
	}
}

// Dial opens a channel. It is closed at the end of the test.
func (s *SRP) Dial(cfg initiator.Config) *initiator.Conn {
	s.tb.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), Patience)
	defer cancel()
	c, err := initiator.Dial(ctx, s.Devices.Initiator, s.Addr, cfg)
	if err != nil {
		s.tb.Fatalf("login: %v", err)
	}
	s.tb.Cleanup(c.Abandon)
	return c
}

// Again tells that the test has shut the node down itself.
func (s *SRP) Again() { s.shut = true }
