package iscsi_test

import (
	"bytes"
	"io"
	"log/slog"
	"strings"
	"sync"
	"testing"

	"github.com/lunette-io/lunette/device/nexus"
	initiator "github.com/lunette-io/lunette/initiator/iscsi"
	"github.com/lunette-io/lunette/transport/iscsi"
	"github.com/lunette-io/lunette/transport/iscsi/auth"
	keys "github.com/lunette-io/lunette/transport/iscsi/login"
	"github.com/lunette-io/lunette/transport/iscsi/pdu"
	"github.com/lunette-io/lunette/transport/transporttest"
)

// users makes a target that alice and bob may log in to, and what they log in with.
func users(t *testing.T) (change func(*iscsi.Target), as func(s *transporttest.ISCSI, user string, port byte) initiator.Config) {
	alice, bob := account(t, "alice", "alices-secret-01"), account(t, "bob", "bobs-secret-0001")
	chap, err := auth.NewCHAP(auth.Config{Accounts: []auth.Account{*alice, *bob}})
	if err != nil {
		t.Fatal(err)
	}
	who := map[string]*auth.Account{"alice": alice, "bob": bob, "": nil}
	change = func(x *iscsi.Target) { x.Auth = func() keys.Authenticator { return chap.Begin() } }
	return change, func(s *transporttest.ISCSI, user string, port byte) initiator.Config {
		c := s.Config(port)
		c.Account = who[user]
		return c
	}
}

// A session belongs to the user who has made it: no other ends it by a login as the same initiator
// port, joins it, or takes the place of a connection of it.
func TestSessionsHaveAnOwner(t *testing.T) { transporttest.OverISCSI(t, testSessionsHaveAnOwner) }

func testSessionsHaveAnOwner(t *testing.T, start transporttest.Start) {
	change, as := users(t)
	s := start(iscsi.Config{}, change)
	first := as(s, "alice", 1)
	first.Login.MaxConnections = 4
	c := s.Dial(first)
	if got := s.Node.Sessions(); len(got) != 1 || got[0].User != "alice" {
		t.Fatalf("%+v", got)
	}
	if got := status(t, s, as(s, "bob", 1)); got != pdu.LoginAuthorizationFail {
		t.Errorf("a login of another user as the same port: %v", got)
	}
	for cid := range uint16(2) {
		join := as(s, "bob", 1)
		join.TSIH, join.CID = c.TSIH(), cid
		if got := status(t, s, join); got != pdu.LoginAuthorizationFail {
			t.Errorf("another user as connection %d: %v", cid, got)
		}
	}
	if _, err := c.Ping(nil); err != nil {
		t.Errorf("the session of alice: %v", err)
	}
	if got := status(t, s, as(s, "alice", 1)); got != pdu.LoginSuccess {
		t.Errorf("alice herself: %v", got)
	}
}

// A session for which nobody has proved anything is anybody's who is let in: a host that is given a
// user gets in again.
func TestSessionsWithoutAnOwner(t *testing.T) {
	change, as := users(t)
	s := transporttest.StartISCSI(t, iscsi.Config{}, nil)
	s.Dial(as(s, "", 1))
	x := iscsi.Target{SCSI: s.Target}
	change(&x)
	if err := s.Node.SetTarget(x); err != nil {
		t.Fatal(err)
	}
	if got := status(t, s, as(s, "alice", 1)); got != pdu.LoginSuccess {
		t.Error(got)
	}
}

// A name that is tied to users is theirs alone.
func TestInitiatorsAreTiedToUsers(t *testing.T) {
	change, as := users(t)
	s := transporttest.StartISCSI(t, iscsi.Config{}, func(x *iscsi.Target) {
		change(x)
		x.Initiators = []iscsi.Initiator{{Name: transporttest.InitiatorName, User: "alice"}}
	})
	set := func(all ...iscsi.Initiator) {
		t.Helper()
		x := iscsi.Target{SCSI: s.Target, Initiators: all}
		change(&x)
		if err := s.Node.SetTarget(x); err != nil {
			t.Fatal(err)
		}
	}
	port := byte(0)
	try := func(user string, want pdu.LoginStatus) {
		t.Helper()
		port++ // the session of the last login may not have ended yet
		if got := status(t, s, as(s, user, port)); got != want {
			t.Errorf("%s: %v instead of %v", user, got, want)
		}
	}
	try("bob", pdu.LoginAuthorizationFail)
	try("alice", pdu.LoginSuccess)
	set(iscsi.Initiator{Name: transporttest.InitiatorName, User: "alice"}, iscsi.Initiator{Name: transporttest.InitiatorName, User: "bob"})
	try("bob", pdu.LoginSuccess)
	set(iscsi.Initiator{Name: transporttest.InitiatorName})
	try("bob", pdu.LoginSuccess)
	set(iscsi.Initiator{Name: "iqn.2026-11.io.lunette.test:other", User: "bob"})
	try("bob", pdu.LoginNotFound)
}

// What the nexus of a user has registered is not there for another who logs in by the same port.
func TestNexusesHaveAUser(t *testing.T) {
	change, as := users(t)
	s := transporttest.StartISCSI(t, iscsi.Config{}, change)
	var seen []string
	for _, user := range []string{"alice", "bob"} {
		c := s.Dial(as(s, user, 1))
		for _, n := range s.Target.Nexuses() {
			seen = append(seen, nexus.KeyOf(n).User)
		}
		if _, err := c.Logout(pdu.LogoutCloseSession, 0); err != nil {
			t.Fatal(err)
		}
		transporttest.Eventually(t, "the session is there", func() bool { return len(s.Target.Nexuses()) == 0 })
	}
	if len(seen) != 2 || seen[0] != "alice" || seen[1] != "bob" {
		t.Errorf("nexuses of %q", seen)
	}
}

// The log says why a login was refused, where the initiator is not told.
func TestRefusalsAreTold(t *testing.T) {
	var log bytes.Buffer
	change, as := users(t)
	s := transporttest.StartISCSI(t, iscsi.Config{Log: slog.New(slog.NewTextHandler(&locked{w: &log}, nil))}, func(x *iscsi.Target) {
		change(x)
		x.Initiators = []iscsi.Initiator{{Name: transporttest.InitiatorName, User: "alice"}}
	})
	refused := []struct {
		change func(c *initiator.Config)
		want   string
	}{
		{func(c *initiator.Config) { c.TargetName += "2" }, "there is no such target"},
		{func(c *initiator.Config) { c.InitiatorName += "2" }, "the initiator is not among those of the target"},
		{func(c *initiator.Config) { c.Account = account(t, "carol", "carols-secret-01") }, "user=carol failures=1 why=\"login refused, status 0201 (authentication failure): CHAP: there is no such user"},
		{func(c *initiator.Config) { c.Account = account(t, "alice", "carols-secret-01") }, "user=alice failures=1 why=\"login refused, status 0201 (authentication failure): CHAP: the response is wrong"},
		{func(c *initiator.Config) { c.Account = account(t, "bob", "bobs-secret-0001") }, `the target lets this initiator in by another user than \"bob\"`},
		{func(c *initiator.Config) { c.TSIH = 0x1234 }, "there is no such session"},
	}
	for _, x := range refused {
		cfg := as(s, "alice", 1)
		x.change(&cfg)
		if got := status(t, s, cfg); got == pdu.LoginSuccess {
			t.Error("let in:", x.want)
		}
	}
	s.Close()
	for _, x := range refused {
		if !strings.Contains(log.String(), x.want) {
			t.Errorf("the log does not say %q:\n%s", x.want, log.String())
		}
	}
	if strings.Contains(log.String(), "secret-0") {
		t.Error("the log has a secret")
	}
}

// locked is a writer for several goroutines.
type locked struct {
	mu sync.Mutex
	w  io.Writer
}

func (l *locked) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(p)
}
