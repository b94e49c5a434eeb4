package srp_test

import (
	"context"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lunette-io/lunette/network/rdma"
	"github.com/lunette-io/lunette/transport/srp"
	"github.com/lunette-io/lunette/transport/srp/iu"
)

// A request whose answer calls asked first.
type asking struct {
	*fakeConn
	asked func()
}

func (c asking) Accept(o rdma.Options) (rdma.Conn, error) {
	c.asked()
	return c.fakeConn.Accept(o)
}

// A channel is there to see before its initiator knows of it.
func TestSessionsInLogin(t *testing.T) {
	f := newFake(t, srp.Config{})
	defer f.close()
	x := iu.LoginRequest{MaxIU: 4096, Initiator: iu.MakePortID(0, 1), Target: iu.MakePortID(1, 2)}
	c := &fakeConn{private: x.AppendCM(nil), remote: "10.0.0.9:1000", started: make(chan struct{})}
	f.conns = append(f.conns, c)
	f.dev.asked <- asking{c, func() {
		all := f.node.Sessions()
		if len(all) != 1 || len(all[0].Channels) != 1 || all[0].Channels[0].Number != 1 || all[0].Channels[0].Remote != c.remote {
			t.Errorf("%+v", all)
		}
	}}
	<-c.started
}

// A log counts what it is told.
type counting struct {
	slog.Handler
	mu   sync.Mutex
	says map[string]int
	more int64
}

func (l *counting) Handle(_ context.Context, r slog.Record) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.says[r.Message]++
	r.Attrs(func(a slog.Attr) bool {
		if a.Key == "count" {
			l.more += a.Value.Int64()
		}
		return true
	})
	return nil
}

func (l *counting) Enabled(context.Context, slog.Level) bool { return true }

// A peer that is refused again and again does not fill the log.
func TestRefusalsInTheLog(t *testing.T) { synctest.Test(t, testRefusalsInTheLog) }

func testRefusalsInTheLog(t *testing.T) {
	log := &counting{Handler: slog.DiscardHandler, says: make(map[string]int)}
	s, _ := simulate(t, srp.Config{Log: slog.New(log)})
	time.Sleep(time.Second / 2) // between two looks of the node
	for second := range 3 {
		for range []int{200, 3, 11}[second] {
			rejected(t, s, s.Config(1), nil, iu.RejectUnable)
		}
		time.Sleep(time.Second)
	}
	s.Close()
	log.mu.Lock()
	defer log.mu.Unlock()
	if a, b := log.says["SRP login refused"], log.says["more SRP logins refused"]; a != 10+3+10 || b != 2 || log.more != 190+1 {
		t.Errorf("%d refusals in the log, and %d in %d lines", a, log.more, b)
	}
}
