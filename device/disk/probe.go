package disk

import (
	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/target"
)

// testUnitReady is TEST UNIT READY (SPC-5 6.47). A store that could not be reached when it was last
// asked is asked again: until it answers the unit is NOT READY. What cannot be read of a store that
// answers does not make it so: blocks of a disk may be lost, and the rest is there.
func (d *Disk) testUnitReady(t *target.Task) {
	if !d.medium.errors.unavailable.Load() {
		d.Good(t)
		return
	}
	d.onWorker(t, probeStore)
}

// probeStore reads the first block.
func (d *Disk) probeStore(t *target.Task) {
	m := d.medium
	l, err := m.fetch(t.Context(), t, 0, m.blockSize, reading)
	if err == nil {
		l.Release()
	}
	if err != nil && scsi.SenseOf(err).Key == scsi.KeyNotReady {
		d.FailWith(t, err)
		return
	}
	if t.Aborted() {
		d.FailWith(t, target.ErrAborted)
		return
	}
	m.errors.unavailable.Store(false)
	d.Good(t)
}
