package iscsi

import (
	"bytes"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lunette-io/lunette/buffer"
	"github.com/lunette-io/lunette/target"
	"github.com/lunette-io/lunette/transport/iscsi/pdu"
)

// A still is a mover that moves nothing but what a test says.
type still struct {
	mu    sync.Mutex
	stats MoverStats
	sent  []pdu.BHS
	cause error
	c     *Conn
}

func (m *still) Traits() Traits {
	return Traits{Name: "still", Network: "still", Remote: "192.0.2.5:1"}
}
func (m *still) Control() *PDU                  { return new(PDU) }
func (m *still) Enable(MoverParams)             {}
func (m *still) PutData(*Transfer) bool         { return false }
func (m *still) GetData(*Transfer) bool         { return false }
func (m *still) Flush()                         {}
func (m *still) Accept(*Transfer) (bool, error) { return true, nil }
func (m *still) Cancel(*Transfer) bool          { return false }
func (m *still) Detach(func(Wire))              {}
func (m *still) update(f func(s *MoverStats))   { m.mu.Lock(); f(&m.stats); m.mu.Unlock() }
func (m *still) Stats() MoverStats              { m.mu.Lock(); defer m.mu.Unlock(); return m.stats }

func (m *still) SendControl(p *PDU) {
	m.mu.Lock()
	m.sent = append(m.sent, p.BHS)
	m.mu.Unlock()
	p.Forget()
}

func (m *still) Terminate(err error) {
	m.mu.Lock()
	first := m.c != nil && m.cause == nil
	if first {
		m.cause = err
	}
	m.mu.Unlock()
	if first {
		go m.c.Terminated(err)
	}
}

func (m *still) ended() error { m.mu.Lock(); defer m.mu.Unlock(); return m.cause }

// arrives delivers a PDU.
func (m *still) arrives(h pdu.BHS, data []byte) {
	h.SetDataSegmentLength(len(data))
	m.c.ControlArrived(&Arrival{H: &h, Data: data})
}

// A stillNode is a node in a bubble of time.
type stillNode struct {
	*Node
	portal *Portal
	log    *bytes.Buffer
	arena  *buffer.Arena
}

func newStillNode(t *testing.T, cfg Config) *stillNode {
	n := &stillNode{log: new(bytes.Buffer), arena: buffer.NewArena(64 << 20)}
	cfg.Arena, cfg.Log = n.arena, slog.New(slog.NewTextHandler(n.log, nil))
	var err error
	if n.Node, err = NewNode(cfg); err != nil {
		t.Fatal(err)
	}
	d, err := target.NewTarget("iqn.2026-11.t:d")
	if err != nil {
		t.Fatal(err)
	}
	if err := n.AddTarget(Target{SCSI: d}); err != nil {
		t.Fatal(err)
	}
	n.portal = n.AddPortal("still", "192.0.2.1:3260")
	return n
}

// end shuts the node down; all memory is back then.
func (n *stillNode) end(t *testing.T) {
	if err := n.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	if got := n.arena.Outstanding(); got != 0 {
		t.Errorf("%d bytes are out", got)
	}
}

// login is a connection in full feature phase, whose next CmdSN is 1.
func (n *stillNode) login(t *testing.T, name string) *still {
	t.Helper()
	m := new(still)
	c, err := n.portal.Connect(m)
	if err != nil {
		t.Fatal(err)
	}
	m.c = c
	var h pdu.BHS
	pdu.LoginRequest{Transit: true, CSG: pdu.StageOperational, NSG: pdu.StageFullFeature, ISID: pdu.ISID{0x80}}.Put(&h)
	h.SetCmdSN(1)
	m.arrives(h, []byte("InitiatorName=iqn.2026-11.t:"+name+"\x00TargetName=iqn.2026-11.t:d\x00SessionType=Normal\x00"))
	if !c.full.Load() {
		t.Fatalf("no login: %s", n.log)
	}
	return m
}

// TestLeastRate: a few bytes now and then are not progress, and a slow line is no stall.
func TestLeastRate(t *testing.T) {
	take := func(n int64) func(*still) {
		return func(m *still) { m.update(func(s *MoverStats) { s.BytesOut += n }) }
	}
	send := func(n int64) func(*still) {
		return func(m *still) { m.update(func(s *MoverStats) { s.DataOut += n }) }
	}
	queued := func(m *still) { m.stats.Queued = 5 }
	owing := func(m *still) { m.c.owing.Store(1) }
	for name, x := range map[string]struct {
		begin func(m *still)
		every time.Duration
		does  func(m *still)
		ends  bool
	}{
		"takes nothing":                  {queued, time.Second, take(0), true},
		"takes four bytes now and then":  {queued, 25 * time.Second, take(4), true},
		"takes 1 KiB in a second":        {queued, time.Second, take(1 << 10), true},
		"takes over a line of 20 kbit/s": {queued, time.Second, take(2500), false},
		"takes a burst in 50 seconds":    {queued, 50 * time.Second, take(128 << 10), false},
		"sends nothing":                  {owing, time.Second, send(0), true},
		"sends four bytes now and then":  {owing, 25 * time.Second, send(4), true},
		"sends over a line of 20 kbit/s": {owing, time.Second, send(2500), false},
		"sends all of little":            {owing, 30 * time.Second, func(m *still) { send(512)(m); m.c.settled.Add(1) }, false},
		"owes nothing":                   {func(*still) {}, time.Second, send(0), false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := newStillNode(t, Config{Limits: Limits{PingAfter: time.Hour}})
				m := n.login(t, "i")
				x.begin(m)
				begin := time.Now()
				for m.ended() == nil && time.Since(begin) < 10*time.Minute {
					time.Sleep(x.every)
					x.does(m)
				}
				synctest.Wait()
				took := time.Since(begin)
				if ended := m.ended() != nil; ended != x.ends || ended && took < time.Minute-time.Second {
					t.Errorf("%v after %v", m.ended(), took)
				}
				if x.every == 25*time.Second && took > 75*time.Second {
					t.Errorf("it took %v", took)
				}
				if x.ends != strings.Contains(n.log.String(), "from=iqn.2026-11.t:i remote=192.0.2.5:1") || (n.Counters().Stalled == 1) != x.ends {
					t.Errorf("%+v\n%s", n.Counters(), n.log)
				}
				m.c.owing.Store(0)
				n.end(t)
			})
		})
	}
}

// TestGap: a session that leaves a number out ends, however often it pings; soon, if others want the
// memory that what is behind holds.
func TestGap(t *testing.T) {
	for name, short := range map[string]bool{"enough memory": false, "others want memory": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := newStillNode(t, Config{})
				m := n.login(t, "evil")
				good := n.login(t, "good")
				var h pdu.BHS
				early := func(sn uint32) {
					pdu.NOPOut{ITT: sn, TTT: pdu.NoTag}.Put(&h)
					h.SetCmdSN(sn)
					m.arrives(h, make([]byte, 200<<10))
				}
				begin := time.Now()
				for sn := uint32(2); sn < 60; sn++ {
					early(sn)
				}
				if got := n.arena.Outstanding(); got < 58*200<<10 {
					t.Errorf("%d bytes are paid for", got)
				}
				most := time.Minute
				if short {
					most = target.Patience
				}
				for sn := uint32(60); m.ended() == nil && time.Since(begin) < 2*time.Minute; sn++ {
					for _, m := range []*still{m, good} {
						pdu.NOPOut{Immediate: true, ITT: sn, TTT: pdu.NoTag}.Put(&h)
						m.arrives(h, nil)
					}
					early(sn % 120) // those that wait are no younger by it
					if short {      // somebody else wants more than there is, and has less than its share
						p := n.arena.Purse("other", "")
						if l, err := p.Get(60 << 20); err == nil {
							l.Release()
							t.Error("there is enough")
						}
						p.Close()
					}
					time.Sleep(time.Second)
				}
				if took := time.Since(begin); took < most || took > most+3*time.Second {
					t.Errorf("it took %v: %v", took, m.ended())
				}
				synctest.Wait()
				if good.ended() != nil {
					t.Error(good.ended())
				}
				if s := n.log.String(); !strings.Contains(s, "from=iqn.2026-11.t:evil") || !strings.Contains(s, "CmdSN 1 has not come") || n.Counters().GapsEnded != 1 {
					t.Errorf("%s", s)
				}
				n.end(t)
			})
		})
	}
}
