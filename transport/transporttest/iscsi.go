package transporttest

import (
	"context"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/lunette-io/lunette/buffer"
	initiator "github.com/lunette-io/lunette/initiator/iscsi"
	"github.com/lunette-io/lunette/target"
	"github.com/lunette-io/lunette/transport/iscsi"
	"github.com/lunette-io/lunette/transport/iscsi/pdu"
	iscsitcp "github.com/lunette-io/lunette/transport/iscsi/tcp"

	"github.com/lunette-io/lunette/network/tcp"
)

// Names that an ISCSI uses.
const (
	TargetName    = "iqn.2026-11.io.lunette.test:disk"
	InitiatorName = "iqn.2026-11.io.lunette.test:initiator"
)

// An ISCSI is a node with one target, which has two Units at LUN 0 and 1, and a portal: TCP on
// loopback, or RDMA.
type ISCSI struct {
	Node    *iscsi.Node
	Network string // "tcp", "iser"
	Addr    string
	Arena   *buffer.Arena
	Units   [2]*Unit
	Target  *target.Target

	tb     testing.TB
	portal portal
	dial   func(ctx context.Context, cfg initiator.Config) (*initiator.Conn, error)
	below  func() error // closes what is below the portal
	down   sync.Once
	shut   bool

	mu      sync.Mutex
	dialing int       // logins under way
	dialed  sync.Cond // dialing is 0
}

// A portal is where a node can be reached.
type portal interface {
	Start()
	Addr() string
	Close() error
}

// StartISCSI starts a node on TCP; change, if not nil, edits the target before it is shown.
// When the test ends the node is shut down, and everything must have been given back: memory,
// sessions, goroutines.
func StartISCSI(tb testing.TB, cfg iscsi.Config, change func(*iscsi.Target)) *ISCSI {
	tb.Helper()
	return start(tb, cfg, change, func(s *ISCSI) (portal, error) {
		e := NewEngine(tb)
		s.Network, s.below = "tcp", e.Close
		s.dial = func(ctx context.Context, cfg initiator.Config) (*initiator.Conn, error) {
			return initiator.Dial(ctx, s.Addr, cfg)
		}
		return iscsitcp.Listen(context.Background(), "127.0.0.1:0", s.Node, e, tcp.Options{})
	})
}

// start starts a node; listen makes its portal.
func start(tb testing.TB, cfg iscsi.Config, change func(*iscsi.Target), listen func(*ISCSI) (portal, error)) *ISCSI {
	tb.Helper()
	before := goleak.IgnoreCurrent()
	if cfg.Arena == nil {
		cfg.Arena = buffer.NewArena(256 << 20)
	}
	s := &ISCSI{tb: tb, Arena: cfg.Arena}
	s.dialed.L = &s.mu
	var err error
	must := func() {
		tb.Helper()
		if err != nil {
			tb.Fatal(err)
		}
	}
	s.Units, s.Target = twoUnits(tb, cfg.Arena)
	s.Node, err = iscsi.NewNode(cfg)
	must()
	it := iscsi.Target{SCSI: s.Target, Reset: true} // tests try all functions
	if change != nil {
		change(&it)
	}
	err = s.Node.AddTarget(it)
	must()
	s.portal, err = listen(s)
	must()
	s.portal.Start()
	s.Addr = s.portal.Addr()
	tb.Cleanup(func() {
		s.Close()
		goleak.VerifyNone(tb, before)
	})
	return s
}

// Close shuts the node down and checks that everything was given back.
func (s *ISCSI) Close() { s.down.Do(s.close) }

func (s *ISCSI) close() {
	tb := s.tb
	if err := s.portal.Close(); err != nil {
		tb.Error(err)
	}
	for _, u := range s.Units {
		u.Release()
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Millisecond)
		defer cancel()
		if s.shut {
			return
		}
		if err := s.Node.Shutdown(ctx); err != nil {
			tb.Error(err)
		}
	}()
	defer func() {
		s.waitDialed()
		if err := s.below(); err != nil {
			tb.Error(err)
		}
	}()
	for stop := time.Now().Add(Patience); ; {
		select {
		case <-ended:
		case <-time.After(20 * time.Millisecond):
			for _, u := range s.Units {
				u.Release()
			}
			if time.Now().Before(stop) {
				continue
			}
			panic("the node does not shut down") // with all stacks
		}
		break
	}
	if n := len(s.Node.Sessions()); n != 0 {
		tb.Errorf("%d sessions are left", n)
	}
	if n := len(s.Target.Nexuses()); n != 0 {
		tb.Errorf("%d nexuses are left", n)
	}
	for i, u := range s.Units {
		u.work.Wait()
		if n := u.Attached.Load(); n != 0 {
			tb.Errorf("unit %d: %d nexuses are left", i, n)
		}
		if a, b := u.Started.Load(), u.Ended.Load(); a != b {
			tb.Errorf("unit %d: %d tasks started, %d ended", i, a, b)
		}
		if n := u.Store.Outstanding(); n != 0 {
			tb.Errorf("unit %d: %d leases are out", i, n)
		}
		if err := u.Close(); err != nil {
			tb.Errorf("unit %d: %v", i, err)
		}
	}
	if n := s.Arena.Outstanding(); n != 0 {
		tb.Errorf("%d bytes of the arena are out", n)
	} else if err := s.Arena.Close(); err != nil {
		tb.Error(err)
	}
}

// Config is what an initiator logs in with. n tells initiators apart.
func (s *ISCSI) Config(n byte) initiator.Config {
	return initiator.Config{
		InitiatorName: InitiatorName, TargetName: TargetName,
		ISID: pdu.ISID{0x80, 0, 0, 0, 0, n}, Login: initiator.DefaultLogin(),
	}
}

// Dial logs in. The connection is closed at the end of the test, and waits for nothing
// longer than Patience.
func (s *ISCSI) Dial(cfg initiator.Config) *initiator.Conn {
	s.tb.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), Patience)
	defer cancel()
	c, err := s.dial(ctx, cfg)
	if err != nil {
		s.tb.Fatalf("login: %v", err)
	}
	return s.mind(c)
}

// TryDial logs in, or says why it cannot.
func (s *ISCSI) TryDial(cfg initiator.Config) (*initiator.Conn, error) {
	s.tb.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), Patience)
	defer cancel()
	defer s.logsIn()()
	c, err := s.dial(ctx, cfg)
	if err != nil {
		return nil, err
	}
	return s.mind(c), nil
}

// logsIn tells that a login begins, and that it has ended when what it returns is called.
func (s *ISCSI) logsIn() (ended func()) {
	s.mu.Lock()
	s.dialing++
	s.mu.Unlock()
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.dialing--; s.dialing == 0 {
			s.dialed.Broadcast()
		}
	}
}

// waitDialed waits for the logins that the end of the node ends. Each has its connection until then, and
// what is below the portal is closed after all connections have ended.
func (s *ISCSI) waitDialed() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for s.dialing > 0 {
		s.dialed.Wait()
	}
}

// Join adds a connection to the session of c.
func (s *ISCSI) Join(c *initiator.Conn, cid uint16, cfg initiator.Config) *initiator.Conn {
	s.tb.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), Patience)
	defer cancel()
	cfg.CID = cid
	c, err := c.Join(ctx, s.Addr, cfg)
	if err != nil {
		s.tb.Fatalf("login of connection %d: %v", cid, err)
	}
	return s.mind(c)
}

func (s *ISCSI) mind(c *initiator.Conn) *initiator.Conn {
	c.SetDeadline(time.Now().Add(Patience))
	s.tb.Cleanup(func() { _ = c.Close() })
	return c
}

// Wire connects without a login.
func (s *ISCSI) Wire() *initiator.Wire {
	s.tb.Helper()
	w, err := initiator.DialWire(context.Background(), s.Addr)
	if err != nil {
		s.tb.Fatal(err)
	}
	_ = w.SetDeadline(time.Now().Add(Patience))
	s.tb.Cleanup(func() { _ = w.Close() })
	return w
}

// Patience is how long tests wait for what has to come, on a machine that does much else as well:
// only a test that fails waits as long.
const Patience = time.Minute

// Meanwhile calls f again and again, until the function that it returns is called: f is not called
// after that has returned.
func Meanwhile(every time.Duration, f func()) (stop func()) {
	over := make(chan struct{})
	var all sync.WaitGroup
	all.Go(func() {
		for {
			select {
			case <-over:
				return
			case <-time.After(every):
				f()
			}
		}
	})
	return func() {
		close(over)
		all.Wait()
	}
}

// Eventually waits until ok is true.
func Eventually(tb testing.TB, what string, ok func() bool) {
	tb.Helper()
	for stop := time.Now().Add(Patience); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(stop) {
			tb.Fatalf("it did not come: %s", what)
		}
	}
}

// Again tells that the test has shut the node down itself.
func (s *ISCSI) Again() { s.shut = true }
