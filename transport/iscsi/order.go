package iscsi

import (
	"errors"
	"slices"

	"github.com/lunette-io/lunette/buffer"
	"github.com/lunette-io/lunette/internal/serial"
	"github.com/lunette-io/lunette/transport/iscsi/pdu"
)

// Commands are delivered in the order of CmdSN over all connections of a session (RFC 7143
// 4.2.2.1). What comes before its turn is held: the command, and the unsolicited Data-Outs
// that follow it on its connection. All of it happens with Session.turn held.

// maxHeldBytes limits what a session holds; the arena's limit is for all of them together.
// A connection that goes beyond is ended.
const maxHeldBytes = 32 << 20

var errHeld = errors.New("too much data of commands that came before their turn")

// A verdict on a command number.
type verdict uint8

const (
	deliver  verdict = iota // it is its turn
	keepBack                // an earlier one is missing
	ignore                  // outside the window, or a duplicate (4.2.2.1)
)

// order judges CmdSN n of a command that is not immediate, and counts it if it is its turn. Only
// who has the turn changes exp, and max never goes back: that takes no lock.
func (s *Session) order(n uint32) verdict {
	exp := s.exp.Load()
	if n == exp && serial.LessEq(n, s.max.Load()) {
		s.exp.Store(exp + 1)
		return deliver
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if !serial.InWindow(n, exp, s.max.Load()) || s.held[n] != nil {
		return ignore
	}
	return keepBack
}

// retire opens the window for one more command.
func (s *Session) retire() { s.max.Add(1) }

// A heldPDU is a command that came before its turn, or a Data-Out that follows one.
type heldPDU struct {
	c    *Conn
	h    pdu.BHS
	ahs  []byte
	data []byte
	bad  bool // its data digest is wrong
	mem  Memory

	x      Transfer   // of data that is still on its way
	of     *heldPDU   // the command of a Data-Out
	more   []*heldPDU // the Data-Outs of a command
	coming int        // of it and of them, how many are not complete
	passed bool       // consumes its number, and is nothing else
}

func (w *heldPDU) size() int {
	n := w.h.DataSegmentLength()
	for _, m := range w.more {
		n += m.h.DataSegmentLength()
	}
	return n
}

// keep holds a command back. It takes copies.
func (s *Session) keep(c *Conn, p *Arrival) {
	w := &heldPDU{c: c, h: *p.H, ahs: slices.Clone(p.AHS), bad: p.BadDigest, mem: p.Memory}
	w.of = w
	s.mu.Lock()
	ok := s.charge(p.H.DataSegmentLength())
	if ok {
		s.hold1(p.H.CmdSN(), w)
	}
	s.mu.Unlock()
	s.takeData(w, p, ok)
}

// keepData holds a Data-Out back whose command is held. It reports false if it is of none.
func (s *Session) keepData(c *Conn, p *Arrival) bool {
	w := &heldPDU{c: c, h: *p.H, bad: p.BadDigest}
	s.mu.Lock()
	for _, k := range s.held {
		if k.c == c && !k.passed && k.h.Opcode() == pdu.OpSCSICommand && k.h.ITT() == p.H.ITT() {
			w.of = k
		}
	}
	if w.of == nil {
		s.mu.Unlock()
		return false
	}
	ok := s.charge(p.H.DataSegmentLength())
	if ok {
		w.of.more = append(w.of.more, w)
	}
	s.mu.Unlock()
	s.takeData(w, p, ok)
	return true
}

// charge takes n bytes from the limits. s.mu is held.
func (s *Session) charge(n int) bool {
	if s.ended || s.hold+n > maxHeldBytes || s.node.cfg.Arena.Charge(int64(n)) != nil {
		return false
	}
	s.hold += n
	return true
}

// uncharge gives n bytes back. s.mu is held.
func (s *Session) uncharge(n int) {
	s.hold -= n
	s.node.cfg.Arena.Uncharge(int64(n))
}

// hold1 notes a held command. s.mu is held.
func (s *Session) hold1(n uint32, w *heldPDU) {
	if s.held == nil {
		s.held = make(map[uint32]*heldPDU)
	}
	s.held[n] = w
	s.early.Add(1)
}

// takeData copies the data of w, or has it received.
func (s *Session) takeData(w *heldPDU, p *Arrival, ok bool) {
	switch {
	case !ok:
		w.c.m.Terminate(errHeld)
	case p.Pending == 0:
		w.data = slices.Clone(p.Data)
	default:
		w.data = make([]byte, p.H.DataSegmentLength())
		w.x.Owner, w.x.Data, w.x.Len = w, buffer.Of(w.data), int64(len(w.data))
		s.mu.Lock()
		w.of.coming++
		s.mu.Unlock()
		w.c.m.Accept(&w.x) // not done at once: it is pending
	}
}

// arrived tells that the data of w is complete.
func (s *Session) arrived(w *heldPDU, err error) {
	s.turn.Lock()
	s.mu.Lock()
	w.of.coming--
	w.bad = w.bad || err != nil
	s.mu.Unlock()
	s.deliverHeld()
	s.turn.Unlock()
}

// deliverHeld delivers the commands whose turn has come. Its caller has the turn.
func (s *Session) deliverHeld() {
	for {
		s.mu.Lock()
		exp := s.exp.Load()
		w := s.held[exp]
		if w == nil || w.coming > 0 {
			s.mu.Unlock()
			return
		}
		delete(s.held, exp)
		s.early.Add(-1)
		s.uncharge(w.size())
		s.exp.Store(exp + 1)
		s.mu.Unlock()
		if w.passed {
			s.retire()
			continue
		}
		w.c.perform(&Arrival{H: &w.h, AHS: w.ahs, Data: w.data, BadDigest: w.bad, Memory: w.mem, kept: true})
		for _, m := range w.more {
			w.c.unsolicited(&Arrival{H: &m.h, Data: m.data, BadDigest: m.bad, kept: true})
		}
		w.c.m.Flush()
	}
}

// plug counts a command that will not come any more, since it was aborted before it
// came (11.5.1). It reports false if n is not a number that is still expected. Its
// caller has the turn, and delivers what is held afterwards.
func (s *Session) plug(n uint32) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended || !serial.InWindow(n, s.exp.Load(), s.max.Load()) {
		return false
	}
	if w := s.held[n]; w != nil { // it has come, before its turn
		s.pass(w)
		return true
	}
	s.hold1(n, &heldPDU{passed: true})
	return true
}

// pass makes w consume its number and do nothing else. s.mu is held.
func (s *Session) pass(w *heldPDU) {
	s.uncharge(w.size())
	w.h, w.more, w.passed = pdu.BHS{}, nil, true
}

// passOver does so with all that came by a connection which has ended.
func (s *Session) passOver(c *Conn) {
	s.turn.Lock()
	s.mu.Lock()
	for _, w := range s.held {
		if w.c == c && !w.passed {
			s.pass(w)
		}
	}
	s.mu.Unlock()
	s.deliverHeld()
	s.turn.Unlock()
}

// forgetHeld forgets all that is held. s.mu is held.
func (s *Session) forgetHeld() {
	s.uncharge(s.hold)
	s.early.Store(0)
	s.held = nil
}
