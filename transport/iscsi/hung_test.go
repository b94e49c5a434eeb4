package iscsi_test

import (
	"errors"
	"testing"
	"time"

	initiator "github.com/lunette-io/lunette/initiator/iscsi"
	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/transport/iscsi"
	keys "github.com/lunette-io/lunette/transport/iscsi/login"
	"github.com/lunette-io/lunette/transport/iscsi/pdu"
	"github.com/lunette-io/lunette/transport/transporttest"
)

// hang leaves a read at unit 0 which does not end before the unit is released.
func hang(t *testing.T, s *transporttest.ISCSI, c *initiator.Conn) {
	t.Helper()
	k := initiator.Command{CDB: read(0, 512, transporttest.Hold), In: make([]byte, 512)}
	if err := c.Submit(&k); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Poll(); err != nil {
		t.Fatal(err)
	}
	transporttest.Eventually(t, "the unit holds the read", func() bool { return s.Units[0].Held.Load() == 1 })
}

// statusOf is how a read of a unit ends.
func statusOf(t *testing.T, c *initiator.Conn, lun scsi.LUN) scsi.Status {
	t.Helper()
	r, err := c.Do(lun, read(0, 512, transporttest.Lend), nil, make([]byte, 512))
	if err != nil {
		t.Fatal(err)
	}
	return r.Status
}

// besideHung checks that a session works beside the task that its predecessor has left at unit 0,
// and that unit 0 serves it too when that has ended.
func besideHung(t *testing.T, s *transporttest.ISCSI, c *initiator.Conn) {
	t.Helper()
	for range 3 {
		if got := statusOf(t, c, lun1); got != scsi.Good {
			t.Fatalf("the unit at which nothing hangs: %v", got)
		}
		if got := statusOf(t, c, 0); got != scsi.Busy {
			t.Fatalf("the unit at which a task of the old session hangs: %v", got)
		}
	}
	s.Units[0].Release()
	transporttest.Eventually(t, "the unit serves again", func() bool { return statusOf(t, c, 0) == scsi.Good })
}

// TestReinstatedBesideHung logs in again while a task of the old session hangs: the new session does
// not wait for it.
func TestReinstatedBesideHung(t *testing.T) { transporttest.OverISCSI(t, testReinstatedBesideHung) }

func testReinstatedBesideHung(t *testing.T, start transporttest.Start) {
	s := start(iscsi.Config{}, nil)
	for _, lost := range []bool{false, true} {
		old := s.Dial(s.Config(1))
		hang(t, s, old)
		if lost {
			_ = old.Close()
			transporttest.Eventually(t, "the connection has gone", func() bool {
				i := s.Node.Sessions()
				return len(i) == 0 || len(i[0].Connections) == 0
			})
		}
		again := s.Dial(s.Config(1)) // more than once, even
		_ = again.Close()
		c := s.Dial(s.Config(1))
		besideHung(t, s, c)
		if _, err := old.Ping(nil); err == nil {
			t.Fatal("the old session lives")
		}
		transporttest.Eventually(t, "one session is left", func() bool { return len(s.Node.Sessions()) == 1 })
		_ = c.Close()
		transporttest.Eventually(t, "none is left", func() bool { return len(s.Node.Sessions()) == 0 })
	}
}

// TestOthersBesideHung: another initiator, and another ISID of the same one, are none of the old
// session's business.
func TestOthersBesideHung(t *testing.T) {
	s := transporttest.StartISCSI(t, iscsi.Config{}, nil)
	hang(t, s, s.Dial(s.Config(1)))
	_ = s.Dial(s.Config(1))
	if got := statusOf(t, s.Dial(s.Config(2)), 0); got != scsi.Good {
		t.Fatal(got)
	}
	s.Units[0].Release()
}

// TestConnectionReinstatedBesideHung logs a connection in again of which a task hangs. No unit could
// tell which of the session's tasks is the new connection's, so that the session ends; a new one is
// there at once.
func TestConnectionReinstatedBesideHung(t *testing.T) {
	s := transporttest.StartISCSI(t, iscsi.Config{Limits: iscsi.Limits{LoginTimeout: 2 * time.Second}}, nil)
	cfg := s.Config(1)
	cfg.Login.MaxConnections = 2
	a := s.Dial(cfg)
	b := s.Join(a, 1, initiator.Config{})
	hang(t, s, b)
	again := cfg
	again.TSIH, again.CID = a.TSIH(), 1
	var f *keys.Failure
	if _, err := s.TryDial(again); !errors.As(err, &f) || f.Status != pdu.LoginNoSession {
		t.Fatal(err)
	}
	besideHung(t, s, s.Dial(cfg))
}
