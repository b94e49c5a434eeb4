package rc

import (
	"time"

	"github.com/lunette-io/lunette/network/rdma/ib"
)

const (
	// minTimeout is the shortest time without an answer until everything is sent again: software may be late.
	minTimeout = 200 * time.Millisecond
	// minProbe is the shortest time without an answer until the oldest packet is sent again, and firstProbe the time as long as it is not known how long answers take.
	minProbe   = 500 * time.Microsecond
	firstProbe = 20 * time.Millisecond
	// maxBackOff is how many times the time-out is doubled.
	maxBackOff = 2
)

// A clocks measures how long answers take, and says when one is overdue. Times are those of [QP.now]. The queue pair's mu guards it.
type clocks struct {
	timeout time.Duration
	since   time.Duration // when the last answer came that brought something new, or waiting for one began
	retries int           // times that everything was sent again since
	probes  int           // times that the oldest packet was, since that
	probe   bool          // the next packet is to be the oldest
	waiting bool          // for what follows from a probe
	upTo    ib.PSN        // the probe was sent after all before this

	rnr  time.Duration // until then the peer is not ready
	rnrs int           // times that it was not, since an answer brought something new

	srtt, dev time.Duration // smoothed round-trip time, and its mean deviation (RFC 6298 2); 0: not known
	timing    bool
	timed     ib.PSN
	at        time.Duration
}

func (c *clocks) init(timeout time.Duration) { c.timeout = timeout }

// begin notes that something is outstanding, and that nothing was before.
func (c *clocks) begin(now time.Duration) { c.since, c.retries, c.probes = now, 0, 0 }

// progress notes that the peer has received something new: it was ready for that.
func (c *clocks) progress(now time.Duration) {
	c.moved(now)
	c.rnrs, c.rnr = 0, 0
}

// moved notes that an answer has brought something new. That a Read is answered does not say that the peer is ready for a message.
func (c *clocks) moved(now time.Duration) {
	c.begin(max(now, c.rnr))
	c.probe = false
}

// late notes that an answer has come that came before: what we wait for may be behind others like it, and to ask once more would only add to them.
func (c *clocks) late(now time.Duration) { c.since = max(c.since, now) }

// time notes that the packet psn was sent for the first time, and asks for an answer.
func (c *clocks) time(psn ib.PSN, now time.Duration) {
	if !c.timing {
		c.timing, c.timed, c.at = true, psn, now
	}
}

// answered measures, if what is before una was received.
func (c *clocks) answered(una ib.PSN, now time.Duration) {
	if !c.timing || una.Sub(c.timed) <= 0 {
		return
	}
	c.timing = false
	rtt := max(now-c.at, 1)
	if c.srtt == 0 {
		c.srtt, c.dev = rtt, rtt/2
		return
	}
	d := c.srtt - rtt
	if d < 0 {
		d = -d
	}
	c.dev += (d - c.dev) / 4
	c.srtt += (rtt - c.srtt) / 8
}

// resent notes that the packet psn is sent again: an answer may be one to either, and nothing is measured (RFC 6298 3); as long as nothing is known, a time that may be too
// short is better.
func (c *clocks) resent(psn ib.PSN, ask bool, now time.Duration) {
	if c.timing = c.srtt == 0 && ask; c.timing {
		c.timed, c.at = psn, now
	}
}

// probed notes that a probe was sent, after all that is before sent.
func (c *clocks) probed(sent ib.PSN) {
	c.waiting, c.upTo = true, sent
}

// probing is when the next probe is due.
func (c *clocks) probing() time.Duration {
	t := min(firstProbe, c.timeout/4)
	if c.srtt > 0 {
		t = max(minProbe, 2*c.srtt+4*c.dev)
	}
	return c.since + t<<(c.probes+1) - t
}

// expires is when everything is sent again.
func (c *clocks) expires() time.Duration { return c.since + c.timeout<<min(c.retries, maxBackOff) }
