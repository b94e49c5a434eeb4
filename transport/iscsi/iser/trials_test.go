package iser_test

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lunette-io/lunette/network/rdma/sim"
	"github.com/lunette-io/lunette/transport/iscsi"
	"github.com/lunette-io/lunette/transport/iscsi/auth"
	keys "github.com/lunette-io/lunette/transport/iscsi/login"
	"github.com/lunette-io/lunette/transport/iscsi/pdu"
	"github.com/lunette-io/lunette/transport/transporttest"
)

// A lockedBuffer is what a log is written to.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// Guessing is answered later and later, and told; who knows the secret is let in after a bounded time,
// and the login time-out waits for it. It runs in virtual time: over which network does not matter.
func TestTrials(t *testing.T) {
	bubble(t, "virtual time", func(t *testing.T) {
		account := func(user, text string) *auth.Account {
			s, err := auth.NewSecret([]byte(text))
			if err != nil {
				t.Fatal(err)
			}
			return &auth.Account{User: user, Secret: s}
		}
		alice, bob := account("alice", "alices-secret-01"), account("bob", "bobs-secret-0001")
		chap, err := auth.NewCHAP(auth.Config{Accounts: []auth.Account{*alice, *bob}})
		if err != nil {
			t.Fatal(err)
		}
		var log lockedBuffer
		s := transporttest.StartISER(t, transporttest.ISER{Devices: transporttest.SimDevices(sim.New())}, iscsi.Config{
			Log: slog.New(slog.NewTextHandler(&log, nil)), Limits: iscsi.Limits{LoginTimeout: 3 * time.Second},
		}, func(x *iscsi.Target) { x.Auth = func() keys.Authenticator { return chap.Begin() } })
		try := func(port byte, who *auth.Account, want pdu.LoginStatus) time.Duration {
			t.Helper()
			cfg := s.Config(port)
			cfg.Account = who
			before := time.Now()
			c, err := s.TryDial(cfg)
			got := pdu.LoginSuccess
			var f *keys.Failure
			if errors.As(err, &f) {
				got = f.Status
			} else if err != nil {
				t.Fatal(err)
			} else {
				_ = c.Close()
			}
			if got != want {
				t.Errorf("%v instead of %v", got, want)
			}
			return time.Since(before)
		}
		wrong := account("alice", "another-secret-1")
		var waited []time.Duration
		for range 8 {
			waited = append(waited, try(1, wrong, pdu.LoginAuthenticationFail).Round(time.Second))
		}
		// The clock has whole seconds: an answer may come up to one earlier.
		for i, want := range []time.Duration{0, 0, 0, 1, 2, 4, 8, 8} {
			if got := waited[i]; got > want*time.Second || got < (want-1)*time.Second {
				t.Errorf("guess %d is answered after %v, want %v", i, got, want*time.Second)
			}
		}
		if got := try(2, bob, pdu.LoginSuccess); got > time.Second {
			t.Errorf("bob waits for %v", got)
		}
		if got := try(3, alice, pdu.LoginSuccess); got < 7*time.Second || got > 8*time.Second {
			t.Errorf("alice waits for %v", got)
		}
		if got := try(4, alice, pdu.LoginSuccess); got > time.Second {
			t.Errorf("alice waits for %v again", got)
		}
		try(5, account("mallory", "another-secret-1"), pdu.LoginAuthenticationFail)
		// Who waits when the node closes is not waited for.
		for range 7 {
			try(6, wrong, pdu.LoginAuthenticationFail)
		}
		for _, who := range []*auth.Account{alice, wrong} {
			cfg := s.Config(7)
			cfg.Account = who
			waits := make(chan struct{})
			go func() {
				defer close(waits)
				if c, err := s.TryDial(cfg); err == nil {
					_ = c.Close()
				}
			}()
			defer func() { <-waits }()
		}
		synctest.Wait()
		before := time.Now()
		s.Close()
		if took := time.Since(before); took > time.Second {
			t.Errorf("the node closes after %v", took)
		}
		for _, want := range []string{
			`user=alice failures=1 why="login refused, status 0201 (authentication failure): CHAP: the response is wrong`,
			"user=alice failures=8 delayed=8", `user=mallory failures=1 why=`, "there is no such user", `msg="login delayed after wrong ones"`,
		} {
			if !strings.Contains(log.String(), want) {
				t.Errorf("the log does not say %q:\n%s", want, log.String())
			}
		}
	})
}
