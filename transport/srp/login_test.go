package srp_test

import (
	"context"
	"encoding/binary"
	"errors"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	initiator "github.com/lunette-io/lunette/initiator/srp"
	"github.com/lunette-io/lunette/network/rdma"
	"github.com/lunette-io/lunette/network/rdma/sim"
	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/target"
	"github.com/lunette-io/lunette/transport/srp"
	"github.com/lunette-io/lunette/transport/srp/iu"
	"github.com/lunette-io/lunette/transport/transporttest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// ctx bounds a test's waits.
func ctx(tb testing.TB) context.Context {
	c, cancel := context.WithTimeout(context.Background(), transporttest.Patience)
	tb.Cleanup(cancel)
	return c
}

// rejected dials and expects to be refused.
func rejected(t *testing.T, s *transporttest.SRP, cfg initiator.Config, private []byte, want iu.RejectReason) {
	t.Helper()
	c, err := initiator.DialPrivate(ctx(t), s.Devices.Initiator, s.Addr, cfg, private)
	var r *initiator.RejectedError
	if err == nil {
		c.Abandon()
		t.Fatalf("logged in; want %v", want)
	}
	if !errors.As(err, &r) || r.Reason != want || r.Formats != 6 {
		t.Fatalf("%v; want %v", err, want)
	}
}

func TestRejects(t *testing.T) { over(t, testRejects) }

func testRejects(t *testing.T, start starter) {
	s := start(t, srp.Config{})
	cfg := s.Config(1)
	good := iu.LoginRequest{Tag: 7, MaxIU: 276, Needs: 6, Initiator: cfg.Initiator, Target: cfg.Target}
	for name, c := range map[string]struct {
		change func(x *iu.LoginRequest)
		want   iu.RejectReason
	}{
		"IU too long":          {func(x *iu.LoginRequest) { x.MaxIU = 8277 }, iu.RejectIULength},
		"IU far too long":      {func(x *iu.LoginRequest) { x.MaxIU = 1<<32 - 1 }, iu.RejectIULength},
		"IU too short":         {func(x *iu.LoginRequest) { x.MaxIU = 63 }, iu.RejectIULength},
		"length before target": {func(x *iu.LoginRequest) { x.MaxIU, x.Target = 63, iu.PortID{} }, iu.RejectIULength},
		"other target":         {func(x *iu.LoginRequest) { x.Target[15]++ }, iu.RejectTarget},
		"other extension":      {func(x *iu.LoginRequest) { x.Target[0]++ }, iu.RejectTarget},
		"target before format": {func(x *iu.LoginRequest) { x.Target[0]++; x.Needs = 0xffff }, iu.RejectTarget},
		"formats":              {func(x *iu.LoginRequest) { x.Needs = 8 | 6 }, iu.RejectFormats},
		"action":               {func(x *iu.LoginRequest) { x.Action = 2 }, iu.RejectMultichannel},
	} {
		t.Run(name, func(t *testing.T) {
			x := good
			c.change(&x)
			rejected(t, s, cfg, x.AppendCM(nil), c.want)
			if s.Devices.Asks == 0 { // else the connection manager's form is the only one that fits
				rejected(t, s, cfg, x.Append(nil), c.want)
			}
		})
	}
	long := good.AppendCM(nil)
	if s.Devices.Asks == 0 { // else what is too short is filled up
		rejected(t, s, cfg, nil, iu.RejectUnable)
		rejected(t, s, cfg, long[:55], iu.RejectUnable)
		long = good.Append(nil)
	}
	wrong := good.AppendCM(nil)
	wrong[11] = 2
	rejected(t, s, cfg, wrong, iu.RejectUnable)
	c, err := initiator.DialPrivate(ctx(t), s.Devices.Initiator, s.Addr, cfg, long)
	if err != nil {
		t.Fatal(err)
	}
	if l := c.Login; l.Delta != 128 || l.Tag != 7 || l.MaxIn != 8276 || l.MaxOut < 96+36 || l.Formats != 6 || l.Result != iu.NoChannels || l.Immediate {
		t.Errorf("%+v", l)
	}
	if err := c.Logout(); err != nil {
		t.Error(err)
	}
}

// What Linux sends gets what Linux's target answers, but for how long our messages are.
func TestLoginOfLinux(t *testing.T) { over(t, testLoginOfLinux) }

func testLoginOfLinux(t *testing.T, start starter) {
	s := start(t, srp.Config{})
	cfg := s.Config(1)
	x := iu.LoginRequest{MaxIU: 0x2044, Needs: 6, Immediate: true, ImmediateOffset: 68, Initiator: cfg.Initiator, Target: cfg.Target}
	for i, want := range []iu.Result{iu.NoChannels, iu.Maintained} {
		x.Action = iu.Action(i)
		c, err := initiator.DialPrivate(ctx(t), s.Devices.Initiator, s.Addr, cfg, x.AppendCM(nil))
		if err != nil {
			t.Fatal(err)
		}
		defer c.Abandon()
		b := c.Login.Append(nil)
		binary.BigEndian.PutUint32(b[20:], 0x2044)
		if got := iu.Result(b[26] & 3); got != want {
			t.Errorf("result %d", got)
		}
		b[26] &^= 3
		if seen := "c00000000000008000000000000000000000205400002044000680"; strings.TrimRight(hexOf(b), "0") != strings.TrimRight(seen, "0") {
			t.Errorf("%x", b)
		}
	}
}

func TestImmediateOffsets(t *testing.T) { over(t, testImmediateOffsets) }

func testImmediateOffsets(t *testing.T, start starter) {
	s := start(t, srp.Config{})
	cfg := s.Config(1)
	for offset, want := range map[uint16]bool{0: false, 47: false, 48: false, 49: true, 68: true, 8276: true, 8277: false} {
		x := iu.LoginRequest{MaxIU: 276, Immediate: true, ImmediateOffset: offset, Initiator: cfg.Initiator, Target: cfg.Target}
		c, err := initiator.DialPrivate(ctx(t), s.Devices.Initiator, s.Addr, cfg, x.AppendCM(nil))
		if err != nil {
			t.Fatal(err)
		}
		if c.Login.Immediate != want {
			t.Errorf("offset %d: %v", offset, c.Login.Immediate)
		}
		_ = c.Close()
	}
}

func TestAccess(t *testing.T) {
	for _, c := range []struct {
		list []string
		ok   bool
	}{
		{nil, true},
		{[]string{"0x00000000000000000002c90300000001"}, true},
		{[]string{"0x00000000000000000002C90300000001", "10.0.0.9"}, true},
		{[]string{"10.0.0.9", "10.0.0.1"}, true},
		{[]string{"::ffff:10.0.0.1"}, true},
		{[]string{"10.0.0.9"}, false},
		{[]string{"0x00000000000000000002c90300000002"}, false},
	} {
		t.Run(strings.Join(c.list, ","), func(t *testing.T) {
			s := transporttest.StartSRP(t, transporttest.SimDevices(sim.New()), srp.Config{}, func(x *srp.Target) { x.Initiators = c.list })
			cfg := s.Config(1)
			x := iu.LoginRequest{MaxIU: 276, Initiator: cfg.Initiator, Target: cfg.Target}
			if c.ok {
				s.Dial(cfg)
			} else {
				rejected(t, s, cfg, x.AppendCM(nil), iu.RejectTarget)
			}
		})
	}
	node, err := srp.NewNode(srp.Config{})
	if err != nil {
		t.Fatal(err)
	}
	tgt, _ := target.NewTarget("t")
	for _, list := range []string{"", "0x12", "iqn.2026-11.io.lunette", "10.0.0.1:5555", "10.0.0.0/8"} {
		if err := node.SetTarget(srp.Target{SCSI: tgt, Initiators: []string{list}}); err == nil {
			t.Errorf("%q is an initiator", list)
		}
	}
	if err := node.SetTarget(srp.Target{SCSI: tgt, IDExt: 1}); err != nil {
		t.Error(err)
	}
	other, _ := target.NewTarget("other")
	if err := node.SetTarget(srp.Target{SCSI: other, IDExt: 1}); err == nil {
		t.Error("two targets have one identifier")
	}
	again, _ := target.NewTarget("t")
	if err := node.SetTarget(srp.Target{SCSI: again, IDExt: 2}); err == nil {
		t.Error("two targets have one name")
	}
	_ = node.Shutdown(context.Background())
	for _, cfg := range []srp.Config{{Credits: 1}, {Credits: 1 << 20}, {MaxIU: 63}, {MaxIU: 2 << 20}, {MaxDescriptors: -1}, {MaxDescriptors: 1 << 20}, {Reads: -1}} {
		if _, err := srp.NewNode(cfg); err == nil {
			t.Errorf("%+v is a configuration", cfg)
		}
	}
}

// An initiator whose ports have no identifiers is known by its address.
func TestNoIdentifier(t *testing.T) { over(t, testNoIdentifier) }

func testNoIdentifier(t *testing.T, start starter) {
	s := start(t, srp.Config{})
	cfg := s.Config(1)
	cfg.Initiator = iu.PortID{}
	s.Dial(cfg)
	cfg.Action = iu.Multi
	s.Dial(cfg)
	all := s.Target.Nexuses()
	if len(all) != 1 {
		t.Fatalf("%d nexuses", len(all))
	}
	want := s.Devices.Initiates(s.Addr).As16()
	if all[0].Initiator.Port != scsi.SRPPort(want) {
		t.Errorf("%+v", all[0].Initiator)
	}
}

// TestChannels is the rules of single and multi, which are about one I_T nexus.
func TestChannels(t *testing.T) { over(t, testChannels) }

func testChannels(t *testing.T, start starter) {
	s := start(t, srp.Config{MaxNexusChannels: 3})
	cfg := s.Config(1)
	multi := cfg
	multi.Action = iu.Multi
	dial := func(cfg initiator.Config, want iu.Result) *initiator.Conn {
		t.Helper()
		c := s.Dial(cfg)
		if c.Login.Result != want {
			t.Fatalf("result %d instead of %d", c.Login.Result, want)
		}
		return c
	}
	other := dial(s.Config(2), iu.NoChannels)
	a := dial(multi, iu.NoChannels) // as good as single when there is nothing
	b := dial(multi, iu.Maintained)
	ready(t, a)
	ready(t, b)
	dial(multi, iu.Maintained)
	x := iu.LoginRequest{MaxIU: 276, Action: iu.Multi, Initiator: cfg.Initiator, Target: cfg.Target}
	rejected(t, s, cfg, x.AppendCM(nil), iu.RejectChannels)
	if n := len(s.Target.Nexuses()); n != 2 {
		t.Errorf("%d nexuses", n)
	}
	if i := session(t, s, cfg); len(i.Channels) != 3 || i.Address != s.Devices.Initiates(s.Addr).String() || i.Channels[0].Transport == "" {
		t.Errorf("%+v", i)
	}
	c := dial(cfg, iu.Terminated)
	for _, o := range []*initiator.Conn{a, b} {
		<-o.Gone()
		var l *initiator.LogoutError
		if !errors.As(o.Err(), &l) || l.Reason != iu.LogoutReplaced {
			// it may have been broken off before it heard
			if !errors.Is(o.Err(), initiator.ErrClosed) {
				t.Error(o.Err())
			}
		}
	}
	ready(t, c)
	ready(t, other)
	if n := s.Units[0].Attached.Load(); n != 2 {
		t.Errorf("%d nexuses at the unit", n)
	}
	d := dial(multi, iu.Maintained)
	_ = c.Logout() // the first: the nexus goes on
	ready(t, d)
	if n := s.Units[0].Attached.Load(); n != 2 {
		t.Errorf("%d nexuses at the unit", n)
	}
	_ = d.Close()
	transporttest.Eventually(t, "the nexus is lost", func() bool { return len(s.Node.Sessions()) == 1 })
	dial(cfg, iu.NoChannels)
}

// A login that replaces channels does not wait for commands that do not end: until they have the
// unit at which they hang answers BUSY, and no other.
func TestReplacedButHeld(t *testing.T) { over(t, testReplacedButHeld) }

func testReplacedButHeld(t *testing.T, start starter) {
	s := start(t, srp.Config{})
	cfg := s.Config(1)
	c := s.Dial(cfg)
	held(t, s, c, 1)
	for range 3 { // one after the other
		c = s.Dial(cfg)
		if c.Login.Result != iu.Terminated {
			t.Fatalf("result %d", c.Login.Result)
		}
		k := initiator.Command{CDB: read(0, 512, 0), In: make([]byte, 512)}
		if err := c.Do(&k); err != nil || k.Status != scsi.Busy {
			t.Errorf("%v, %v", err, k.Status)
		}
		k = initiator.Command{LUN: 1 << 48, CDB: read(0, 512, 0), In: make([]byte, 512)}
		if err := c.Do(&k); err != nil || k.Status != scsi.Good {
			t.Errorf("the other unit: %v, %v", err, k.Status)
		}
	}
	ready(t, s.Dial(s.Config(2))) // another initiator
	if n := len(s.Node.Sessions()); n != 2 {
		t.Errorf("%d sessions", n)
	}
	s.Units[0].Release()
	transporttest.Eventually(t, "the unit is there again", func() bool {
		k := initiator.Command{CDB: make([]byte, 6)}
		return c.Do(&k) == nil && k.Status == scsi.Good
	})
}

func TestTooMany(t *testing.T) { over(t, testTooMany) }

func testTooMany(t *testing.T, start starter) {
	s := start(t, srp.Config{MaxChannels: 3}) // of which one address has two
	s.Dial(s.Config(1))
	c := s.Dial(s.Config(2))
	x := iu.LoginRequest{MaxIU: 276, Initiator: s.Config(3).Initiator, Target: s.Config(3).Target}
	rejected(t, s, s.Config(3), x.AppendCM(nil), iu.RejectResources)
	_ = c.Close()
	transporttest.Eventually(t, "there is room", func() bool { return len(s.Node.Sessions()) == 1 })
	s.Dial(s.Config(3))
}

// Everybody is told that the node goes.
func TestShutdown(t *testing.T) { over(t, testShutdown) }

func testShutdown(t *testing.T, start starter) {
	s := start(t, srp.Config{})
	var all []*initiator.Conn
	for i := range 5 {
		all = append(all, s.Dial(s.Config(byte(i))))
		ready(t, all[i])
	}
	idle := s.Dial(s.Config(7)) // it has sent nothing: it is told nothing
	held := initiator.Command{CDB: read(0, 512, transporttest.Hold), In: make([]byte, 512)}
	_ = all[0].Submit(&held)
	transporttest.Eventually(t, "it is held", func() bool { return s.Units[0].Held.Load() == 1 })
	go func() {
		<-all[0].Gone()
		s.Units[0].Release()
	}()
	if err := s.Node.Shutdown(ctx(t)); err != nil {
		t.Fatal(err)
	}
	s.Again()
	for _, c := range all {
		<-c.Gone()
		var l *initiator.LogoutError
		if !errors.As(c.Err(), &l) || l.Reason != iu.LogoutNoReason {
			t.Error(c.Err())
		}
	}
	<-idle.Gone()
	if _, err := initiator.Dial(ctx(t), s.Devices.Initiator, s.Addr, s.Config(9)); err == nil {
		t.Error("a node that is down takes logins")
	}
}

// A peer that takes nothing does not hold up the end of the node longer than it may.
func TestShutdownOfTheDeaf(t *testing.T) {
	s, n := simulate(t, srp.Config{})
	c := s.Dial(s.Config(1))
	ready(t, c)
	n.Break(func(e sim.Event) sim.Fate { return sim.Fate{Drop: !e.Dialed && e.Op == rdma.Send} })
	short, cancel := context.WithTimeout(context.Background(), 5*time.Millisecond)
	defer cancel()
	if err := s.Node.Shutdown(short); err != nil {
		t.Fatal(err)
	}
	s.Again()
}
