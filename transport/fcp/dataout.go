package fcp

import (
	"time"

	"github.com/lunette-io/lunette/buffer"
	"github.com/lunette-io/lunette/network/fc"
	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/target"
	"github.com/lunette-io/lunette/transport/fcp/iu"
)

// Data-out that was asked for and does not come.
const (
	// reorderTime is how long frames may come behind the one that gives the initiative back before they are taken for lost.
	reorderTime = 20 * time.Millisecond
	// mostTries is how often what is missing is asked for without any of it coming.
	mostTries = 3
	// retryPatience is how many times E_D_TOV an initiator with REC and SRR has to find out itself that something was
	// lost: Linux asks after E_D_TOV and a second, counts data that it sends twice without having asked as too much, and
	// does the whole command again then.
	retryPatience = 4
)

// errNoData is what a device server hears of data-out that was lost, again and again.
var errNoData = &target.DataError{Sense: scsi.AbortedCommand(scsi.ASCInitiatorResponseTimeout)}

// A dataOut is the data-out that a device server has asked for: one ReceiveDataOut. It is asked for in bursts, one FCP_XFER_RDY at a time, since all
// tasks of a network share what may be on its way. k.mu guards it; the numbers are bytes from the beginning of into.
type dataOut struct {
	into  *buffer.Lease // nil: there is none
	off   int64         // where it is in the initiator's buffer
	have  extents       // what is there
	most  int64         // nothing beyond was asked for yet
	turn  uint32        // counts transfers, so that a share which comes late finds nobody
	burst extent        // what the last FCP_XFER_RDY asks for; empty: none is outstanding
	wants extent        // what the next one asks for, when there is a share for it; empty: nothing
	share int64         // what of the network's share has not come

	ready sequence // FCP_XFER_RDY; its memory is head
	head  [iu.ReadyLen]byte
	again bool // it is to be posted when it comes back

	back  bool      // the initiative has come back, and part of burst is missing
	moved bool      // something has come since quiet
	quiet time.Time // since when nothing has come, as far as it is known
	tries int       // how often it was asked again, and nothing has come
}

// asked reports that the initiator owes data: it has the initiative, or has given it back and is to find out that something was lost.
func (g *dataOut) asked() bool { return g.into != nil && !g.burst.empty() }

// receive begins a transfer. If there is an error it is over at once; share is what the caller gives back then. k.mu is held.
func (k *task) receive(off int64, into *buffer.Lease, have int64) (share int64, err error) {
	g := &k.get
	g.into, g.off, g.most = into, off, have
	g.have.reset(have)
	g.burst, g.wants, g.again = extent{}, extent{}, false
	g.tries, g.share = 0, 0
	g.turn++
	if err = k.ask(g.have.gap(0, into.Len())); err != nil {
		_, share = k.stopReceiving()
	}
	return share, err
}

// ask asks for x, or for as much of it as may be asked for at a time, now or when it is its turn. The error is that there is no memory,
// the first time. k.mu is held.
func (k *task) ask(x extent) error {
	g := &k.get
	most := k.c.asks.burst()
	if k.c.slow.Load() {
		most = min(most, leastBurst)
	}
	x.to = min(x.to, x.from+most)
	g.burst, g.wants = extent{}, x
	if !k.c.asks.take(k, x.to-x.from) {
		k.refs++ // that of the line
		return nil
	}
	g.share = x.to - x.from
	if err := g.into.Fill(); err != nil {
		return err
	}
	k.request()
	return nil
}

// request posts the FCP_XFER_RDY for what is wanted: there is a share for it. k.mu is held.
func (k *task) request() {
	g := &k.get
	g.burst, g.wants = g.wants, extent{}
	g.most = max(g.most, g.burst.to)
	g.back, g.moved = false, true
	if g.ready.posted {
		g.again = true
		return
	}
	k.postReady()
}

// postReady posts the FCP_XFER_RDY of the burst. If it cannot be, the login has ended, or the task was aborted: whoever does that ends
// the transfer. k.mu is held.
func (k *task) postReady() {
	g := &k.get
	x := iu.Ready{Offset: uint32(g.off + g.burst.from), Len: uint32(g.burst.to - g.burst.from)}
	g.ready.Head = x.Append(g.head[:0])
	k.post(&g.ready)
}

// readyLeft notes that the FCP_XFER_RDY has left, and posts the next if there is one. It reports that it has. k.mu is held.
func (k *task) readyLeft() bool {
	g := &k.get
	g.moved = true // the initiator's time begins now
	if !g.again || !g.asked() {
		return false
	}
	g.again = false
	k.postReady()
	return true
}

// granted goes on with a task that has waited for its turn, and has n bytes of a share now. It takes over the reference of the queue, and
// gives back what it does not need. No lock is held.
func (k *task) granted(turn uint32, n int64) {
	g := &k.get
	var err error
	k.mu.Lock()
	wanted := g.into != nil && g.turn == turn && !g.wants.empty()
	if wanted {
		if err = g.into.Fill(); err == nil {
			g.share, n = n, 0
			k.request()
		} else {
			k.stopReceiving()
		}
	}
	k.mu.Unlock()
	k.c.asks.uncharge(k.c, n)
	if err != nil {
		k.DataOutReceived(err)
	}
	k.c.flush()
	k.drop()
}

// stopReceiving ends the transfer from this end, and reports whether there was one; share is given back by the caller. k.mu is held.
func (k *task) stopReceiving() (was bool, share int64) {
	g := &k.get
	was, share = g.into != nil, g.share
	g.into, g.share = nil, 0
	g.burst, g.wants = extent{}, extent{}
	if was && k.c.asks.forget(k) {
		k.refs-- // that of the line; the caller has one
	}
	return was, share
}

// data takes a frame of FCP_DATA.
func (k *task) data(f *fc.Frame) {
	c, g := k.c, &k.get
	k.mu.Lock()
	from := int64(f.Parameter) - g.off
	to := from + int64(len(f.Payload))
	if k.state != open || g.into == nil || f.FCtl&fc.FCtlRelativeOffset == 0 || f.DFCtl != 0 || from < 0 || to > g.most {
		k.mu.Unlock()
		c.ignored.Add(1)
		return
	}
	n := g.place(from, f.Payload)
	if n > 0 {
		g.moved, g.tries = true, 0
	}
	share := min(g.share, n)
	over, flush, soon := false, false, false
	switch {
	case g.have.to == g.into.Len():
		over = true
		c.slow.Store(false)
		k.taken = g.off + g.have.to
		_, share = k.stopReceiving()
	case !g.burst.empty() && g.have.gap(g.burst.from, g.burst.to).empty():
		c.slow.Store(false)
		share, g.share = g.share, 0
		_ = k.ask(g.have.gap(0, g.into.Len()))
		flush = true
	case f.Last && f.FCtl&fc.FCtlSequenceInitiative != 0 && !g.burst.empty() && to > g.burst.from: // not a copy of the end of the burst before
		share, g.share = g.share, 0 // what has not come by now is lost
		g.back, g.moved, g.quiet = true, false, time.Now()
		soon = !c.retries
	default:
		g.share -= share
	}
	k.mu.Unlock()
	if n > 0 {
		c.copied.Add(n)
		c.received.Add(n)
	}
	if n < int64(len(f.Payload)) {
		c.ignored.Add(1)
	}
	if over {
		c.received.Add(leastBytes)
		k.DataOutReceived(nil)
	}
	c.asks.give(c, share)
	if flush {
		c.flush()
	}
	if soon {
		c.asks.look(reorderTime)
	}
}

// place copies what is missing of b, whose place begins at from, and reports how much that was. k.mu is held.
func (g *dataOut) place(from int64, b []byte) (n int64) {
	to := from + int64(len(b))
	for at := from; ; {
		x := g.have.gap(at, to)
		if x.empty() || !g.have.add(x) {
			return n
		}
		g.into.Copy(x.from, b[x.from-from:x.to-from])
		n += x.to - x.from
		at = x.to
	}
}

// check looks after a transfer whose initiator owes something. It reports that it is to be called again soon. No lock is held.
func (k *task) check(now time.Time) (soon bool) {
	c, g := k.c, &k.get
	wait := c.asks.errorDetect()
	k.mu.Lock()
	if !g.asked() || g.ready.posted || g.moved {
		g.moved, g.quiet = false, now
		soon = g.asked() && g.back && !c.retries
		k.mu.Unlock()
		return soon
	}
	silent := now.Sub(g.quiet)
	var share int64
	if silent >= wait { // what was on its way is lost
		share, g.share = g.share, 0
		c.slow.Store(true)
	}
	switch {
	case c.retries && g.tries == 0:
		wait *= retryPatience
	case g.back && !c.retries:
		wait = reorderTime
		soon = true
	}
	over := false
	if silent >= wait {
		if over = g.tries >= mostTries; over {
			_, more := k.stopReceiving()
			share += more
		} else {
			g.tries++
			share, g.share = share+g.share, 0
			c.askedAgain.Add(1)
			_ = k.ask(g.have.gap(g.burst.from, g.burst.to))
		}
	}
	k.mu.Unlock()
	if over {
		c.unanswered.Add(1)
		k.DataOutReceived(errNoData)
	}
	c.asks.give(c, share)
	c.flush()
	return soon
}

// readyAgain asks again for what is outstanding, from offset off of the initiator's buffer on. share is what it had, which the
// caller gives back. k.mu is held.
func (k *task) readyAgain(off int64) (did bool, share int64) {
	g := &k.get
	from := off - g.off
	if g.into != nil && !g.wants.empty() && g.wants.from <= from && from < g.wants.to {
		return true, 0 // it waits for its turn
	}
	if !g.asked() || from < 0 || from >= g.burst.to {
		return false, 0
	}
	if g.ready.posted {
		return true, 0 // it has not left yet
	}
	share, g.share = g.share, 0
	_ = k.ask(extent{min(from, g.have.to), g.burst.to})
	return true, share
}
