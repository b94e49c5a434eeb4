package iscsi

import (
	"cmp"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/lunette-io/lunette/target"
	"github.com/lunette-io/lunette/transport/iscsi/login"
	"github.com/lunette-io/lunette/transport/iscsi/pdu"
)

// Target Transfer Tags that no R2T has.
const (
	textTag = 0xfffffffe
	pingTag = 0xfffffffd
)

// A Conn is the session's side of one connection: the Handler of its mover. What it does is
// divided between parts that have an owner each:
//
//   - login: the goroutine that the mover delivers PDUs on, until full feature phase;
//   - numbers: whoever stamps outgoing PDUs, one at a time in the order of the wire;
//   - text and leaving: the one who has the session's delivery;
//   - watch: the node's clock, but for its atomics;
//   - unexpected: a lock of its own.
//
// The tasks belong to the session, and the data-out of each is a part with a lock of its own.
type Conn struct {
	node   *Node
	portal *Portal
	m      Mover
	traits Traits
	since  time.Time

	login *loginPhase // nil in full feature phase
	place place       // behind the node's doors

	// Set before full feature phase.
	sess    *Session
	channel *target.Channel // nil: a discovery session
	cid     uint16
	guide   Guide // of a discovery session: which targets it may know of; nil: all that admit its name

	// params are what was negotiated. The value is never edited: a text negotiation stores
	// another one.
	params atomic.Pointer[login.Params]

	text    textNegotiation
	leaving bool // a Logout is being answered: nothing new is taken

	numbers    numbers
	watch      watch
	unexpected unexpected

	immediate atomic.Int32 // immediate commands that are not answered
	owing     atomic.Int32 // tasks for which the initiator owes data
	settled   atomic.Int64 // how many it owed data for, and does not any more
	copied    atomic.Int64 // bytes of retained data, beside what the mover and the target copy

	overdue atomic.Bool // it is ended, since others wait for the initiator

	full atomic.Bool   // it is in full feature phase
	gone chan struct{} // closed: the connection and its tasks have ended
}

func newConn(p *Portal, m Mover) *Conn {
	n := p.node
	c := &Conn{node: n, portal: p, m: m, traits: m.Traits(), since: time.Now(), gone: make(chan struct{})}
	c.place.address = ownerOf(c.traits.Remote)
	params := login.DefaultParams()
	c.params.Store(&params)
	c.numbers.init()
	c.watch.init(c)
	c.login = newLoginPhase(c)
	return c
}

// ControlArrived implements Handler.
func (c *Conn) ControlArrived(p *Arrival) bool {
	c.watch.heardNow()
	if c.login != nil {
		c.login.take(p)
		return true
	}
	c.unexpected.acknowledged(p.H.ExpStatSN())
	s := c.sess
	s.delivery.Lock()
	defer s.delivery.Unlock()
	if s.isFrozen {
		return false
	}
	if !c.leaving {
		c.take(p)
	}
	s.deliverRetained()
	s.freeze()
	return true
}

// take takes a PDU of full feature phase. c.sess.delivery is held.
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
	case retain:
		c.sess.retainCommand(c, p)
	}
}

// perform executes a command whose turn has come, on whatever goroutine. c.sess.delivery is
// held.
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
		c.nopOut(p)
	case pdu.OpTextRequest:
		c.textRequest(p)
	case pdu.OpLogoutRequest:
		c.logout(p)
	default:
		c.noTask(p.H)
		c.reject(p.H, pdu.RejectNotSupported)
	}
}

// noTask opens the window again for a PDU that has consumed a number and makes no task: there
// will be no response that does so.
func (c *Conn) noTask(h *pdu.BHS) {
	if !h.Immediate() {
		c.sess.window.advanceMaxCmdSN()
	}
}

// reject sends a Reject (11.17) for the PDU with header h, unless the initiator has no room for it.
func (c *Conn) reject(h *pdu.BHS, reason pdu.RejectReason) {
	c.node.log.Debug("rejected", "remote", c.traits.Remote, "pdu", h.Opcode(), "reason", reason)
	if !c.unexpected.may(answered(h)) {
		return
	}
	c.rejectAs(c.m.Control(), h, reason)
}

// rejectAs makes p the Reject for the PDU with header h, and sends it.
func (c *Conn) rejectAs(p *PDU, h *pdu.BHS, reason pdu.RejectReason) {
	pdu.Reject{Reason: reason}.Put(&p.BHS)
	p.Data, p.Echo = append(p.Room[:0], h[:]...), true
	c.m.SendControl(p)
}

// DataMoved implements Handler.
func (c *Conn) DataMoved(x *Transfer, err error) {
	switch o := x.Owner.(type) {
	case *earlyPDU:
		c.sess.earlyDataArrived(o, err)
	case *task:
		switch {
		case !x.Put:
			o.out.arrived(x, err)
		case x == &o.last:
			c.lastSent(o)
		default:
			c.pieceMoved(o, x)
		}
	}
}

// errAsked is, in the log, the cause of an end that has no other.
var errAsked = errors.New("the initiator has asked for it")

// Terminated implements Handler.
func (c *Conn) Terminated(cause error) {
	finish := func() {
		c.node.disconnected(c)
		close(c.gone)
	}
	if c.sess != nil {
		c.endText()
	}
	log := c.node.log.With("remote", c.traits.Remote)
	if c.sess == nil {
		log.Debug("connection ended before login", "cause", cause)
		finish()
		return
	}
	log.Info("connection ended", "initiator", c.sess.Initiator, "target", c.sess.Target, "cid", c.cid, "cause", cmp.Or(cause, errAsked))
	c.sess.left(c, cause, finish)
}
