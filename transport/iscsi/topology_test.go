package iscsi_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	initiator "github.com/lunette-io/lunette/initiator/iscsi"
	"github.com/lunette-io/lunette/network/tcp"
	"github.com/lunette-io/lunette/target"
	"github.com/lunette-io/lunette/transport/iscsi"
	"github.com/lunette-io/lunette/transport/iscsi/auth"
	keys "github.com/lunette-io/lunette/transport/iscsi/login"
	"github.com/lunette-io/lunette/transport/iscsi/pdu"
	iscsitcp "github.com/lunette-io/lunette/transport/iscsi/tcp"
	"github.com/lunette-io/lunette/transport/transporttest"
)

// status is what a login was refused with; 0: it was not.
func status(t *testing.T, s *transporttest.ISCSI, cfg initiator.Config) pdu.LoginStatus {
	t.Helper()
	c, err := s.TryDial(cfg)
	var f *keys.Failure
	switch {
	case err == nil:
		_ = c.Close()
	case errors.As(err, &f):
		return f.Status
	default:
		t.Fatal(err)
	}
	return pdu.LoginSuccess
}

// TestSetTarget changes how a target is shown: for logins from now on.
func TestSetTarget(t *testing.T) {
	s := transporttest.StartISCSI(t, iscsi.Config{}, nil)
	c := s.Dial(s.Config(1))
	set := func(change func(*iscsi.Target)) {
		t.Helper()
		x := iscsi.Target{SCSI: s.Target}
		change(&x)
		if err := s.Node.SetTarget(x); err != nil {
			t.Fatal(err)
		}
	}
	set(func(x *iscsi.Target) { x.Initiators = []iscsi.Initiator{{Name: "iqn.2026-11.io.lunette.test:another"}} })
	if got := status(t, s, s.Config(2)); got != pdu.LoginNotFound {
		t.Error("an initiator that is not admitted any more:", got)
	}
	chap, err := auth.NewCHAP(auth.Config{Accounts: []auth.Account{*account(t, "alice", "alices-secret-01")}})
	if err != nil {
		t.Fatal(err)
	}
	set(func(x *iscsi.Target) { x.Auth = func() keys.Authenticator { return chap.Begin() } })
	if got := status(t, s, s.Config(2)); got != pdu.LoginAuthenticationFail {
		t.Error("a login without a secret:", got)
	}
	set(func(*iscsi.Target) {})
	if got := status(t, s, s.Config(2)); got != pdu.LoginSuccess {
		t.Error("a login after all:", got)
	}
	good(t, c, read(0, 512, transporttest.Lend), nil, make([]byte, 512)) // it was there all the time
	other, err := target.NewTarget(transporttest.TargetName)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Node.SetTarget(iscsi.Target{SCSI: other}); err == nil {
		t.Error("another target took the name of one that is there")
	}
	if err := s.Node.AddTarget(iscsi.Target{SCSI: s.Target}); err == nil {
		t.Error("a target was added twice")
	}
}

// TestRemoveTarget ends the sessions with a target, whatever goes on in them, and no others.
func TestRemoveTarget(t *testing.T) { transporttest.OverISCSI(t, testRemoveTarget) }

func testRemoveTarget(t *testing.T, start transporttest.Start) {
	s := start(iscsi.Config{}, nil)
	other, err := target.NewTarget(transporttest.TargetName + "2")
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Node.AddTarget(iscsi.Target{SCSI: other}); err != nil {
		t.Fatal(err)
	}
	elsewhere := s.Config(3)
	elsewhere.TargetName += "2"
	stays := s.Dial(elsewhere)
	for round := range 5 {
		cfg := s.Config(1)
		cfg.Withhold = true
		gone := s.Dial(cfg)
		for range 5 {
			_ = gone.Submit(&initiator.Command{CDB: write(0, 512<<10, transporttest.Way(round%3)), Out: make([]byte, 512<<10)})
		}
		held := initiator.Command{CDB: read(0, 512, transporttest.Hold), In: make([]byte, 512)}
		_ = gone.Submit(&held)
		_, _ = gone.Poll()
		transporttest.Eventually(t, "the unit holds one", func() bool { return s.Units[0].Held.Load() == 1 })
		done := make(chan struct{})
		if err := s.Node.RemoveTarget(transporttest.TargetName, func() { close(done) }); err != nil {
			t.Fatal(err)
		}
		if got := status(t, s, s.Config(2)); got != pdu.LoginNotFound {
			t.Fatal("a login to a target that was removed:", got)
		}
		select {
		case <-done:
			t.Fatal("the target is gone, and a task of it is not")
		default:
		}
		s.Units[0].Release()
		<-done
		if a, n := s.Units[0].Attached.Load(), len(s.Target.Nexuses()); a != 0 || n != 0 {
			t.Fatalf("%d nexuses at the unit, %d at the target", a, n)
		}
		if _, err := gone.Ping(nil); err == nil {
			t.Fatal("the session lives")
		}
		if _, err := stays.Ping(nil); err != nil {
			t.Fatal(err)
		}
		if err := s.Node.AddTarget(iscsi.Target{SCSI: s.Target}); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Node.RemoveTarget("iqn.2026-11.io.lunette.test:none", nil); err == nil {
		t.Error("a target was removed that was never there")
	}
}

// TestRemoveTargetStorm has initiators log in and work while their target comes and goes: nothing
// is left behind, which the end of every test here checks.
func TestRemoveTargetStorm(t *testing.T) {
	s := transporttest.StartISCSI(t, iscsi.Config{}, nil)
	stop := make(chan struct{})
	var all sync.WaitGroup
	for i := range byte(6) {
		all.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				c, err := s.TryDial(s.Config(i))
				if err != nil {
					continue
				}
				for range 20 {
					if _, err := c.Do(0, write(uint32(i), 8192, transporttest.Later), make([]byte, 8192), nil); err != nil {
						break
					}
				}
				_ = c.Close()
			}
		})
	}
	for range 30 {
		time.Sleep(5 * time.Millisecond)
		done := make(chan struct{})
		if err := s.Node.RemoveTarget(transporttest.TargetName, func() { close(done) }); err != nil {
			t.Error(err)
			break
		}
		<-done
		if err := s.Node.SetTarget(iscsi.Target{SCSI: s.Target}); err != nil {
			t.Error(err)
			break
		}
	}
	close(stop)
	all.Wait()
}

// TestPortals shows different targets by different portals, and changes that.
func TestPortals(t *testing.T) {
	s := transporttest.StartISCSI(t, iscsi.Config{}, nil)
	second, err := target.NewTarget(transporttest.TargetName + "2")
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Node.AddTarget(iscsi.Target{SCSI: second}); err != nil {
		t.Fatal(err)
	}
	e := transporttest.NewEngine(t)
	p, err := iscsitcp.Listen(context.Background(), "127.0.0.1:0", s.Node, e, tcp.Options{})
	if err != nil {
		t.Fatal(err)
	}
	p.Start()
	t.Cleanup(func() {
		_ = p.Close()
		s.Close()
		_ = e.Close()
	})
	// ask logs in to a target by the portal at addr, and asks there for all targets.
	ask := func(addr, name string) (pdu.LoginStatus, string) {
		t.Helper()
		cfg := s.Config(1)
		cfg.TargetName = ""
		c, err := initiator.Dial(t.Context(), addr, cfg)
		if err != nil {
			t.Fatal(err)
		}
		found, err := c.SendTargets("All")
		if err != nil {
			t.Fatal(err)
		}
		_ = c.Close()
		var all string
		for _, f := range found {
			all += fmt.Sprint(f.Name[len(transporttest.TargetName):], f.Addresses)
		}
		cfg.TargetName = name
		var f *keys.Failure
		if c, err = initiator.Dial(t.Context(), addr, cfg); err == nil {
			_ = c.Close()
			return pdu.LoginSuccess, all
		} else if !errors.As(err, &f) {
			t.Fatal(err)
		}
		return f.Status, all
	}
	a, b := s.Addr, p.Addr()
	check := func(addr, name string, want pdu.LoginStatus, shown string) {
		t.Helper()
		if got, all := ask(addr, name); got != want || all != shown {
			t.Errorf("%v, shown %s instead of %s", got, all, shown)
		}
	}
	one, two := transporttest.TargetName, second.Name
	both := fmt.Sprintf("[%s,1 %s,1]", a, b)
	only := fmt.Sprintf("[%s,1]", a)
	check(b, one, pdu.LoginSuccess, both+"2"+both)
	p.Set(iscsi.Showing{Targets: []string{two, "iqn.2026-11.io.lunette.test:not-yet"}})
	check(a, one, pdu.LoginSuccess, only+"2"+both)
	check(b, one, pdu.LoginNotFound, "2"+both)
	check(b, two, pdu.LoginSuccess, "2"+both)
	p.Set(iscsi.Showing{Targets: []string{}})
	check(a, two, pdu.LoginSuccess, only+"2"+only)
	check(b, two, pdu.LoginNotFound, "")
	p.Set(iscsi.Showing{})
	check(b, two, pdu.LoginSuccess, both+"2"+both)
	c, err := initiator.Dial(t.Context(), b, s.Config(9))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_ = p.Close()
	check(a, one, pdu.LoginSuccess, only+"2"+only)
	good(t, c, read(0, 512, transporttest.Lend), nil, make([]byte, 512)) // its session stays
}
