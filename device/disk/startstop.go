package disk

import (
	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/scsi/cdb"
	"github.com/lunette-io/lunette/target"
)

// powerActive is the one POWER CONDITION there is besides START_VALID: a unit that
// runs is active.
const powerActive = 1

// startStop is START STOP UNIT (SBC-4 5.29). A unit that was stopped has no medium
// access until it is started or reset: for the initiator that has stopped it, or for all
// ([Config].OwnSettings). The medium cannot be ejected.
func (d *Disk) startStop(t *target.Task) {
	c, err := cdb.ParseStartStop(t.CDB)
	switch {
	case err != nil:
		d.FailWith(t, err)
	case c.Condition > powerActive:
		d.Fail(t, scsi.InvalidFieldInCDB(4, 7))
	case c.Condition == 0 && c.LoadEject:
		d.Fail(t, scsi.InvalidFieldInCDB(4, 1))
	case c.Condition == powerActive || c.Start:
		d.Settings(t.ITL()).Put(stopped, false)
		d.Good(t)
	case c.NoFlush || !d.volatile || d.medium.info.ReadOnly:
		d.Settings(t.ITL()).Put(stopped, true)
		d.Good(t)
	default:
		d.onWorker(t, stopUnit)
	}
}

// stopUnit makes everything durable first.
func (d *Disk) stopUnit(t *target.Task) {
	if err := d.medium.flush(t.Context(), 0); err != nil {
		d.fail(t, err)
		return
	}
	d.Settings(t.ITL()).Put(stopped, true)
	d.Good(t)
}

// prevent is PREVENT ALLOW MEDIUM REMOVAL (SBC-4 5.7). The medium cannot be removed,
// so that both wishes are fulfilled.
func (d *Disk) prevent(t *target.Task) {
	c, err := cdb.ParsePrevent(t.CDB)
	switch {
	case err != nil:
		d.FailWith(t, err)
	case c.Mode > 1:
		d.Fail(t, scsi.InvalidFieldInCDB(4, 1))
	default:
		d.Good(t)
	}
}
