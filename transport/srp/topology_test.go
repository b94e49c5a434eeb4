package srp_test

import (
	"errors"
	"log/slog"
	"net/netip"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lunette-io/lunette/buffer"
	initiator "github.com/lunette-io/lunette/initiator/srp"
	"github.com/lunette-io/lunette/network/rdma"
	"github.com/lunette-io/lunette/network/rdma/sim"
	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/target"
	"github.com/lunette-io/lunette/transport/srp"
	"github.com/lunette-io/lunette/transport/srp/iu"
	"github.com/lunette-io/lunette/transport/transporttest"
)

// second is another target for the node of s.
func second(t *testing.T) (srp.Target, *fakeUnit) {
	t.Helper()
	u := newFakeUnit(buffer.NewArena(1 << 20))
	tgt, err := target.NewTarget("second", target.Mapping{Unit: target.NewUnit("u", u)})
	if err != nil {
		t.Fatal(err)
	}
	return srp.Target{SCSI: tgt, IDExt: 7, IOCGUID: 8}, u
}

// A target comes and goes while others are in use.
func TestTargetComesAndGoes(t *testing.T) { over(t, testTargetComesAndGoes) }

func testTargetComesAndGoes(t *testing.T, start starter) {
	s := start(t, srp.Config{})
	other := s.Dial(s.Config(1))
	ready(t, other)
	st, _ := second(t)
	cfg := s.Config(1)
	cfg.Target = iu.MakePortID(7, 8)
	x := iu.LoginRequest{MaxIU: 276, Initiator: cfg.Initiator, Target: cfg.Target}
	for round := range 3 {
		rejected(t, s, cfg, x.AppendCM(nil), iu.RejectTarget)
		if err := s.Node.SetTarget(st); err != nil {
			t.Fatal(err)
		}
		ports := st.SCSI.Ports()
		if len(ports) != 1 || ports[0].Relative != 1 || ports[0].Protocol != scsi.ProtocolSRP || ports[0].Name != cfg.Target.String() {
			t.Fatalf("round %d: ports %+v", round, ports)
		}
		c := s.Dial(cfg)
		ready(t, c)
		gone := make(chan bool)
		if err := s.Node.RemoveTarget("second", func() { close(gone) }); err != nil {
			t.Fatal(err)
		}
		<-gone
		<-c.Gone()
		var l *initiator.LogoutError
		if !errors.As(c.Err(), &l) || l.Reason != iu.LogoutNoReason {
			t.Error(c.Err())
		}
		if len(st.SCSI.Nexuses()) != 0 || len(st.SCSI.Ports()) != 0 {
			t.Errorf("%d nexuses and %d ports are left", len(st.SCSI.Nexuses()), len(st.SCSI.Ports()))
		}
		ready(t, other)
	}
	if err := s.Node.RemoveTarget("second", nil); err == nil {
		t.Error("a target is removed twice")
	}
}

// done of RemoveTarget waits for the last task, also of a nexus that was lost before.
func TestRemoveTargetWaits(t *testing.T) { over(t, testRemoveTargetWaits) }

func testRemoveTargetWaits(t *testing.T, start starter) {
	s := start(t, srp.Config{})
	held(t, s, s.Dial(s.Config(1)), 1)
	held(t, s, s.Dial(s.Config(2)), 1)
	s.Dial(s.Config(2)) // what it had before is lost, with a task
	var gone atomic.Bool
	if err := s.Node.RemoveTarget(s.Target.Name, func() { gone.Store(true) }); err != nil {
		t.Fatal(err)
	}
	transporttest.Eventually(t, "the sessions end", func() bool { return len(s.Node.Sessions()) == 0 })
	if gone.Load() {
		t.Error("told before the last task has ended")
	}
	s.Units[0].Release()
	transporttest.Eventually(t, "it is told", gone.Load)
	if n := s.Units[0].Attached.Load(); n != 0 {
		t.Errorf("%d nexuses at the unit", n)
	}
}

// SetTarget changes who may log in, and the port.
func TestSetTargetAgain(t *testing.T) { over(t, testSetTargetAgain) }

func testSetTargetAgain(t *testing.T, start starter) {
	s := start(t, srp.Config{})
	cfg := s.Config(1)
	c := s.Dial(cfg)
	ready(t, c)
	st := srp.Target{SCSI: s.Target, IDExt: transporttest.SRPIDExt, IOCGUID: transporttest.SRPIOCGUID, Initiators: []string{s.Config(2).Initiator.String()}}
	if err := s.Node.SetTarget(st); err != nil {
		t.Fatal(err)
	}
	ready(t, c) // it stays
	x := iu.LoginRequest{MaxIU: 276, Initiator: cfg.Initiator, Target: cfg.Target}
	rejected(t, s, cfg, x.AppendCM(nil), iu.RejectTarget)
	ready(t, s.Dial(s.Config(2)))
	// Another identifier is another port.
	st.IDExt, st.Initiators = 99, nil
	if err := s.Node.SetTarget(st); err != nil {
		t.Fatal(err)
	}
	<-c.Gone()
	rejected(t, s, cfg, x.AppendCM(nil), iu.RejectTarget)
	cfg.Target = iu.MakePortID(99, transporttest.SRPIOCGUID)
	ready(t, s.Dial(cfg))
	if all := s.Target.Ports(); len(all) != 1 || all[0].Relative != 2 || all[0].Name != cfg.Target.String() {
		t.Errorf("ports %+v", all)
	}
}

// A target that somebody else has closed, or whose port is gone, takes no logins.
func TestClosedTarget(t *testing.T) { over(t, testClosedTarget) }

func testClosedTarget(t *testing.T, start starter) {
	s := start(t, srp.Config{})
	ready(t, s.Dial(s.Config(1)))
	s.Target.Close()
	x := iu.LoginRequest{MaxIU: 276, Initiator: s.Config(2).Initiator, Target: s.Config(2).Target}
	rejected(t, s, s.Config(2), x.AppendCM(nil), iu.RejectTarget)
}

// A portal shows some targets.
func TestPortalShows(t *testing.T) { over(t, testPortalShows) }

func testPortalShows(t *testing.T, start starter) {
	s := start(t, srp.Config{})
	st, _ := second(t)
	if err := s.Node.SetTarget(st); err != nil {
		t.Fatal(err)
	}
	first := s.Config(1)
	other := first
	other.Target = iu.MakePortID(7, 8)
	logins := func(what string, wantFirst, wantOther bool) {
		t.Helper()
		for cfg, want := range map[*initiator.Config]bool{&first: wantFirst, &other: wantOther} {
			if want {
				ready(t, s.Dial(*cfg))
				continue
			}
			x := iu.LoginRequest{MaxIU: 276, Initiator: cfg.Initiator, Target: cfg.Target}
			rejected(t, s, *cfg, x.AppendCM(nil), iu.RejectTarget)
		}
	}
	logins("all", true, true)
	s.Portal.Show([]string{"second"})
	logins("one", false, true)
	s.Portal.Show([]string{})
	logins("none", false, false)
	s.Portal.Show([]string{s.Target.Name, "second", "a third"})
	logins("both", true, true)
	s.Portal.Show(nil)
	logins("all", true, true)
}

// An initiator sees what it is shown, while it is logged in.
func TestMapChanges(t *testing.T) { over(t, testMapChanges) }

func testMapChanges(t *testing.T, start starter) {
	s := start(t, srp.Config{})
	cfg := s.Config(1)
	c := s.Dial(cfg)
	maps := s.Target.Mappings(target.Initiator{})
	status := func(lun scsi.LUN) scsi.Sense {
		k := initiator.Command{LUN: lun, CDB: make([]byte, 6)}
		if err := c.Do(&k); err != nil {
			t.Fatal(err)
		}
		return k.Sense
	}
	if status(1<<48) != (scsi.Sense{}) {
		t.Error("LUN 1 is not there")
	}
	set := func(some ...target.View) {
		t.Helper()
		v, err := target.NewViews(s.Target.Name, maps, some...)
		if err != nil {
			t.Fatal(err)
		}
		s.Target.SetViews(v, nil)
	}
	set(target.View{Initiators: []string{cfg.Initiator.String()}, Maps: maps[:1]})
	if status(1<<48) != scsi.LogicalUnitNotSupported() || status(0) != (scsi.Sense{}) {
		t.Error("the map has not changed")
	}
	set(target.View{Addresses: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}})
	if status(1<<48) != (scsi.Sense{}) {
		t.Error("LUN 1 is not there again")
	}
}

// An initiator that owes data for which others wait for too long loses its channel.
func TestOverdue(t *testing.T) { synctest.Test(t, testOverdue) }

func testOverdue(t *testing.T) {
	log := &counting{Handler: slog.DiscardHandler, says: make(map[string]int)}
	s, n := simulate(t, srp.Config{Log: slog.New(log)})
	c, other := s.Dial(s.Config(1)), s.Dial(s.Config(2))
	ready(t, c)
	n.Break(func(e sim.Event) sim.Fate { return sim.Fate{Mute: e.Op == rdma.Read} })
	k := initiator.Command{CDB: write(0, 4096, transporttest.Lend), Out: make([]byte, 4096)}
	_ = c.Submit(&k)
	transporttest.Eventually(t, "its data is asked for", func() bool { return session(t, s, s.Config(1)).Channels[0].Stats.Reads == 1 })
	before := time.Now()
	unit := s.Target.Mappings(target.Initiator{})[0].Unit
	if err := unit.Pause(t.Context()); err != nil {
		t.Error(err)
	}
	unit.Resume()
	if d := time.Since(before); d > 2*target.Patience {
		t.Errorf("after %v", d)
	}
	c.Abandon()
	if err := c.Finish(&k); err == nil {
		t.Error("the command has ended well")
	}
	n.Break(nil)
	ready(t, other)
	log.mu.Lock()
	defer log.mu.Unlock()
	if log.says["SRP channel ended: others wait for the initiator"] != 1 {
		t.Errorf("the log says %v", log.says)
	}
}
