package changer

import (
	"encoding/binary"
	"sync"
	"time"

	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/scsi/cdb"
	"github.com/lunette-io/lunette/target"
)

// Where a timestamp is from (SPC-5 5.3).
const (
	originSet     = 2 // SET TIMESTAMP
	originOutside = 3
)

// timestampList is the length of the data of REPORT TIMESTAMP and SET TIMESTAMP.
const timestampList = 12

// A clock is the timestamp of the unit: that of the host, until an initiator sets it.
type clock struct {
	now func() time.Time

	mu     sync.Mutex
	origin byte
	ahead  int64 // of the host's clock, in milliseconds
}

func (k *clock) init(now func() time.Time) {
	if now == nil {
		now = time.Now
	}
	k.now, k.origin = now, originOutside
}

// stamp is the timestamp, in milliseconds, and where it is from.
func (k *clock) stamp() (ms uint64, origin byte) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return uint64(k.now().UnixMilli()+k.ahead) & (1<<48 - 1), k.origin
}

func (k *clock) set(ms uint64) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.ahead, k.origin = int64(ms)-k.now().UnixMilli(), originSet
}

// reportTimestamp is REPORT TIMESTAMP (SPC-5 6.36).
func (c *Changer) reportTimestamp(t *target.Task) {
	ms, origin := c.clock.stamp()
	data := binary.BigEndian.AppendUint64([]byte{0, timestampList - 2, origin, 0}, ms<<16)
	c.Reply(t, data, binary.BigEndian.Uint32(t.CDB[6:]))
}

// setTimestamp is SET TIMESTAMP (SPC-5 6.45).
func (c *Changer) setTimestamp(t *target.Task) {
	m, err := cdb.ParseMaintenanceOut(t.CDB)
	switch {
	case err != nil:
		c.FailWith(t, err)
	case m.Length == 0:
		c.Good(t)
	case m.Length != timestampList:
		c.Fail(t, scsi.ParameterListLengthError())
	default:
		c.ReceiveList(t, timestampList, func(t *target.Task, list []byte) {
			c.clock.set(binary.BigEndian.Uint64(list[4:]) >> 16)
			c.Announce(scsi.ASCTimestampChanged, t.ITL())
			c.Used(t, len(list))
		})
	}
}
