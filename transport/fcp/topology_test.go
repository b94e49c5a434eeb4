package fcp_test

import (
	"context"
	"errors"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	initiator "github.com/lunette-io/lunette/initiator/fcp"
	"github.com/lunette-io/lunette/network/fc"
	"github.com/lunette-io/lunette/network/fc/sim"
	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/target"
	"github.com/lunette-io/lunette/transport/fcp"
	"github.com/lunette-io/lunette/transport/transporttest"
)

// up starts a node on a simulated network of neighbours.
func up(t *testing.T, cfg fcp.Config, change func(*fcp.Target)) *transporttest.FCP {
	t.Helper()
	return transporttest.StartFCP(t, transporttest.SimFC(sim.New()), cfg, change)
}

// shown is the target of s as the node shows it, to be changed.
func shown(s *transporttest.FCP) fcp.Target {
	return fcp.Target{SCSI: s.Target, Node: transporttest.FCPNode, Ports: []fc.Name{transporttest.FCPPort}}
}

// answers runs TEST UNIT READY, whatever comes of it at a unit.
func answers(t *testing.T, c *initiator.Conn) {
	t.Helper()
	if err := c.Do(&initiator.Command{CDB: make([]byte, 6)}); err != nil {
		t.Fatal(err)
	}
}

// refused finds that a port does not get in.
func refused(t *testing.T, p *initiator.Port, name fc.Name) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if c, err := p.Dial(ctx, name); err == nil {
		_ = c.Logout()
		t.Fatalf("%v lets it in", name)
	}
}

// dial logs in to a port of a target by its name.
func dial(t *testing.T, p *initiator.Port, name fc.Name) *initiator.Conn {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), transporttest.Patience)
	defer cancel()
	c, err := p.Dial(ctx, name)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// gone waits until a session is over.
func gone(t *testing.T, c *initiator.Conn) {
	t.Helper()
	select {
	case <-c.Gone():
	case <-time.After(transporttest.Patience):
		t.Fatal("the session does not end")
	}
}

func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	transporttest.Eventually(t, what, is)
}

// A target comes and goes while others are in use.
func TestTargetComesAndGoes(t *testing.T) {
	s := up(t, fcp.Config{}, nil)
	p := s.Open(s.Config(1))
	other := dial(t, p, transporttest.FCPPort)
	tgt, err := target.NewTarget("second")
	if err != nil {
		t.Fatal(err)
	}
	second := fcp.Target{SCSI: tgt, Node: fcp.NodeName("second")}
	name := fcp.PortName(second.Node, 1)
	for round := range 3 {
		if err := s.Node.SetTarget(second); err != nil {
			t.Fatal(err)
		}
		c := dial(t, p, name)
		answers(t, c)
		ports := tgt.Ports()
		if len(ports) != 1 || ports[0].Relative != 1 || ports[0].Protocol != scsi.ProtocolFCP || ports[0].Name != "naa."+fcp.Notations(name)[4] {
			t.Fatalf("round %d: ports %+v", round, ports)
		}
		over := make(chan bool)
		if err := s.Node.RemoveTarget("second", func() { close(over) }); err != nil {
			t.Fatal(err)
		}
		<-over
		gone(t, c)
		eventually(t, "the port goes", func() bool { return len(tgt.Ports()) == 0 && len(tgt.Nexuses()) == 0 })
		answers(t, other)
	}
	if err := s.Node.RemoveTarget("second", nil); err == nil {
		t.Error("a target is removed twice")
	}
}

// SetTarget changes who may log in: whoever is there stays until EndRefused; and under maintenance nobody gets in.
func TestSetTargetAgain(t *testing.T) {
	s := up(t, fcp.Config{}, nil)
	one, two := s.Open(s.Config(1)), s.Open(s.Config(2))
	c := dial(t, one, transporttest.FCPPort)
	now := shown(s)
	now.Initiators = []string{fcp.Notations(s.Config(2).Port)[3]}
	// Both have logged in by themselves, in whatever order.
	var first []int64
	for _, n := range s.Node.Sessions() {
		if n.Initiator == s.Config(1).Port {
			first = append(first, n.ID)
		}
	}
	if ids := s.Node.Refuses(s.Target.Name, now); len(first) != 1 || !slices.Equal(ids, first) {
		t.Errorf("it would refuse %v, not %v", ids, first)
	}
	if err := s.Node.SetTarget(now); err != nil {
		t.Fatal(err)
	}
	answers(t, c) // it stays
	d := dial(t, two, transporttest.FCPPort)
	var over atomic.Bool
	s.Node.EndRefused(s.Target.Name, func() { over.Store(true) })
	gone(t, c)
	eventually(t, "it is told", over.Load)
	refused(t, one, transporttest.FCPPort)
	answers(t, d)

	now.Away = true
	if err := s.Node.SetTarget(now); err != nil {
		t.Fatal(err)
	}
	s.Node.EndRefused(s.Target.Name, nil)
	gone(t, d)
	refused(t, two, transporttest.FCPPort)
	now.Away, now.Initiators = false, nil
	if err := s.Node.SetTarget(now); err != nil {
		t.Fatal(err)
	}
	answers(t, dial(t, one, transporttest.FCPPort))

	now.Initiators = []string{"nobody"}
	if err := s.Node.SetTarget(now); err == nil {
		t.Error("a pattern that is none is taken")
	}
	if fcp.CheckTarget(now) == nil || fcp.CheckTarget(fcp.Target{SCSI: s.Target}) == nil {
		t.Error("what is wrong with a target is not said")
	}
}

// Another name is another port: the old one goes, with its sessions.
func TestAnotherName(t *testing.T) {
	s := up(t, fcp.Config{}, nil)
	p := s.Open(s.Config(1))
	c := dial(t, p, transporttest.FCPPort)
	now := shown(s)
	now.Ports = []fc.Name{0x2000_02000000bb01}
	if err := s.Node.SetTarget(now); err != nil {
		t.Fatal(err)
	}
	gone(t, c)
	answers(t, dial(t, p, now.Ports[0]))
	s.Portal.Show(nil, 7) // by another tag as well
	answers(t, dial(t, p, fcp.PortName(transporttest.FCPNode, 7)))
	eventually(t, "one port is left", func() bool { return len(s.Target.Ports()) == 1 })
	s.Portal.Show([]string{"another"}, 7)
	eventually(t, "no session is left", func() bool { return len(s.Node.Sessions()) == 0 && len(s.Target.Ports()) == 0 })
	s.Portal.Show([]string{s.Target.Name}, 1)
	answers(t, dial(t, p, now.Ports[0]))
}

// Two targets do not have one name; of several that change together one may take the name of another.
func TestTakeTarget(t *testing.T) {
	s := up(t, fcp.Config{}, nil)
	p := s.Open(s.Config(1))
	c := dial(t, p, transporttest.FCPPort)
	tgt, err := target.NewTarget("second")
	if err != nil {
		t.Fatal(err)
	}
	second := fcp.Target{SCSI: tgt, Node: fcp.NodeName("second"), Ports: []fc.Name{transporttest.FCPPort}}
	if err := s.Node.SetTarget(second); err == nil {
		t.Fatal("two targets have one port name")
	}
	if err := s.Node.TakeTarget(second); err != nil {
		t.Fatal(err)
	}
	gone(t, c)
	eventually(t, "the name is the second's", func() bool { return len(tgt.Ports()) == 1 && len(s.Target.Ports()) == 0 })
	d := dial(t, p, transporttest.FCPPort)
	if x := s.Node.Sessions(); len(x) != 1 || x[0].Target != "second" {
		t.Errorf("sessions are %+v", x)
	}
	first := shown(s)
	first.Ports = []fc.Name{0x2000_02000000bb01}
	if err := s.Node.SetTarget(first); err != nil {
		t.Fatal(err)
	}
	answers(t, dial(t, p, first.Ports[0]))
	if other, err := target.NewTarget("second"); err != nil {
		t.Fatal(err)
	} else if err := s.Node.SetTarget(fcp.Target{SCSI: other, Node: 1}); err == nil {
		t.Error("another target has the name of one that is there")
	}
	if err := s.Node.RemoveTarget("second", nil); err != nil {
		t.Fatal(err)
	}
	gone(t, d)
}

// Sessions are as they are, and each can be ended by hand.
func TestSessions(t *testing.T) {
	s := up(t, fcp.Config{}, nil)
	one, two := s.Config(1), s.Config(2)
	a := dial(t, s.Open(one), transporttest.FCPPort)
	answers(t, a)
	b := dial(t, s.Open(two), transporttest.FCPPort)
	answers(t, b)
	all := s.Node.Sessions()
	if len(all) != 2 {
		t.Fatalf("there are %d sessions", len(all))
	}
	x := all[0]
	if x.Initiator != one.Port || x.InitiatorNode != one.Node || x.Target != s.Target.Name || x.Port != transporttest.FCPPort ||
		x.Network != "sim" || x.Provider != "sim" || x.Address == 0 || x.PortAddress == 0 || x.Totals.Commands != 1 || x.Stats.FramesIn == 0 {
		t.Errorf("the session is %+v", x)
	}
	i := slices.IndexFunc(s.Target.Nexuses(), func(n *target.Nexus) bool { return n.Initiator.Name == one.Port.String() })
	if i < 0 || s.Target.Nexuses()[i].Initiator.Port.Protocol != scsi.ProtocolFCP {
		t.Error("the target knows another initiator")
	}
	if s.Node.Drop(x.ID + 100) {
		t.Error("a session is ended that is not there")
	}
	if !s.Node.Drop(x.ID) {
		t.Error("there is no session to end")
	}
	gone(t, a)
	answers(t, b)
}

// The node lets in as many as are the share of a network, in which something is left for who comes by another.
func TestDoors(t *testing.T) {
	s := up(t, fcp.Config{MaxNexuses: 3}, nil)
	a, b := dial(t, s.Open(s.Config(1)), transporttest.FCPPort), dial(t, s.Open(s.Config(2)), transporttest.FCPPort)
	late := s.Open(s.Config(3))
	refused(t, late, transporttest.FCPPort)
	if err := b.Logout(); err != nil {
		t.Fatal(err)
	}
	answers(t, dial(t, late, transporttest.FCPPort))
	s.Node.SetLimits(5)
	answers(t, dial(t, s.Open(s.Config(5)), transporttest.FCPPort))
	answers(t, a)
}

// A node that is shut down lets nobody in, and has no session when it returns.
func TestShutdown(t *testing.T) {
	s := up(t, fcp.Config{}, nil)
	p := s.Open(s.Config(1))
	c := dial(t, p, transporttest.FCPPort)
	if err := s.Node.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.Shut()
	gone(t, c)
	refused(t, p, transporttest.FCPPort)
	if len(s.Node.Sessions()) != 0 {
		t.Error("a session is left")
	}
}

// A zoned network asks whom the targets let see their ports, and is told when that changes.
func TestZoning(t *testing.T) {
	n := &zoned{Network: sim.New()}
	s := transporttest.StartFCP(t, &transporttest.FibreChannel{Targets: n, Address: "zoned", Initiators: n.Network}, fcp.Config{}, func(x *fcp.Target) {
		x.Initiators = []string{"20:00*:01"}
	})
	eventually(t, "it knows the port", func() bool { return n.sees(transporttest.FCPPort, 0x2000_000000000001) })
	if n.sees(transporttest.FCPPort, 0x2000_000000000002) || n.sees(transporttest.FCPPort+1, 0x2000_000000000001) {
		t.Error("others see it")
	}
	told := n.told.Load()
	now := shown(s)
	if err := s.Node.SetTarget(now); err != nil {
		t.Fatal(err)
	}
	eventually(t, "it is told", func() bool { return n.told.Load() > told })
	if !n.sees(transporttest.FCPPort, 0x2000_000000000002) {
		t.Error("not all see it")
	}
	now.Away = true
	if err := s.Node.SetTarget(now); err != nil {
		t.Fatal(err)
	}
	eventually(t, "nobody sees it", func() bool { return !n.sees(transporttest.FCPPort, 0x2000_000000000001) })
}

// zoned is a network with a fabric that asks.
type zoned struct {
	*sim.Network
	z    atomic.Pointer[fc.Zoning]
	told atomic.Int64
}

func (n *zoned) sees(inside, outside fc.Name) bool { return (*n.z.Load()).Sees(inside, outside) }

func (n *zoned) Zone(z fc.Zoning) { n.z.Store(&z) }
func (n *zoned) Rezone()          { n.told.Add(1) }

// Open implements fc.Provider.
func (n *zoned) Open(context.Context, string) (fc.Network, error) { return zonedLent{n}, nil }

// Close implements fc.Provider.
func (n *zoned) Close() error { return nil }

// zonedLent is closed by the initiators' end.
type zonedLent struct{ *zoned }

// Close implements fc.Network.
func (zonedLent) Close() error { return nil }

// A port that cannot be opened is tried again, and a network that cannot be opened is an error.
func TestPortIsTriedAgain(t *testing.T) {
	n := sim.New()
	f := &failing{Network: n}
	f.fail.Store(true)
	s := transporttest.StartFCP(t, &transporttest.FibreChannel{Targets: f, Address: "failing", Initiators: n}, fcp.Config{}, nil)
	eventually(t, "it is tried again", func() bool { return f.tries.Load() > 1 })
	f.fail.Store(false)
	answers(t, dial(t, s.Open(s.Config(1)), transporttest.FCPPort))
	f.fail.Store(true)
	if _, err := fcp.Listen(t.Context(), f, "failing", s.Node, 2); !errors.Is(err, errFailing) {
		t.Errorf("it says %v", err)
	}
}

var errFailing = errors.New("failing")

// failing is a network at which nothing can be attached for a while.
type failing struct {
	*sim.Network
	fail   atomic.Bool
	tries  atomic.Int64
	opened atomic.Bool
}

// Open implements fc.Provider.
func (f *failing) Open(context.Context, string) (fc.Network, error) {
	if f.opened.Swap(true) {
		return nil, errFailing
	}
	return failingLent{f}, nil
}

// Close implements fc.Provider.
func (f *failing) Close() error { return nil }

type failingLent struct{ *failing }

// Attach implements fc.Network.
func (f failingLent) Attach(c fc.PortConfig, h fc.Handler) (fc.Link, error) {
	f.tries.Add(1)
	if f.fail.Load() {
		return nil, errFailing
	}
	return f.Network.Attach(c, h)
}

// Close implements fc.Network.
func (failingLent) Close() error { return nil }
