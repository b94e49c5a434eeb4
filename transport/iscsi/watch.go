package iscsi

import (
	"errors"
	"sync/atomic"
	"time"

	"github.com/lunette-io/lunette/target"
	"github.com/lunette-io/lunette/transport/iscsi/pdu"
)

// A watch ends a connection whose initiator does not log in, answer, take or send data in time.
// The node's clock calls check once a second; the atomics are set by whoever hears something.
type watch struct {
	c *Conn

	patience atomic.Int64            // seconds of the login that we have let it wait
	refusal  atomic.Pointer[refusal] // what is answered later; nil: nothing

	heard  atomic.Int64 // the node's tick when something came last
	pinged atomic.Int64 // that of the NOP-In which waits for its answer; 0: none

	began int64 // the tick of full feature phase

	// What check compares from second to second.
	sent, came int64 // bytes
	settled    int64 // Conn.settled
	stalled    int64 // how far the connection is behind the least rate, in thousandths of a second
}

// leastBytes is what a connection has to move in each StallTimeout, if as much is under way: of what we
// send it, or of what it was asked for. It may be late by StallTimeout at the most. So who takes or
// sends a few bytes now and then is not waited for longer than who does nothing; a line of 20 kbit/s
// is fast enough.
const leastBytes = 128 << 10

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
	c, cfg, limits := w.c, &w.c.node.cfg, w.c.node.limits.Load()
	if !c.full.Load() {
		switch r := w.refusal.Load(); {
		case r != nil && now >= r.until:
			w.refusal.Store(nil)
			c.refuseLogin(r.pdu)
		case time.Since(c.since) >= limits.LoginTimeout+time.Duration(w.patience.Load())*time.Second:
			c.m.Terminate(errors.New("login timed out"))
		}
		return
	}
	seconds := func(d time.Duration) int64 { return max(1, int64(d/time.Second)) }
	if c.sess.Discovery && now-w.began >= seconds(limits.DiscoveryTime) {
		c.m.Terminate(errors.New("the time of a discovery session is over"))
		return
	}
	most := seconds(cfg.StallTimeout)
	patience := most
	if m := c.sess.memory(); m != nil && m.Wanted() { // others are refused memory, and it has much of it
		patience = min(most, seconds(target.Patience))
	}
	if w.stalls(now, most) >= 1000*patience {
		c.node.doors.counters.stalled.Add(1)
		c.node.doors.debts.Warn(c.node.log, "connection ended: the initiator does not take or send data", c.sess.Initiator,
			"remote", c.traits.Remote, "target", c.sess.Target, "queued", c.m.Stats().BytesQueued, "owing", c.owing.Load())
		c.m.Terminate(errStalled)
		return
	}
	idle := now - w.heard.Load()
	switch at := w.pinged.Load(); {
	case at == 0 && idle >= seconds(limits.PingAfter):
		w.pinged.Store(max(now, 1))
		if c.unexpected.mayPing() { // else it has one, and does not answer
			c.ping()
		}
	case at != 0 && idle < seconds(limits.PingAfter):
		w.pinged.Store(0)
	case at != 0 && now-at >= seconds(cfg.PingTimeout):
		c.m.Terminate(errors.New("the initiator does not answer"))
	}
}

var errStalled = errors.New("the initiator does not take or send data")

// stalls is how far the connection is behind the least rate, of leastBytes in most seconds, after
// another second; 0 if nothing is under way.
func (w *watch) stalls(now, most int64) int64 {
	s := w.c.m.Stats()
	moved, came := s.BytesOut-w.sent, s.DataOut-w.came
	w.sent, w.came = s.BytesOut, s.DataOut
	settled := w.c.settled.Load()
	if settled != w.settled { // all that a task was asked for has come, however little that is
		came = leastBytes
	}
	w.settled = settled
	switch {
	case s.Queued > 0:
		// It has to take what we send: nothing else can be asked of it. What asks it for data
		// may be behind that, and not have been sent yet.
		if moved > 0 {
			w.heard.Store(now)
		}
	case w.c.owing.Load() > 0:
		moved = came
	default:
		w.stalled = 0
		return 0
	}
	w.stalled = max(0, w.stalled+1000-min(moved, leastBytes)*1000*most/leastBytes)
	return w.stalled
}

// ping asks whether the initiator is there (11.19).
func (c *Conn) ping() {
	p := c.m.Control()
	pdu.NOPIn{ITT: pdu.NoTag, TTT: pingTag}.Put(&p.BHS)
	c.m.SendControl(p)
	c.m.Flush()
}
