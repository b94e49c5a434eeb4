package fcp

import (
	"errors"
	"time"

	"github.com/lunette-io/lunette/target"
)

// A watch ends a channel whose initiator does not send the data-out that it was asked for, or sends it so slowly that tasks hang. A
// transfer of which nothing comes ends by itself; this is about those of which something comes now and then. The node's clock calls
// check once a second, and nobody else uses a watch.
//
// An initiator owes leastBytes in each stallTime, and may be behind by stallTime; by target.Patience when others are refused memory while
// it has much of it.
type watch struct {
	behind   time.Duration
	received int64
}

const (
	leastBytes = 128 << 10
	stallTime  = time.Minute
)

var errGives = errors.New("the initiator does not send the data that it was asked for")

// check looks at what the initiator of c owes, once a second.
func (c *channel) check() {
	w := &c.watch
	received := c.received.Load()
	came := received - w.received
	w.received = received
	if !c.asks.owed(c) {
		w.behind = 0
		return
	}
	w.behind = max(0, w.behind+time.Second-time.Duration(min(came, leastBytes))*stallTime/leastBytes)
	patience := stallTime
	if c.nexus.Memory().Wanted() {
		patience = target.Patience
	}
	if w.behind >= patience {
		c.end(errGives)
	}
}

// Overdue implements target.Services: the initiator owes something for which others wait.
func (c *channel) Overdue(_ *target.Task, why error) { c.end(why) }

// owed reports that c owes data-out.
func (a *asks) owed(c *channel) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return c.waits.out > 0
}
