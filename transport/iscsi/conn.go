package iscsi

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/lunette-io/lunette/transport/iscsi/login"
	"github.com/lunette-io/lunette/transport/iscsi/pdu"
)

// Target Transfer Tags that no R2T has.
const (
	textTag = 0xfffffffe
	pingTag = 0xfffffffd
)

// A Conn is the session's side of one connection: the Handler of its mover.
type Conn struct {
	node   *Node
	m      Mover
	traits Traits
	since  time.Time

	// Login. neg is nil in full feature phase. Only the mover's goroutine is here.
	wishes *login.Config
	neg    *login.Negotiator
	cid    uint16
	sess   *Session
	params atomic.Pointer[login.Params] // never edited: a text negotiation stores another value
	text   *login.TextExchange
	// negotiated is what the text exchange edits. Session.turn guards both.
	negotiated login.Params
	leave      bool // a Logout is being answered: nothing new is taken

	statSN uint32        // Stamp only
	first  atomic.Uint32 // ExpCmdSN before there is a session

	heard  atomic.Int64 // node.tick when something came last
	pinged atomic.Int64 // node.tick of the NOP-In that waits for its answer; 0: none

	unexpected unexpected
	pool       taskPool

	mu        sync.Mutex
	tasks     taskTable
	pieces    *piece // free
	immediate int    // immediate commands that are not answered
	solicited int64  // bytes of data-out that tasks wait for
	waiting   []*task
	copied    int64 // bytes of immediate and kept data, beside what the mover copies
	dead      bool

	// What look compares from second to second.
	sent, came, stalled int64

	full atomic.Bool
	gone chan struct{} // closed: the connection and its tasks have ended
}

func newConn(n *Node, m Mover) *Conn {
	c := &Conn{node: n, m: m, traits: m.Traits(), since: time.Now(), statSN: 1, gone: make(chan struct{})}
	c.heard.Store(n.tick.Load())
	p := login.DefaultParams()
	c.params.Store(&p)
	c.wishes = c.traits.Login
	if c.wishes == nil {
		c.wishes = &n.cfg.Login
	}
	c.neg = login.New(c.wishes, admission{c})
	return c
}

// ControlArrived implements Handler.
func (c *Conn) ControlArrived(p *Arrival) {
	c.heard.Store(c.node.tick.Load())
	if c.neg != nil {
		c.login(p)
		return
	}
	c.unexpected.acknowledged(p.H.ExpStatSN())
	s := c.sess
	s.turn.Lock()
	if !c.leave {
		c.take(p)
	}
	if s.early.Load() > 0 {
		s.deliverHeld()
	}
	s.turn.Unlock()
}

// take takes a PDU of full feature phase. The session's turn is held.
func (c *Conn) take(p *Arrival) {
	op := p.H.Opcode()
	switch {
	case op == pdu.OpDataOut:
		c.unsolicited(p)
		return
	case op == pdu.OpSNACK:
		c.reject(p.H, pdu.RejectSNACK) // ErrorRecoveryLevel 0
		return
	case op == pdu.OpLoginRequest || !op.FromInitiator():
		c.reject(p.H, pdu.RejectProtocolError)
		c.m.Terminate(fmt.Errorf("%v in full feature phase", op))
		return
	case p.BadDigest:
		// The command is lost and leaves a gap in the numbers that only a new session
		// closes at ErrorRecoveryLevel 0 (7.8, 7.3).
		c.reject(p.H, pdu.RejectDataDigest)
		c.m.Terminate(ErrDataDigest)
		return
	}
	if p.H.Immediate() {
		c.perform(p)
		return
	}
	switch c.sess.order(p.H.CmdSN()) {
	case deliver:
		c.perform(p)
	case keepBack:
		c.sess.keep(c, p)
	}
}

// perform executes a command whose turn has come, on whatever goroutine.
func (c *Conn) perform(p *Arrival) {
	if p.BadDigest {
		c.reject(p.H, pdu.RejectDataDigest)
		c.m.Terminate(ErrDataDigest)
		return
	}
	switch p.H.Opcode() {
	case pdu.OpSCSICommand:
		c.command(p)
	case pdu.OpTMFRequest:
		c.manage(p)
	case pdu.OpNOPOut:
		c.ping(p)
	case pdu.OpTextRequest:
		c.negotiate(p)
	case pdu.OpLogoutRequest:
		c.logout(p)
	default:
		c.retire(p.H)
		c.reject(p.H, pdu.RejectNotSupported)
	}
}

// retire gives the window slot of a command back that is not a task.
func (c *Conn) retire(h *pdu.BHS) {
	if !h.Immediate() {
		c.sess.retire()
	}
}

// Stamp implements Handler.
func (c *Conn) Stamp(h *pdu.BHS, owner any) {
	exp := c.first.Load()
	most := exp + uint32(c.node.cfg.Window) - 1
	if c.full.Load() {
		exp, most = c.sess.exp.Load(), c.sess.max.Load()
	}
	n := c.statSN
	switch h.Opcode() {
	case pdu.OpDataIn:
		k := taskOf(owner)
		h.SetDataSN(k.dataSN)
		k.dataSN++
		if h[1]&1 == 0 { // no status: the field is reserved (11.7.4)
			n = 0
			break
		}
		c.statSN++
	case pdu.OpR2T: // the next one, not consumed
	case pdu.OpNOPIn:
		if h.ITT() != pdu.NoTag {
			c.statSN++
		}
	case pdu.OpReject, pdu.OpAsync:
		c.unexpected.numbered(n)
		c.statSN++
	case pdu.OpSCSIResponse:
		if k, ok := owner.(*task); ok {
			h.SetDataSN(k.dataSN)
			k.drop()
		}
		c.statSN++
	default:
		c.statSN++
	}
	h.SetNumbers(n, exp, most)
}

// Terminated implements Handler.
func (c *Conn) Terminated(cause error) {
	c.mu.Lock()
	c.dead = true
	c.mu.Unlock()
	c.dropLaterIf(everyTask)
	finish := func() {
		close(c.gone)
		c.node.disconnected(c)
	}
	log := c.node.log.With("remote", c.traits.Remote)
	if c.sess == nil {
		log.Debug("connection ended before login", "cause", cause)
		finish()
		return
	}
	log.Info("connection ended", "initiator", c.sess.key.initiator, "target", c.sess.key.target, "cid", c.cid, "cause", cause)
	c.sess.left(c, cause, finish)
}

// look is called every second: time-outs.
func (c *Conn) look(now int64) {
	cfg := &c.node.cfg
	seconds := func(d time.Duration) int64 { return max(1, int64(d/time.Second)) }
	if !c.full.Load() {
		if time.Since(c.since) >= cfg.LoginTimeout {
			c.m.Terminate(errors.New("login timed out"))
		}
		return
	}
	s := c.m.Stats()
	// It takes what we send: nothing else can be asked of it. What asks it for data may be behind
	// that, and not have been sent yet.
	takes := s.Queued > 0 && s.BytesOut != c.sent
	// No progress: something is queued and nothing is sent, or data is owed and none comes.
	if !takes && (s.Queued > 0 || (s.DataOut == c.came && c.waitsForData())) {
		c.stalled++
	} else {
		c.stalled = 0
	}
	if takes {
		c.heard.Store(now)
	}
	c.sent, c.came = s.BytesOut, s.DataOut
	if c.stalled >= seconds(cfg.StallTimeout) {
		c.m.Terminate(errors.New("the initiator does not take or send data"))
		return
	}
	idle := now - c.heard.Load()
	switch at := c.pinged.Load(); {
	case at == 0 && idle >= seconds(cfg.PingAfter):
		c.pinged.Store(max(now, 1))
		if !c.unexpected.mayPing() { // it has one, and does not answer
			return
		}
		p := c.m.Control()
		pdu.NOPIn{ITT: pdu.NoTag, TTT: pingTag}.Put(&p.BHS)
		c.m.SendControl(p)
		c.m.Flush()
	case at != 0 && idle < seconds(cfg.PingAfter):
		c.pinged.Store(0)
	case at != 0 && now-at >= seconds(cfg.PingTimeout):
		c.m.Terminate(errors.New("the initiator does not answer"))
	}
}

// waitsForData reports that the initiator owes data that it was asked for or has announced.
func (c *Conn) waitsForData() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	owes := false
	if c.tasks.n > 0 {
		c.tasks.each(func(k *task) { owes = owes || k.data.flying > 0 || !k.data.done })
	}
	return owes
}

// askLogout asks the initiator to log out within d (11.9.1, event 1), if it has room for that.
func (c *Conn) askLogout(d time.Duration) {
	if !c.full.Load() {
		c.m.Terminate(ErrClosed)
		return
	}
	if !c.unexpected.may(false) {
		return
	}
	p := c.m.Control()
	pdu.Async{Event: pdu.AsyncLogoutRequest, Param3: uint16(min(max(1, d/time.Second), 1<<16-1))}.Put(&p.BHS)
	c.m.SendControl(p)
	c.m.Flush()
}
