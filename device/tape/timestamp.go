package tape

import (
	"sync"
	"time"

	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/scsi/cdb"
	"github.com/lunette-io/lunette/target"
)

// Origins of a timestamp (SPC-5 table 55).
const (
	timestampSet   = 2 // by SET TIMESTAMP
	timestampOther = 3 // by other means: the clock of the host
)

// A clock is what the drive takes for the time: that of the host, until an initiator sets it.
type clock struct {
	now func() time.Time

	mu     sync.Mutex
	set    bool
	offset time.Duration // of what was set to now
}

// time is the time, and where it comes from.
func (c *clock) time() (t time.Time, origin byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.set {
		return c.now().Add(c.offset), timestampSet
	}
	return c.now(), timestampOther
}

// put sets the time, and reports that it was another before.
func (c *clock) put(milliseconds uint64) (changed bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	offset := time.UnixMilli(int64(milliseconds)).Sub(c.now())
	changed = !c.set || offset != c.offset
	c.set, c.offset = true, offset
	return changed
}

// reportTimestamp is REPORT TIMESTAMP (SPC-5 6.38).
func (d *Drive) reportTimestamp(t *target.Task) {
	c, err := cdb.ParseReportTimestamp(t.CDB)
	if err != nil {
		d.FailWith(t, err)
		return
	}
	now, origin := d.pages.clock.time()
	d.Reply(t, append([]byte{0, 10, origin, 0}, cdb.AppendTimestampList(nil, uint64(now.UnixMilli()))[4:]...), c.Allocation)
}

// setTimestamp is SET TIMESTAMP (SPC-5 6.45).
func (d *Drive) setTimestamp(t *target.Task) {
	c, err := cdb.ParseMaintenanceOut(t.CDB)
	switch {
	case err != nil:
		d.FailWith(t, err)
	case c.Length == 0:
		d.Good(t)
	case c.Length > maxParameterList:
		d.Fail(t, scsi.InvalidFieldInCDB(6, -1))
	default:
		d.ReceiveList(t, int64(c.Length), d.timestampReceived)
	}
}

func (d *Drive) timestampReceived(t *target.Task, list []byte) {
	ms, err := cdb.ParseTimestampList(list)
	if err != nil {
		d.FailWith(t, err)
		return
	}
	if d.pages.clock.put(ms) {
		d.Announce(scsi.ASCTimestampChanged, t.ITL())
	}
	d.Used(t, len(list))
}

// maxParameterList is the longest parameter list that a command of a drive may have.
const maxParameterList = 64 << 10
