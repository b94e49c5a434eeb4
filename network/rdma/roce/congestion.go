package roce

import (
	"time"

	"github.com/lunette-io/lunette/network/rdma/ib"
	"github.com/lunette-io/lunette/network/rdma/ib/congestion"
)

// A pace is what a connection knows of congestion on its way.
type pace struct {
	rate  *congestion.Rate // nil: nothing is slowed down
	epoch time.Time        // what times are counted from
	last  time.Duration    // when the peer was notified; 0: it was not. The lane's goroutine alone uses it
}

func (x *pace) init(off bool) {
	x.epoch = time.Now()
	if !off {
		x.rate = congestion.New(congestion.Parameters{})
	}
}

// wait is rc.Config.Pace.
func (x *pace) wait(n int) time.Duration {
	if x.rate == nil || !x.rate.Limited() {
		return 0
	}
	return x.rate.Sent(time.Since(x.epoch), n)
}

// cnpEvery is how often a peer is told at the most that its packets meet with congestion.
const cnpEvery = 50 * time.Microsecond

// notify tells the peer by a CNP that a packet of it has met with congestion (annex A17.9.3). It is called by the lane's goroutine.
func (c *Conn) notify() {
	c.d.count.marked.Add(1)
	now := time.Since(c.pace.epoch)
	if c.pace.last != 0 && now-c.pace.last < cnpEvery {
		return
	}
	c.pace.last = max(now, 1)
	h := ib.BTH{Opcode: ib.CNP, BECN: true, PKey: ib.DefaultPKey, Dest: c.peer}
	c.port.single(c.path, h, func(b []byte) []byte { return append(b, make([]byte, cnpPayload)...) })
}

// cnpPayload is how many zeros follow the BTH of a CNP.
const cnpPayload = 16

// notified takes a CNP of the peer.
func (c *Conn) notified() {
	c.d.count.notified.Add(1)
	if c.pace.rate != nil {
		c.pace.rate.Notified(time.Since(c.pace.epoch))
	}
}
