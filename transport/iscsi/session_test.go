package iscsi_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	initiator "github.com/lunette-io/lunette/initiator/iscsi"
	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/target"
	"github.com/lunette-io/lunette/transport/iscsi"
	"github.com/lunette-io/lunette/transport/iscsi/auth"
	keys "github.com/lunette-io/lunette/transport/iscsi/login"
	"github.com/lunette-io/lunette/transport/iscsi/pdu"
	"github.com/lunette-io/lunette/transport/transporttest"
)

func account(t *testing.T, user, secret string) *auth.Account {
	s, err := auth.NewSecret([]byte(secret))
	if err != nil {
		t.Fatal(err)
	}
	return &auth.Account{User: user, Secret: s}
}

// TestLogin is who may log in, and what the others are told.
func TestLogin(t *testing.T) { transporttest.OverISCSI(t, testLogin) }

func testLogin(t *testing.T, start transporttest.Start) {
	alice, disk := account(t, "alice", "alices-secret-01"), account(t, "disk", "disks-secret-001")
	chap, err := auth.NewCHAP(auth.Config{Accounts: []auth.Account{*alice}, Target: disk})
	if err != nil {
		t.Fatal(err)
	}
	s := start(iscsi.Config{}, func(x *iscsi.Target) {
		x.Auth = func() keys.Authenticator { return chap.Begin() }
		x.Initiators = []iscsi.Initiator{{Name: transporttest.InitiatorName}}
		x.Alias = "the disk"
	})
	for name, x := range map[string]struct {
		change func(c *initiator.Config)
		want   pdu.LoginStatus
		other  bool // another error
	}{
		"CHAP":               {change: func(*initiator.Config) {}},
		"mutual CHAP":        {change: func(c *initiator.Config) { c.TargetAccount = disk }},
		"MD5":                {change: func(c *initiator.Config) { c.Algorithms = []auth.Algorithm{auth.MD5} }},
		"upper case":         {change: func(c *initiator.Config) { c.TargetName = "IQN.2026-11.io.lunette.test:DISK" }},
		"no CHAP":            {change: func(c *initiator.Config) { c.Account = nil }, want: pdu.LoginAuthenticationFail},
		"wrong secret":       {change: func(c *initiator.Config) { c.Account = account(t, "alice", "alices-secret-02") }, want: pdu.LoginAuthenticationFail},
		"wrong user":         {change: func(c *initiator.Config) { c.Account = account(t, "bob", "alices-secret-01") }, want: pdu.LoginAuthenticationFail},
		"the target's proof": {change: func(c *initiator.Config) { c.TargetAccount = account(t, "disk", "another-secret-1") }, other: true},
		"unknown target":     {change: func(c *initiator.Config) { c.TargetName += "2" }, want: pdu.LoginNotFound},
		"unwanted initiator": {change: func(c *initiator.Config) { c.InitiatorName += "2" }, want: pdu.LoginNotFound},
		"name that is none":  {change: func(c *initiator.Config) { c.InitiatorName = "me" }, want: pdu.LoginNotFound},
		"name of two lines":  {change: func(c *initiator.Config) { c.InitiatorName += "\n" }, want: pdu.LoginInitiatorError},
		"no such session":    {change: func(c *initiator.Config) { c.TSIH = 0x1234 }, want: pdu.LoginNoSession},
		"discovery":          {change: func(c *initiator.Config) { c.TargetName, c.Account = "", nil }},
		"key that nobody knows": {change: func(c *initiator.Config) {
			c.Offers = []keys.Pair{{Key: "X-com.example.Colour", Value: "blue"}, {Key: keys.RDMAExtensions, Value: keys.Yes}}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := s.Config(1)
			cfg.Account = alice
			x.change(&cfg)
			c, err := s.TryDial(cfg)
			var f *keys.Failure
			switch {
			case err == nil && x.want == 0 && !x.other:
				if _, err := c.Ping(nil); err != nil {
					t.Fatal(err)
				}
				c.Close()
			case x.other && err != nil && !errors.As(err, &f):
			case errors.As(err, &f) && x.want != 0:
				if f.Status != x.want {
					t.Fatalf("%v instead of %v", f.Status, x.want)
				}
			default:
				t.Fatal(err)
			}
		})
	}
}

// TestDiscovery shows an initiator the targets that admit it.
func TestDiscovery(t *testing.T) { transporttest.OverISCSI(t, testDiscovery) }

func testDiscovery(t *testing.T, start transporttest.Start) {
	s := start(iscsi.Config{}, nil)
	for _, x := range []struct {
		name  string
		admit []iscsi.Initiator
	}{{"iqn.2026-11.io.lunette.test:open", nil}, {"iqn.2026-11.io.lunette.test:mine", []iscsi.Initiator{{Name: transporttest.InitiatorName}}}, {"iqn.2026-11.io.lunette.test:theirs", []iscsi.Initiator{{Name: "iqn.2026-11.io.lunette.test:them"}}}} {
		d, err := target.NewTarget(x.name)
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Node.AddTarget(iscsi.Target{SCSI: d, Initiators: x.admit}); err != nil {
			t.Fatal(err)
		}
	}
	s.Node.AddPortal(s.Network, "0.0.0.0:3260")
	s.Node.AddPortal(s.Network, "[::]:3261")    // who comes by IPv4 cannot come by this one
	s.Node.AddPortal("another", "0.0.0.0:3262") // who comes by this one does not hear of it
	host, _, _ := strings.Cut(s.Addr, ":")
	cfg := s.Config(1)
	cfg.TargetName = ""
	c := s.Dial(cfg)
	names := func(all []initiator.Found) (n []string) {
		for _, f := range all {
			n = append(n, f.Name[len("iqn.2026-11.io.lunette.test:"):])
			if fmt.Sprint(f.Addresses) != fmt.Sprintf("[%s,1 %s:3260,1]", s.Addr, host) {
				t.Errorf("%v", f.Addresses)
			}
		}
		return n
	}
	for what, want := range map[string]string{
		"All": "[disk mine open]", transporttest.TargetName: "[disk]",
		"iqn.2026-11.io.lunette.test:theirs": "[]", "iqn.2026-11.io.lunette.test:none": "[]", "rubbish": "[]",
	} {
		all, err := c.SendTargets(what)
		if got := fmt.Sprint(names(all)); err != nil || got != want {
			t.Errorf("%s: %s, %v", what, got, err)
		}
	}
	if _, err := c.SendTargets(""); err == nil {
		t.Error("discovery of nothing")
	}
	var refused *initiator.RejectError
	if _, err := c.Do(0, read(0, 512, 0), nil, make([]byte, 512)); !errors.As(err, &refused) {
		t.Error(err)
	}
	if _, err := c.Manage(pdu.TMFLUNReset, 0, nil); !errors.As(err, &refused) {
		t.Error(err)
	}
	if r, err := c.Logout(pdu.LogoutCloseSession, 0); err != nil || r != pdu.LogoutSuccess {
		t.Error(r, err)
	}
	// In a normal session a target tells of itself only.
	d := s.Dial(s.Config(1))
	for what, want := range map[string]string{"": "[disk]", transporttest.TargetName: "[disk]", "iqn.2026-11.io.lunette.test:open": "[]"} {
		all, err := d.SendTargets(what)
		if got := fmt.Sprint(names(all)); err != nil || got != want {
			t.Errorf("%q: %s, %v", what, got, err)
		}
	}
}

// TestDiscoveryLong has an answer of many PDUs.
func TestDiscoveryLong(t *testing.T) { transporttest.OverISCSI(t, testDiscoveryLong) }

func testDiscoveryLong(t *testing.T, start transporttest.Start) {
	s := start(iscsi.Config{}, nil)
	for i := range 300 {
		d, err := target.NewTarget(fmt.Sprintf("%s%d", transporttest.TargetName, i))
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Node.AddTarget(iscsi.Target{SCSI: d}); err != nil {
			t.Fatal(err)
		}
	}
	cfg := s.Config(1)
	cfg.TargetName = ""
	cfg.Login.MaxRecvDataSegmentLength = 512
	all, err := s.Dial(cfg).SendTargets("All")
	if err != nil || len(all) != 301 {
		t.Fatal(len(all), err)
	}
}

// TestReinstatement logs in again as the same initiator port: the old session ends, with its tasks.
func TestReinstatement(t *testing.T) { transporttest.OverISCSI(t, testReinstatement) }

func testReinstatement(t *testing.T, start transporttest.Start) {
	s := start(iscsi.Config{}, nil)
	cfg := s.Config(1)
	cfg.Withhold = true
	var old *initiator.Conn
	for i := range 20 {
		c := s.Dial(cfg)
		transporttest.Eventually(t, "the tasks of the old session have ended", func() bool {
			return s.Units[0].Started.Load() == s.Units[0].Ended.Load()
		})
		for range 5 {
			k := initiator.Command{CDB: write(0, 512<<10, transporttest.Way(i%3)), Out: make([]byte, 512<<10)}
			_ = c.Submit(&k)
		}
		_, _ = c.Poll()
		if i%2 == 0 {
			transporttest.Eventually(t, "they have started", func() bool { return s.Units[0].Started.Load() == s.Units[0].Ended.Load()+5 })
		}
		if old != nil {
			if _, err := old.Ping(nil); err == nil {
				t.Fatal("the old session lives")
			}
		}
		old = c
	}
	other := cfg
	other.ISID[5]++
	s.Dial(other)
	if _, err := old.Ping(nil); err != nil {
		t.Fatal(err)
	}
	if n := len(s.Node.Sessions()); n != 2 {
		t.Fatalf("%d sessions", n)
	}
}

// TestReinstatementStorm has many log in as the same port at a time.
func TestReinstatementStorm(t *testing.T) { transporttest.OverISCSI(t, testReinstatementStorm) }

func testReinstatementStorm(t *testing.T, start transporttest.Start) {
	s := start(iscsi.Config{}, nil)
	var all sync.WaitGroup
	for range 16 {
		all.Go(func() {
			for range 20 {
				c, err := s.TryDial(s.Config(1))
				if err != nil {
					var f *keys.Failure
					if errors.As(err, &f) && f.Status != pdu.LoginServiceUnavailable {
						t.Error(err)
					}
					continue
				}
				c.Ping(nil)
				c.Close()
			}
		})
	}
	all.Wait()
	good(t, s.Dial(s.Config(1)), read(0, 512, 0), nil, make([]byte, 512))
}

// TestResiduals asks for more or less than the CDB moves (SAM-5 5.4.4).
func TestResiduals(t *testing.T) { transporttest.OverISCSI(t, testResiduals) }

func testResiduals(t *testing.T, start transporttest.Start) {
	s := start(iscsi.Config{}, nil)
	c := s.Dial(s.Config(1))
	for _, way := range []transporttest.Way{transporttest.Lend, transporttest.Later, transporttest.Pieces} {
		for _, n := range []int{512, 64 << 10, 1 << 20} {
			for _, more := range []int{-512, 512, -n, 300 << 10} {
				if n+more < 0 {
					continue
				}
				r, err := c.Do(0, read(0, n, way), nil, make([]byte, n+more))
				if err != nil || r.Status != 0 || r.Residual != int64(more) || r.Received != min(n, n+more) {
					t.Fatalf("read %d, room %d: %v %+v", n, n+more, err, r)
				}
				r, err = c.Do(0, write(0, n, way), make([]byte, n+more), nil)
				if err != nil || r.Status != 0 || r.Residual != int64(more) {
					t.Fatalf("write %d, have %d: %v %v %v", n, n+more, err, r.Residual, r.Sense())
				}
			}
		}
	}
	// An early error moves nothing; data with an error comes with its status.
	if r, err := c.Do(0, read(0, 4096, transporttest.Fail), nil, make([]byte, 4096)); err != nil || r.Residual != 4096 || r.Received != 0 || r.Sense() != scsi.WriteProtected() {
		t.Fatal(err, r.Residual, r.Sense())
	}
	if r, err := c.Do(0, read(0, 4096, transporttest.Sense), nil, make([]byte, 4096)); err != nil || r.Residual != 0 || r.Received != 4096 || r.Sense().Key != scsi.KeyMediumError {
		t.Fatal(err, r.Residual, r.Sense())
	}
	if r, err := c.Do(9<<48, read(0, 4096, 0), nil, make([]byte, 4096)); err != nil || r.Sense() != scsi.LogicalUnitNotSupported() {
		t.Fatal(err, r.Sense())
	}
}

// TestWindow sends numbers outside the window: they are ignored. Immediate commands use none.
func TestWindow(t *testing.T) {
	s := transporttest.StartISCSI(t, iscsi.Config{Window: 4}, nil)
	p := login(t, s, s.Config(1))
	if most := p.res.Last.MaxCmdSN(); most != 4 || p.res.Last.ExpCmdSN() != 1 {
		t.Fatal(most)
	}
	for _, n := range []uint32{5, 6, 100, 0, 1 << 31, 1<<32 - 1} {
		p.next = n
		p.command(1, read(0, 512, 0), 512, true, nil)
	}
	p.next = 1
	p.alive()
	for i := range uint32(4) {
		p.command(i, read(0, 512, transporttest.Hold), 512, true, nil)
	}
	p.command(4, read(0, 512, transporttest.Hold), 512, true, nil) // the window is closed
	p.alive()
	if n := s.Units[0].Held.Load(); n != 4 {
		t.Fatalf("%d commands were taken", n)
	}
	var h pdu.BHS
	x := pdu.SCSICommand{Immediate: true, Final: true, Read: true, ITT: 50, ExpectedDataLength: 512}
	copy(x.CDB[:], read(0, 512, transporttest.Lend))
	x.Put(&h)
	p.send(&h, nil)
	r := p.receive()
	if r.Opcode() != pdu.OpDataIn || r.ITT() != 50 || r.ExpCmdSN() != 5 || r.MaxCmdSN() != 4 {
		t.Fatal(r.Opcode(), r.ExpCmdSN(), r.MaxCmdSN())
	}
	s.Units[0].Release()
	seen := map[uint32]bool{}
	for range 4 {
		r = p.receive()
		seen[r.ITT()] = true
	}
	if r.MaxCmdSN() != 8 || len(seen) != 4 {
		t.Fatal(r.MaxCmdSN(), seen)
	}
	p.next = 5
	p.alive()
	// A tag in use, and too many immediate commands.
	p.command(1, read(0, 512, transporttest.Hold), 512, true, nil)
	p.command(1, read(0, 512, transporttest.Hold), 512, true, nil)
	p.reject(pdu.RejectTaskInProgress)
	for i := range uint32(17) {
		x.ITT = 100 + i
		copy(x.CDB[:], read(0, 512, transporttest.Hold))
		x.Put(&h)
		p.send(&h, nil)
	}
	p.reject(pdu.RejectTooManyImmediate)
	x.ITT = pdu.NoTag
	x.Put(&h)
	p.send(&h, nil)
	p.reject(pdu.RejectInvalidField)
	p.alive()
}

// TestUnexpectedPDUs sends what does not belong into full feature phase.
func TestUnexpectedPDUs(t *testing.T) {
	s := transporttest.StartISCSI(t, iscsi.Config{}, nil)
	p := login(t, s, s.Config(1))
	var h pdu.BHS
	pdu.SNACK{Type: pdu.SNACKData, ITT: 3, TTT: pdu.NoTag}.Put(&h)
	p.send(&h, nil)
	p.reject(pdu.RejectSNACK)
	p.next--
	h = pdu.BHS{0x1f} // a reserved opcode, and a number
	p.send(&h, nil)
	op := p.receive()
	if op.Opcode() != pdu.OpReject {
		t.Fatal(op.Opcode())
	}
	for i, op := range []pdu.Opcode{pdu.OpLoginRequest, pdu.OpR2T, pdu.OpNOPIn, pdu.OpReject} {
		p := login(t, s, s.Config(byte(10+i)))
		h = pdu.BHS{byte(op) | 0x40}
		p.send(&h, nil)
		p.reject(pdu.RejectProtocolError)
		p.gone()
	}
}

// TestTooLong sends a data segment that is longer than we declared.
func TestTooLong(t *testing.T) {
	s := transporttest.StartISCSI(t, iscsi.Config{}, nil)
	p := login(t, s, s.Config(1))
	var h pdu.BHS
	pdu.NOPOut{Immediate: true, ITT: 1, TTT: pdu.NoTag}.Put(&h)
	h.SetDataSegmentLength(300 << 10)
	_, _ = p.Write(h[:])
	p.gone()
	w := s.Wire()
	pdu.LoginRequest{CSG: pdu.StageOperational}.Put(&h)
	h.SetDataSegmentLength(8193)
	_, _ = w.Write(h[:])
	for {
		if _, err := w.Receive(); err != nil {
			break
		}
	}
}

// TestPing is NOP-Out with data of every size, in both directions of the limit.
func TestPing(t *testing.T) {
	s := transporttest.StartISCSI(t, iscsi.Config{}, nil)
	cfg := s.Config(1)
	cfg.Login.MaxRecvDataSegmentLength = 5000
	c := s.Dial(cfg)
	for _, n := range []int{0, 1, 3, 288, 289, 4999, 5000, 100_000, 262144} {
		b := pattern(n+8, 3)[:n]
		got, err := c.Ping(b)
		if err != nil || !bytes.Equal(got, b[:min(n, 5000)]) {
			t.Fatal(n, len(got), err)
		}
	}
}

// TestTimeouts ends connections that do not log in, do not answer, do not send the data they
// were asked for, or do not receive; the others stay.
func TestTimeouts(t *testing.T) {
	s := transporttest.StartISCSI(t, iscsi.Config{
		PingTimeout: time.Second, StallTimeout: 2 * time.Second, Limits: iscsi.Limits{LoginTimeout: time.Second, PingAfter: time.Second},
	}, nil)
	begin := time.Now()
	alive := s.Dial(s.Config(1))
	var pings int
	silent := s.Config(2)
	silent.Silent = true
	mute := s.Dial(silent)
	half := s.Wire()
	_, _ = half.Write(make([]byte, 20))
	owing := s.Config(3)
	owing.Login.ImmediateData, owing.Login.InitialR2T = false, true
	owed := login(t, s, owing) // answers pings, but not the R2T
	owed.command(1, write(0, 4096, transporttest.Lend), 4096, true, nil)
	unasked := login(t, s, s.Config(4)) // has announced data that it does not send
	unasked.command(1, write(0, 64<<10, transporttest.Lend), 64<<10, false, nil)
	full := login(t, s, s.Config(5)) // does not receive
	for i := range uint32(16) {
		full.command(i, read(0, 4<<20, transporttest.Lend), 4<<20, true, nil)
	}
	ended := make(chan string, 10)
	wait := func(name string, end func()) { go func() { end(); ended <- name }() }
	answer := func(p *peer) func() {
		return func() {
			for {
				r, err := p.Receive()
				if err != nil {
					return
				}
				if r.Opcode() == pdu.OpNOPIn {
					var h pdu.BHS
					pdu.NOPOut{Immediate: true, ITT: pdu.NoTag, TTT: r.TTT()}.Put(&h)
					h.SetCmdSN(p.next)
					_ = p.Send(&h, nil, nil)
				}
			}
		}
	}
	wait("login", func() { half.Receive() })
	wait("silent", func() {
		for {
			if _, err := mute.Receive(); err != nil {
				return
			}
		}
	})
	wait("owing", answer(owed))
	wait("unasked", answer(unasked))
	wait("full", func() {
		time.Sleep(4500 * time.Millisecond)
		n := 0
		for {
			r, err := full.Receive()
			if err != nil {
				break
			}
			n += len(r.Data)
		}
		if n == 16*4<<20 {
			t.Error("all data came")
		}
	})
	got := map[string]bool{}
	alive.SetDeadline(time.Now().Add(200 * time.Millisecond))
	for len(got) < 5 {
		select {
		case n := <-ended:
			got[n] = true
			t.Log(n, time.Since(begin))
			continue
		default:
		}
		if time.Since(begin) > 7*time.Second {
			t.Fatalf("only %v have ended", got)
		}
		alive.SetDeadline(time.Now().Add(20 * time.Millisecond))
		if _, err := alive.Receive(); err == nil {
			pings++
		} else if !errors.Is(err, context.DeadlineExceeded) && !isTimeout(err) {
			t.Fatal(err)
		}
	}
	if pings == 0 {
		t.Error("no ping came")
	}
	if n := len(s.Node.Sessions()); n != 1 {
		t.Errorf("%d sessions", n)
	}
}

func isTimeout(err error) bool {
	var x interface{ Timeout() bool }
	return errors.As(err, &x) && x.Timeout()
}

// TestShutdown asks for a logout, and waits for it.
func TestShutdown(t *testing.T) {
	s := transporttest.StartISCSI(t, iscsi.Config{}, nil)
	var asked pdu.Async
	cfg := s.Config(1)
	cfg.Events.Async = func(a pdu.Async, _ []byte) { asked = a }
	c := s.Dial(cfg)
	stubborn := s.Dial(s.Config(2))
	half := s.Wire()
	k := initiator.Command{CDB: write(0, 512<<10, transporttest.Hold), Out: make([]byte, 512<<10)}
	_ = stubborn.Submit(&k)
	_, _ = stubborn.Poll()
	transporttest.Eventually(t, "it has started", func() bool { return s.Units[0].Held.Load() == 1 })
	done := make(chan error)
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), 2500*time.Millisecond)
		defer cancel()
		done <- s.Node.Shutdown(ctx)
	}()
	if _, err := half.Receive(); err == nil {
		t.Error("half a login got an answer")
	}
	for asked.Event == 0 {
		if _, err := c.Receive(); err != nil {
			t.Fatal(err)
		}
	}
	if asked.Event != pdu.AsyncLogoutRequest || asked.Param3 < 1 || asked.Param3 > 3 {
		t.Errorf("%+v", asked)
	}
	if _, err := initiator.Dial(context.Background(), s.Addr, s.Config(3)); err == nil {
		t.Error("a login during shutdown")
	}
	good(t, c, read(0, 512, 0), nil, make([]byte, 512))
	if r, err := c.Logout(pdu.LogoutCloseSession, 0); err != nil || r != pdu.LogoutSuccess {
		t.Error(r, err)
	}
	select {
	case err := <-done:
		t.Fatal("shut down too early:", err)
	case <-time.After(100 * time.Millisecond):
	}
	time.AfterFunc(2600*time.Millisecond, s.Units[0].Release)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	s.Again()
}

// TestLastWords logs out while much is queued: all of it and the answer come, and then
// the end of the stream.
func TestLastWords(t *testing.T) {
	s := transporttest.StartISCSI(t, iscsi.Config{}, nil)
	p := login(t, s, s.Config(1))
	for i := range uint32(5) {
		p.command(i, read(0, 4<<20, transporttest.Lend), 4<<20, true, nil)
	}
	var h pdu.BHS
	pdu.LogoutRequest{Immediate: true, Reason: pdu.LogoutCloseSession, ITT: 9}.Put(&h)
	p.send(&h, nil)
	time.Sleep(20 * time.Millisecond)
	n := 0
	for {
		r := p.receive()
		if r.Opcode() == pdu.OpLogoutResponse {
			break
		}
		n += len(r.Data)
	}
	if n != 20<<20 {
		t.Errorf("%d bytes came", n)
	}
	if _, err := p.Receive(); err != io.EOF {
		t.Error(err)
	}
}

// TestLogoutWaits answers the logout of a session when the tasks of all its connections
// have ended, and the nexus is gone: what it had reserved is free.
func TestLogoutWaits(t *testing.T) {
	s := transporttest.StartISCSI(t, iscsi.Config{}, nil)
	p := peers(t, s, 2, nil)
	p[1].command(1, read(0, 512, transporttest.Hold), 512, true, nil)
	transporttest.Eventually(t, "it has started", func() bool { return s.Units[0].Held.Load() == 1 })
	var h pdu.BHS
	pdu.LogoutRequest{Immediate: true, Reason: pdu.LogoutCloseSession, ITT: 9}.Put(&h)
	p[0].next = 2
	p[0].send(&h, nil)
	released := time.AfterFunc(100*time.Millisecond, s.Units[0].Release)
	if r := p[0].receive(); r.Opcode() != pdu.OpLogoutResponse {
		t.Fatal(r.Opcode())
	}
	if released.Stop() {
		t.Error("the answer came before the task had ended")
	}
	if n := len(s.Target.Nexuses()); n != 0 {
		t.Errorf("the answer came before the end of %d nexuses", n)
	}
	_ = p[0].Close()
	_ = p[1].Close()
}
