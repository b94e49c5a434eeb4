package iscsi

import (
	"slices"

	"github.com/lunette-io/lunette/buffer"
	"github.com/lunette-io/lunette/internal/serial"
)

// Commands are delivered in the order of CmdSN over all connections of a session (RFC 7143
// 4.2.2.1): in the order of the target's I_T nexus, which is what iSCSI owes it. What the
// target makes of that order is its own business. What comes before its turn is retained: the command, and the
// unsolicited Data-Outs that follow it on its connection. All of it happens with
// Session.delivery held, so that commands of one connection may be performed by the goroutine of
// another, but by one at a time.

// A verdict on a command number.
type verdict uint8

const (
	deliver verdict = iota // it is its turn
	retain                 // an earlier one is missing
	ignore                 // outside the window, or a duplicate (4.2.2.1)
)

// order judges CmdSN n of a command that is not immediate, and consumes it if it is its turn.
// s.delivery is held.
func (s *Session) order(n uint32) verdict {
	exp, last := s.window.exp.Load(), s.window.max.Load()
	switch {
	case n == exp && serial.LessEq(n, last):
		s.window.consume()
		return deliver
	case !serial.InWindow(n, exp, last) || s.reorder.has(n):
		return ignore
	}
	return retain
}

// retainCommand retains a command. s.delivery is held.
func (s *Session) retainCommand(c *Conn, p *Arrival) {
	e := newEarlyPDU(c, p)
	s.retainSegment(e, p, s.reorder.addCommand(e))
}

// retainData retains a Data-Out whose command is retained. It reports false if it belongs to
// none. s.delivery is held.
func (s *Session) retainData(c *Conn, p *Arrival) bool {
	e := newEarlyPDU(c, p)
	of, ok := s.reorder.addData(e)
	if of {
		s.retainSegment(e, p, ok)
	}
	return of
}

// retainSegment copies the data segment of e, or has it received.
func (s *Session) retainSegment(e *earlyPDU, p *Arrival, ok bool) {
	switch {
	case !ok:
		e.c.m.Terminate(errEarly)
	case p.Pending == 0:
		e.data = slices.Clone(p.Data)
	default:
		e.data = make([]byte, p.H.DataSegmentLength())
		e.x.Data, e.x.Len = buffer.Of(e.data), int64(len(e.data))
		s.reorder.awaitData(e)
		e.c.m.Accept(&e.x) // not done at once: it is pending
	}
}

// earlyDataArrived tells that the data of e is complete.
func (s *Session) earlyDataArrived(e *earlyPDU, err error) {
	s.delivery.Lock()
	defer s.delivery.Unlock()
	s.reorder.dataArrived(e, err)
	s.deliverRetained()
	s.freeze()
}

// deliverRetained delivers the retained commands whose turn has come. s.delivery is held.
func (s *Session) deliverRetained() {
	for s.reorder.count.Load() > 0 {
		e := s.reorder.take(s.window.exp.Load())
		if e == nil {
			return
		}
		s.window.consume()
		if e.skipped {
			s.window.advanceMaxCmdSN()
			continue
		}
		e.c.perform(e.arrival())
		for _, m := range e.more {
			e.c.unsolicited(m.arrival())
		}
		e.c.m.Flush()
	}
}

// fillGap consumes the number of a command that will not come any more, since it was aborted
// before it came (11.5.1). It reports false if n is not a number that is still expected.
// s.delivery is held; its holder delivers what is retained afterwards.
func (s *Session) fillGap(n uint32) bool {
	return serial.InWindow(n, s.window.exp.Load(), s.window.max.Load()) && s.reorder.fill(n, s.node.tick.Load())
}

// skipConn consumes the numbers of what a connection that has ended has brought before its turn.
func (s *Session) skipConn(c *Conn) {
	s.delivery.Lock()
	defer s.delivery.Unlock()
	s.reorder.skipAll(c)
	s.deliverRetained()
}
