package iscsi

import (
	"errors"
	"sync/atomic"
	"time"

	"github.com/lunette-io/lunette/transport/iscsi/pdu"
)

// A watch ends a connection whose initiator does not log in, answer, take or send data in time.
// The node's clock calls check once a second; the atomics are set by whoever hears something.
type watch struct {
	c *Conn

	heard  atomic.Int64 // the node's tick when something came last
	pinged atomic.Int64 // that of the NOP-In which waits for its answer; 0: none

	began int64 // the tick of full feature phase

	// What check compares from second to second.
	sent, came int64 // bytes
	stalled    int64 // seconds without progress
}

func (w *watch) init(c *Conn) {
	w.c = c
	w.heardNow()
}

func (w *watch) heardNow() { w.heard.Store(w.c.node.tick.Load()) }

// answeredPing tells that the initiator has answered our NOP-In.
func (w *watch) answeredPing() {
	w.pinged.Store(0)
	w.c.unexpected.pinged()
}

// check looks at the time-outs of the connection at second now.
func (w *watch) check(now int64) {
	c, cfg := w.c, &w.c.node.cfg
	if !c.full.Load() {
		if time.Since(c.since) >= cfg.LoginTimeout {
			c.m.Terminate(errors.New("login timed out"))
		}
		return
	}
	seconds := func(d time.Duration) int64 { return max(1, int64(d/time.Second)) }
	if c.sess.Discovery && now-w.began >= seconds(cfg.DiscoveryTime) {
		c.m.Terminate(errors.New("the time of a discovery session is over"))
		return
	}
	if w.stalls(now) >= seconds(cfg.StallTimeout) {
		c.m.Terminate(errors.New("the initiator does not take or send data"))
		return
	}
	idle := now - w.heard.Load()
	switch at := w.pinged.Load(); {
	case at == 0 && idle >= seconds(cfg.PingAfter):
		w.pinged.Store(max(now, 1))
		if c.unexpected.mayPing() { // else it has one, and does not answer
			c.ping()
		}
	case at != 0 && idle < seconds(cfg.PingAfter):
		w.pinged.Store(0)
	case at != 0 && now-at >= seconds(cfg.PingTimeout):
		c.m.Terminate(errors.New("the initiator does not answer"))
	}
}

// stalls is for how many seconds nothing has gone on that should.
func (w *watch) stalls(now int64) int64 {
	s := w.c.m.Stats()
	// It takes what we send: nothing else can be asked of it. What asks it for data may be
	// behind that, and not have been sent yet.
	takes := s.Queued > 0 && s.BytesOut != w.sent
	// No progress: something is queued and nothing is sent, or data is owed and none comes.
	if !takes && (s.Queued > 0 || (s.DataOut == w.came && w.c.owing.Load() > 0)) {
		w.stalled++
	} else {
		w.stalled = 0
	}
	if takes {
		w.heard.Store(now)
	}
	w.sent, w.came = s.BytesOut, s.DataOut
	return w.stalled
}

// ping asks whether the initiator is there (11.19).
func (c *Conn) ping() {
	p := c.m.Control()
	pdu.NOPIn{ITT: pdu.NoTag, TTT: pingTag}.Put(&p.BHS)
	c.m.SendControl(p)
	c.m.Flush()
}
