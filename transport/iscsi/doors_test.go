package iscsi_test

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	initiator "github.com/lunette-io/lunette/initiator/iscsi"
	"github.com/lunette-io/lunette/transport/iscsi"
	keys "github.com/lunette-io/lunette/transport/iscsi/login"
	"github.com/lunette-io/lunette/transport/iscsi/pdu"
	"github.com/lunette-io/lunette/transport/transporttest"
)

// A logbook is a log that can be read while others write to it.
type logbook struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logbook) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logbook) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func (l *logbook) logger() *slog.Logger { return slog.New(slog.NewTextHandler(l, nil)) }

// from is a mover that comes from another address than it does.
type from struct {
	iscsi.Mover
	remote     string
	terminated chan error
}

func (f *from) Traits() iscsi.Traits    { return iscsi.Traits{Name: "x", Network: "x", Remote: f.remote} }
func (f *from) Terminate(err error)     { f.terminated <- err }
func (f *from) Stats() iscsi.MoverStats { return iscsi.MoverStats{} }
func newFrom(remote string) *from       { return &from{remote: remote, terminated: make(chan error, 1)} }
func (f *from) has() bool               { return len(f.terminated) > 0 }

// TestHalfLogins: who opens more and more connections makes room by its own alone.
func TestHalfLogins(t *testing.T) {
	var log logbook
	n, err := iscsi.NewNode(iscsi.Config{Log: log.logger(), Limits: iscsi.Limits{MaxLogins: 10, LoginTimeout: time.Hour}})
	if err != nil {
		t.Fatal(err)
	}
	p := n.AddPortal("x", "192.0.2.1:3260")
	var open []*iscsi.Conn
	all := map[*iscsi.Conn]*from{}
	connect := func(remote string) *from {
		t.Helper()
		f := newFrom(remote)
		c, err := p.Connect(f)
		if err != nil {
			t.Fatal(err)
		}
		open = append(open, c)
		open = slices.DeleteFunc(open, func(c *iscsi.Conn) bool {
			ended := all[c] != nil && all[c].has()
			if ended {
				c.Terminated(nil)
			}
			return ended
		})
		all[c] = f
		return f
	}
	modest := []*from{connect("192.0.2.7:1000"), connect("[2001:db8:1::7]:1000"), connect("strange:1")}
	var flood []*from
	for i := range 100 {
		// All of them are of one network.
		flood = append(flood, connect(fmt.Sprintf("[2001:db8:66::%x]:%d", i, 2000+i)))
		if i%7 == 0 {
			c := open[len(open)-1]
			c.Terminated(nil)
			open = open[:len(open)-1]
		}
	}
	for i, m := range modest {
		if m.has() {
			t.Errorf("connection %d made room for another address", i)
		}
	}
	left := 0
	for _, f := range flood {
		if !f.has() {
			left++
		}
	}
	if left != 7+15 { // 15 went by themselves
		t.Errorf("%d of the flood are left", left)
	}
	if got := n.Counters().HalfLoginsEnded; got != 100-22 {
		t.Errorf("%d were counted", got)
	}
	if s := log.String(); !strings.Contains(s, "from=2001:db8:66::/64") || !strings.Contains(s, "limits.logins") || strings.Contains(s, "192.0.2.7") {
		t.Errorf("%s", s)
	}
	// When each has one, the oldest goes.
	for i := range 10 {
		connect(fmt.Sprintf("198.51.100.%d:1", i))
	}
	if !modest[0].has() {
		t.Error("the oldest is still there, and everybody has one")
	}
	if !n.MakeRoom() {
		t.Error("nobody makes room for want of descriptors")
	}
	for _, c := range open {
		c.Terminated(nil)
	}
	if n.MakeRoom() {
		t.Error("somebody makes room who is not there")
	}
	if err := n.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
}

// TestConnectionShares: no initiator takes all connections, and neither does one that has many names.
func TestConnectionShares(t *testing.T) {
	var log logbook
	s := transporttest.StartISCSI(t, iscsi.Config{Log: log.logger(), Limits: iscsi.Limits{MaxConnections: 40}}, nil)
	as := func(name string, i byte) (*initiator.Conn, error) {
		cfg := s.Config(i)
		cfg.InitiatorName += name
		return s.TryDial(cfg)
	}
	refused := func(err error) bool {
		var f *keys.Failure
		return errors.As(err, &f) && f.Status == pdu.LoginOutOfResources
	}
	var all []*initiator.Conn
	for i := range byte(100) {
		c, err := as("greedy", i)
		if refused(err) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		all = append(all, c)
	}
	if len(all) != 32 {
		t.Errorf("one initiator has %d of 40 connections", len(all))
	}
	// Its own place it may take anew.
	if _, err := as("greedy", 5); err != nil {
		t.Error(err)
	}
	modest, err := as("modest", 1)
	if err != nil {
		t.Fatal(err)
	}
	names := 0
	for i := range byte(50) {
		if _, err := as(fmt.Sprint("name", i), 1); refused(err) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		names++
	}
	if names != 37-33 {
		t.Errorf("%d more of one address", names)
	}
	for _, want := range []string{"limits.connections", "this initiator has 32", "this address has 37"} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("not in the log: %s\n%s", want, log.String())
		}
	}
	if got := s.Node.Counters(); got.SharesRefused != 2 || got.LoginsRefused != 2 {
		t.Errorf("%+v", got)
	}
	// What one gives back is another's.
	for _, c := range all {
		_ = c.Close()
	}
	transporttest.Eventually(t, "there is room", func() bool {
		c, err := as("late", 1)
		if err != nil {
			return false
		}
		_ = c.Close()
		return true
	})
	if _, err := modest.Ping(nil); err != nil {
		t.Error(err)
	}
}

// TestDiscoveryApart: discovery sessions take nobody's connection, and make room for one another.
func TestDiscoveryApart(t *testing.T) { transporttest.OverISCSI(t, testDiscoveryApart) }

func testDiscoveryApart(t *testing.T, start transporttest.Start) {
	s := start(iscsi.Config{Limits: iscsi.Limits{MaxConnections: 2, MaxDiscovery: 3}}, nil)
	var all []*initiator.Conn
	for i := range byte(5) {
		cfg := s.Config(1 + i)
		cfg.TargetName = ""
		c := s.Dial(cfg)
		if found, err := c.SendTargets("All"); err != nil || len(found) != 1 {
			t.Fatal(found, err)
		}
		all = append(all, c)
	}
	for i, c := range all {
		if _, err := c.SendTargets("All"); (err == nil) != (i >= 2) {
			t.Errorf("discovery session %d of 5, of which the last three may be: %v", i, err)
		}
	}
	if got := s.Node.Counters().DiscoveriesEnded; got != 2 {
		t.Errorf("%d made room", got)
	}
	if _, err := s.Dial(s.Config(9)).Ping(nil); err != nil {
		t.Error(err)
	}
}

// TestDiscoveryEnds: however busy it is, a discovery session ends, and no other.
func TestDiscoveryEnds(t *testing.T) {
	s := transporttest.StartISCSI(t, iscsi.Config{Limits: iscsi.Limits{DiscoveryTime: 2 * time.Second}}, nil)
	c := s.Dial(s.Config(9))
	cfg := s.Config(1)
	cfg.TargetName = ""
	begin := time.Now()
	for busy := s.Dial(cfg); ; time.Sleep(10 * time.Millisecond) {
		if _, err := busy.SendTargets("All"); err != nil {
			break
		}
	}
	if d := time.Since(begin); d < time.Second { // it cannot be early by being slow
		t.Errorf("ended after %v", d)
	}
	if _, err := c.Ping(nil); err != nil {
		t.Error(err)
	}
}

// TestDiscoveryIsSmall: pings bring no data in a discovery session, and nothing is longer there than in
// a login.
func TestDiscoveryIsSmall(t *testing.T) {
	s := transporttest.StartISCSI(t, iscsi.Config{}, nil)
	cfg := s.Config(1)
	cfg.TargetName = ""
	p := login(t, s, cfg)
	if n := p.res.Params.MaxSendDataSegmentLength; n != keys.MaxLoginData {
		t.Errorf("MaxRecvDataSegmentLength=%d is declared", n)
	}
	var h pdu.BHS
	pdu.NOPOut{Immediate: true, ITT: 7, TTT: pdu.NoTag}.Put(&h)
	p.send(&h, []byte("data"))
	p.reject(pdu.RejectNotSupported)
	h.SetDataSegmentLength(0)
	p.send(&h, nil)
	if r := p.receive(); r.Opcode() != pdu.OpNOPIn || len(r.Data) > 0 {
		t.Errorf("%v", r.Opcode())
	}
	pdu.NOPOut{Immediate: true, ITT: 8, TTT: pdu.NoTag}.Put(&h)
	p.send(&h, make([]byte, keys.MaxLoginData+1))
	p.gone()
}
