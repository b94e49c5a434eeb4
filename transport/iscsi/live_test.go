package iscsi_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	initiator "github.com/lunette-io/lunette/initiator/iscsi"
	"github.com/lunette-io/lunette/network/tcp"
	"github.com/lunette-io/lunette/transport/iscsi"
	"github.com/lunette-io/lunette/transport/iscsi/auth"
	keys "github.com/lunette-io/lunette/transport/iscsi/login"
	"github.com/lunette-io/lunette/transport/iscsi/pdu"
	iscsitcp "github.com/lunette-io/lunette/transport/iscsi/tcp"
	"github.com/lunette-io/lunette/transport/transporttest"
)

// storm has initiators log in, read and log out again, until the returned function is called.
func storm(s *transporttest.ISCSI, n byte) (end func()) {
	stop := make(chan struct{})
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				c, err := s.TryDial(s.Config(i + 1))
				if err != nil {
					continue
				}
				_, _ = c.Do(0, read(0, 512, transporttest.Lend), nil, make([]byte, 512))
				_ = c.Close()
			}
		})
	}
	return func() {
		close(stop)
		all.Wait()
	}
}

// While initiators log in, who may do so is made less, and those who are there and could not come any more are
// ended: nobody is in afterwards who would be refused, however far its login was.
func TestTightening(t *testing.T) { transporttest.OverISCSI(t, testTightening) }

func testTightening(t *testing.T, start transporttest.Start) {
	s := start(iscsi.Config{}, nil)
	chap, err := auth.NewCHAP(auth.Config{Accounts: []auth.Account{*account(t, "alice", "alices-secret-01")}})
	if err != nil {
		t.Fatal(err)
	}
	var runs atomic.Int64
	tight := []func(x *iscsi.Target){
		func(x *iscsi.Target) { x.Initiators = []iscsi.Initiator{{Name: "iqn.2026-11.io.lunette.test:another"}} },
		func(x *iscsi.Target) {
			x.Auth = func() keys.Authenticator { runs.Add(1); return chap.Begin() }
			x.Proof = chap
		},
		func(x *iscsi.Target) { x.Away = true },
	}
	end := storm(s, 6)
	defer end()
	for round := range 24 {
		x := iscsi.Target{SCSI: s.Target, Reset: true}
		if err := s.Node.SetTarget(x); err != nil {
			t.Fatal(err)
		}
		transporttest.Eventually(t, "somebody is in", func() bool { return len(s.Node.Sessions()) > 0 })
		tight[round%len(tight)](&x)
		if err := s.Node.SetTarget(x); err != nil {
			t.Fatal(err)
		}
		done := make(chan struct{})
		s.Node.EndSessions(func(i *iscsi.SessionIdentity) bool {
			return x.Away || !x.Admits(i.Initiator, i.User) || x.Auth != nil && i.User == ""
		},
			errors.New("not any more"), 0, func() { close(done) })
		<-done
		for range 20 {
			if n := len(s.Target.Nexuses()); n != 0 {
				t.Fatalf("round %d: %d are in who would be refused", round, n)
			}
			time.Sleep(100 * time.Microsecond)
		}
	}
	if runs.Load() == 0 {
		t.Error("nobody has been asked for a proof")
	}
}

// A target under maintenance refuses who comes, or sends them elsewhere, where they are let in; who is there is
// asked to log out, and ended if they do not.
func TestMaintenance(t *testing.T) { transporttest.OverISCSI(t, testMaintenance) }

func testMaintenance(t *testing.T, start transporttest.Start) {
	s := start(iscsi.Config{}, nil)
	elsewhere := start(iscsi.Config{}, nil)
	set := func(away bool, redirect string) {
		t.Helper()
		if err := s.Node.SetTarget(iscsi.Target{SCSI: s.Target, Away: away, Redirect: redirect}); err != nil {
			t.Fatal(err)
		}
	}
	good(t, s.Dial(s.Config(1)), read(0, 512, transporttest.Lend), nil, make([]byte, 512))
	for i := range byte(3) {
		_ = s.Dial(s.Config(2 + i))
	}
	set(true, "")
	if got := status(t, s, s.Config(9)); got != pdu.LoginServiceUnavailable {
		t.Error("a login under maintenance:", got)
	}
	stranger := s.Config(9)
	stranger.TargetName += "x"
	if got := status(t, s, stranger); got != pdu.LoginNotFound {
		t.Error("another target:", got)
	}
	set(true, elsewhere.Addr)
	_, err := s.TryDial(s.Config(9))
	var f *keys.Failure
	if !errors.As(err, &f) || f.Status != pdu.LoginMovedTemporarily || f.Redirect != elsewhere.Addr {
		t.Fatalf("it is sent nowhere: %v", err)
	}
	good(t, elsewhere.Dial(elsewhere.Config(9)), read(0, 512, transporttest.Lend), nil, make([]byte, 512))
	if n := len(s.Target.Nexuses()); n != 4 {
		t.Errorf("%d are left of those who were there", n)
	}
	done := make(chan struct{})
	if n := s.Node.EndSessions(func(*iscsi.SessionIdentity) bool { return true }, errors.New("maintenance"), time.Millisecond, func() { close(done) }); n != 4 {
		t.Errorf("%d sessions end", n)
	}
	<-done
	if n := len(s.Target.Nexuses()); n != 0 {
		t.Errorf("%d are still there", n)
	}
	set(false, "")
	if got := status(t, s, s.Config(9)); got != pdu.LoginSuccess {
		t.Error("a login after maintenance:", got)
	}
}

// Who is asked to log out and does so is not ended: all of its commands are answered.
func TestAskedToLeave(t *testing.T) {
	s := transporttest.StartISCSI(t, iscsi.Config{}, nil)
	asked := make(chan uint16, 1)
	cfg := s.Config(1)
	cfg.Events.Async = func(a pdu.Async, _ []byte) {
		if a.Event == pdu.AsyncLogoutRequest {
			asked <- a.Param3
		}
	}
	c := s.Dial(cfg)
	done := make(chan struct{})
	s.Node.EndSessions(func(*iscsi.SessionIdentity) bool { return true }, errors.New("late"), time.Hour, func() { close(done) })
	good(t, c, read(0, 512, transporttest.Lend), nil, make([]byte, 512))
	if in := <-asked; in != 3600 {
		t.Errorf("it is asked to leave within %d s", in)
	}
	if _, err := c.Logout(pdu.LogoutCloseSession, 0); err != nil {
		t.Error(err)
	}
	<-done
}

// Portals are in groups: each is a port of the target, discovery tells which, and a session stays in one.
func TestPortalGroups(t *testing.T) {
	s := transporttest.StartISCSI(t, iscsi.Config{}, nil)
	e := transporttest.NewEngine(t)
	p, err := iscsitcp.Listen(context.Background(), "127.0.0.1:0", s.Node, e, tcp.Options{})
	if err != nil {
		t.Fatal(err)
	}
	p.Set(iscsi.Showing{Group: 7})
	if n := len(s.Target.Ports()); n != 1 {
		t.Errorf("%d ports before the portal is known", n)
	}
	p.Start()
	t.Cleanup(func() {
		_ = p.Close()
		s.Close()
		_ = e.Close()
	})
	cfg := s.Config(1)
	cfg.Login.MaxConnections = 2
	first := s.Dial(cfg)
	second, err := initiator.Dial(t.Context(), p.Addr(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer second.Close()
	good(t, first, read(0, 512, transporttest.Lend), nil, make([]byte, 512))
	good(t, second, read(0, 512, transporttest.Lend), nil, make([]byte, 512))
	ports := s.Target.Ports()
	if len(ports) != 2 || ports[1].Name != transporttest.TargetName+",t,0x0007" || ports[1].Relative != 2 || len(s.Target.Nexuses()) != 2 {
		t.Errorf("%+v, %d nexuses", ports, len(s.Target.Nexuses()))
	}
	across := cfg
	across.TSIH, across.CID = first.TSIH(), 1
	var f *keys.Failure
	if c, err := initiator.Dial(t.Context(), p.Addr(), across); !errors.As(err, &f) || f.Status != pdu.LoginCannotInclude {
		t.Errorf("a connection of another group: %v %v", c, err)
	}
	find := cfg
	find.TargetName = ""
	d, err := initiator.Dial(t.Context(), p.Addr(), find)
	if err != nil {
		t.Fatal(err)
	}
	found, err := d.SendTargets("All")
	if want := fmt.Sprintf("[%s,1 %s,7]", s.Addr, p.Addr()); err != nil || len(found) != 1 || fmt.Sprint(found[0].Addresses) != want {
		t.Errorf("%+v %v; want %s", found, err, want)
	}
	_ = d.Close()
	p.Set(iscsi.Showing{}) // who is there stays, and its port goes
	if n := len(s.Target.Ports()); n != 1 {
		t.Errorf("%d ports", n)
	}
	good(t, second, read(0, 512, transporttest.Lend), nil, make([]byte, 512))
	p.Set(iscsi.Showing{Group: 7})
	if ports := s.Target.Ports(); len(ports) != 2 || ports[1].Relative != 2 {
		t.Errorf("%+v", ports)
	}
}

// Limits and what a login shall come to change for those who come later.
func TestLiveLimits(t *testing.T) {
	s := transporttest.StartISCSI(t, iscsi.Config{}, nil)
	first := s.Dial(s.Config(1))
	s.Node.SetLimits(iscsi.Limits{MaxConnections: 1})
	if got := status(t, s, s.Config(2)); got != pdu.LoginOutOfResources {
		t.Error("a connection too many:", got)
	}
	s.Node.SetLimits(iscsi.Limits{})
	w := s.Node.Login()
	w.FirstBurstLength = 4096
	if err := iscsi.CheckLogin(w); err != nil {
		t.Fatal(err)
	}
	s.Node.SetLogin(w)
	second := s.Dial(s.Config(2))
	if a, b := first.Params().FirstBurstLength, second.Params().FirstBurstLength; a == 4096 || b != 4096 {
		t.Errorf("FirstBurstLength=%d, and then %d", a, b)
	}
	w.FirstBurstLength = 16 << 20
	if err := iscsi.CheckLogin(w); err == nil {
		t.Error("a burst that no command can move")
	}
}
