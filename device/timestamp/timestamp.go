// Package timestamp is the clock of a logical unit, which initiators read and set: REPORT TIMESTAMP and SET TIMESTAMP (SPC-5 5.3).
package timestamp

import (
	"sync"
	"time"

	"github.com/lunette-io/lunette/device"
	"github.com/lunette-io/lunette/device/reserve"
	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/scsi/cdb"
	"github.com/lunette-io/lunette/target"
)

// Origins of a timestamp (SPC-5 table 55).
const (
	bySet  = 2 // by SET TIMESTAMP
	byHost = 3 // by other means: the clock of the host
)

// maxList is the longest parameter list that is received.
const maxList = 64 << 10

// A Clock is that of the host, until an initiator sets it.
type Clock struct {
	now    func() time.Time
	server *device.Server

	mu     sync.Mutex
	set    bool
	offset time.Duration // of what was set to now
}

// New returns one that goes as now does; nil: [time.Now].
func New(now func() time.Time) *Clock {
	if now == nil {
		now = time.Now
	}
	return &Clock{now: now}
}

// Commands are REPORT TIMESTAMP, which reservations fence as report says, and SET TIMESTAMP.
func (c *Clock) Commands(report reserve.Class) []device.Command {
	return []device.Command{
		{Op: scsi.OpMaintenanceIn, Action: scsi.ActionReportTimestamp, Access: report, Run: c.report},
		{Op: scsi.OpMaintenanceOut, Action: scsi.ActionSetTimestamp, Access: reserve.Writing, Order: target.Reads, Run: c.change},
	}
}

// Serve says whose commands they are, before the first comes.
func (c *Clock) Serve(s *device.Server) { c.server = s }

// time is the time, and where it comes from.
func (c *Clock) time() (t time.Time, origin byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.set {
		return c.now().Add(c.offset), bySet
	}
	return c.now(), byHost
}

// put sets the time, and reports that it was another before.
func (c *Clock) put(milliseconds uint64) (changed bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	offset := time.UnixMilli(int64(milliseconds)).Sub(c.now())
	changed = !c.set || offset != c.offset
	c.set, c.offset = true, offset
	return changed
}

// report is REPORT TIMESTAMP (SPC-5 6.38).
func (c *Clock) report(t *target.Task) {
	r, err := cdb.ParseReportTimestamp(t.CDB)
	if err != nil {
		c.server.FailWith(t, err)
		return
	}
	now, origin := c.time()
	c.server.Reply(t, append([]byte{0, 10, origin, 0}, cdb.AppendTimestampList(nil, uint64(now.UnixMilli()))[4:]...), r.Allocation)
}

// change is SET TIMESTAMP (SPC-5 6.45).
func (c *Clock) change(t *target.Task) {
	m, err := cdb.ParseMaintenanceOut(t.CDB)
	switch {
	case err != nil:
		c.server.FailWith(t, err)
	case m.Length == 0:
		c.server.Good(t)
	case m.Length > maxList:
		c.server.Fail(t, scsi.InvalidFieldInCDB(6, -1))
	default:
		c.server.ReceiveList(t, int64(m.Length), c.received)
	}
}

func (c *Clock) received(t *target.Task, list []byte) {
	ms, err := cdb.ParseTimestampList(list)
	if err != nil {
		c.server.FailWith(t, err)
		return
	}
	if c.put(ms) {
		c.server.Announce(scsi.ASCTimestampChanged, t.ITL())
	}
	c.server.Used(t, len(list))
}
