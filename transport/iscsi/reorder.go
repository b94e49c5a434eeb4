package iscsi

import (
	"errors"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/lunette-io/lunette/buffer"
	"github.com/lunette-io/lunette/transport/iscsi/pdu"
)

// maxEarlyBytes limits the data that a session retains of commands which came before their turn;
// the arena's limit is for all sessions together. A connection that goes beyond is ended.
const maxEarlyBytes = 32 << 20

var errEarly = errors.New("too much data of commands that came before their turn")

// An earlyPDU is a command that came before its turn, or an unsolicited Data-Out that follows one
// on its connection. Both are copies.
type earlyPDU struct {
	c    *Conn // by which it came
	h    pdu.BHS
	ahs  []byte
	data []byte
	bad  bool // the data digest is wrong
	mem  Memory

	since int64 // the node's tick when it came

	x        Transfer // of data that is still arriving
	of       *earlyPDU
	more     []*earlyPDU // the Data-Outs of a command
	arriving int         // of a command and its Data-Outs, how many are not complete
	skipped  bool        // consumes its number, and is nothing else
}

func newEarlyPDU(c *Conn, p *Arrival) *earlyPDU {
	e := &earlyPDU{c: c, since: c.node.tick.Load(), h: *p.H, ahs: slices.Clone(p.AHS), bad: p.BadDigest, mem: p.Memory}
	e.x.Owner = e
	return e
}

// earlyCost is what a retained PDU takes beside its data.
const earlyCost = 512

// size is how many bytes e and what follows it take.
func (e *earlyPDU) size() int {
	if e.skipped {
		return 0
	}
	n := earlyCost + e.h.DataSegmentLength()
	for _, m := range e.more {
		n += m.size()
	}
	return n
}

// arrival is e as its connection takes it.
func (e *earlyPDU) arrival() *Arrival {
	return &Arrival{H: &e.h, AHS: e.ahs, Data: e.data, BadDigest: e.bad, Memory: e.mem, retained: true}
}

// A reorderBuffer retains what came before its turn. Its mu guards all of it, and no other lock is
// taken under it but those of the arena.
type reorderBuffer struct {
	memory func() *buffer.Purse // pays for what is retained

	// count is how many commands there are: changed with mu, and read without it for each PDU.
	count atomic.Int32

	mu     sync.Mutex
	early  map[uint32]*earlyPDU // by CmdSN
	bytes  int
	closed bool // the session has ended: nothing is retained any more
}

// has reports whether a command with number n is there.
func (b *reorderBuffer) has(n uint32) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.early[n] != nil
}

// addCommand retains a command. It reports false if there is no room.
func (b *reorderBuffer) addCommand(e *earlyPDU) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	e.of = e
	if !b.charge(e.size()) {
		return false
	}
	b.put(e.h.CmdSN(), e)
	return true
}

// addData retains a Data-Out behind its command. It reports whether the command is there, and
// whether there is room.
func (b *reorderBuffer) addData(e *earlyPDU) (of, ok bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, o := range b.early {
		if o.c == e.c && !o.skipped && o.h.Opcode() == pdu.OpSCSICommand && o.h.ITT() == e.h.ITT() {
			e.of = o
		}
	}
	if e.of == nil {
		return false, false
	}
	if !b.charge(e.size()) {
		return true, false
	}
	e.of.more = append(e.of.more, e)
	return true, true
}

// put notes a command. b.mu is held.
func (b *reorderBuffer) put(n uint32, e *earlyPDU) {
	if b.early == nil {
		b.early = make(map[uint32]*earlyPDU)
	}
	b.early[n] = e
	b.count.Add(1)
}

// awaitData notes that the data of e is still arriving.
func (b *reorderBuffer) awaitData(e *earlyPDU) {
	b.mu.Lock()
	e.of.arriving++
	b.mu.Unlock()
}

// dataArrived ends awaitData.
func (b *reorderBuffer) dataArrived(e *earlyPDU, err error) {
	b.mu.Lock()
	e.of.arriving--
	e.bad = e.bad || err != nil
	b.mu.Unlock()
}

// take takes the command with number n out, if it is there and complete; else it returns nil.
func (b *reorderBuffer) take(n uint32) *earlyPDU {
	b.mu.Lock()
	defer b.mu.Unlock()
	e := b.early[n]
	if e == nil || e.arriving > 0 {
		return nil
	}
	delete(b.early, n)
	b.count.Add(-1)
	b.uncharge(e.size())
	return e
}

// fill lets number n be consumed by nothing from second now on, whether its command has come already or not. It
// reports false if the session has ended.
func (b *reorderBuffer) fill(n uint32, now int64) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch e := b.early[n]; {
	case b.closed:
		return false
	case e != nil:
		b.skip(e)
	default:
		b.put(n, &earlyPDU{skipped: true, since: now})
	}
	return true
}

// skipAll lets the numbers of all that came by a connection be consumed by nothing.
func (b *reorderBuffer) skipAll(c *Conn) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, e := range b.early {
		if e.c == c && !e.skipped {
			b.skip(e)
		}
	}
}

// skip makes e consume its number and do nothing else. b.mu is held.
func (b *reorderBuffer) skip(e *earlyPDU) {
	b.uncharge(e.size())
	e.h, e.more, e.skipped = pdu.BHS{}, nil, true
}

// charge takes n bytes from the limits. b.mu is held.
func (b *reorderBuffer) charge(n int) bool {
	if b.closed || b.bytes+n > maxEarlyBytes || b.memory().Charge(int64(n)) != nil {
		return false
	}
	b.bytes += n
	return true
}

// uncharge gives n bytes back. b.mu is held.
func (b *reorderBuffer) uncharge(n int) {
	if n > 0 { // before the first there may be no memory to give back to
		b.bytes -= n
		b.memory().Uncharge(int64(n))
	}
}

// close forgets all, and lets nothing in any more.
func (b *reorderBuffer) close() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.closed = true
	b.uncharge(b.bytes)
	b.count.Store(0)
	b.early = nil
}
