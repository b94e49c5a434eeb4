package srp

import (
	"errors"
	"time"

	"github.com/lunette-io/lunette/target"
)

// A watch ends a channel whose initiator does not take what it is sent, does not give what it is asked
// for, or begins a message and does not end it. The node's clock calls check once a second, and nobody
// else uses a watch.
//
// An initiator owes bytes at a least rate, leastBytes in each StallTimeout, and may be behind by
// StallTimeout: so who moves a few bytes now and then is not waited for longer than who does nothing. An
// RDMA Read is answered in the order of the Reads, so that none of them stays behind while others are
// answered. When others are refused memory while the initiator has much of it, it may be behind by
// target.Patience.
type watch struct {
	takes, gives, says, confirms debt

	// What check compares from second to second.
	sent, placed, came, settled int64
}

// leastBytes is what an initiator has to move in each StallTimeout, if as much is under way. A line of
// 20 kbit/s is fast enough.
const leastBytes = 128 << 10

// A debt is how far an initiator is behind the least rate, in thousandths of a second.
type debt int64

// after is the debt after another second in which so many bytes have moved; leastBytes are due in most
// seconds. 0 if nothing is owed.
func (d *debt) after(owed bool, moved, most int64) time.Duration {
	if !owed {
		*d = 0
		return 0
	}
	*d = debt(max(0, int64(*d)+1000-min(moved, leastBytes)*1000*most/leastBytes))
	return time.Duration(*d) * time.Millisecond
}

var (
	errTakes    = errors.New("the initiator does not take what it is sent")
	errGives    = errors.New("the initiator does not answer RDMA Reads")
	errSays     = errors.New("the initiator has begun a message, and does not end it")
	errConfirms = errors.New("the initiator does not answer SRP_CRED_REQ")
)

// check looks at what the initiator of c owes.
func (w *watch) check(c *channel) {
	conn := c.link.live()
	if conn == nil {
		return
	}
	s := conn.Stats()
	sent, placed, came := s.BytesOut-w.sent, s.Placed-w.placed, s.BytesIn-w.came
	w.sent, w.placed, w.came = s.BytesOut, s.Placed, s.BytesIn
	if settled := c.works.settled.Load(); settled != w.settled { // all of what a task has asked for, however little
		w.settled, placed = settled, leastBytes
	}
	limit := max(time.Second, c.node.cfg.StallTimeout.Truncate(time.Second))
	most := int64(limit / time.Second)
	takes, gives := w.takes.after(s.Queued > 0, sent, most), w.gives.after(s.Asked > 0, placed, most)
	says := w.says.after(s.Unfinished, came, most)
	confirms := w.confirms.after(c.requests.unconfirmed(), 0, most)
	patience := limit
	if c.nexus.scsi.Memory().Wanted() {
		patience = min(limit, target.Patience)
	}
	var why error
	switch {
	case takes >= patience:
		why = errTakes
	case gives >= patience:
		why = errGives
	case says >= limit:
		why = errSays
	case confirms >= limit:
		why = errConfirms
	default:
		return
	}
	c.endDebtor("SRP channel ended: the initiator owes something", why, "queued", s.BytesQueued, "asked", s.Asked)
}
