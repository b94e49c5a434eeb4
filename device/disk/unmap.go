package disk

import (
	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/scsi/cdb"
	"github.com/lunette-io/lunette/target"
)

// unmap is UNMAP (SBC-4 5.32).
func (d *Disk) unmap(t *target.Task) {
	c, err := cdb.ParseUnmap(t.CDB)
	switch {
	case err != nil:
		d.FailWith(t, err)
	case !d.writable(t):
	case d.medium.trimmer == nil:
		d.Fail(t, scsi.InvalidOpcode())
	case c.Anchor:
		d.Fail(t, scsi.InvalidFieldInCDB(1, 0))
	case c.Length == 0:
		d.Good(t)
	case int64(c.Length) > t.HaveOut:
		d.Fail(t, scsi.ParameterListLengthError())
	default:
		t.Work = target.Work{}
		if d.durably(t, false) {
			t.Work.Flags = durable
		}
		d.enter(unmapRanges, t)
		t.ReceiveDataOut(0, int64(c.Length), d.entries.received)
	}
}

// startUnmap checks the whole list, t.Work.Data, before anything is changed.
func (d *Disk) startUnmap(t *target.Task) {
	list, err := cdb.ParseUnmapList(contiguous(t.Work.Data))
	if err == nil {
		err = d.checkUnmap(list)
	}
	if err != nil {
		d.fail(t, err)
		return
	}
	d.sweep.start(t)
}

func (d *Disk) checkUnmap(list cdb.UnmapList) error {
	if list.Len() > maxUnmapDescriptors {
		return scsi.InvalidFieldInParameterList(2, -1)
	}
	for _, r := range list.All() {
		if !d.medium.contains(r.LBA, uint64(r.Blocks)) {
			return scsi.LBAOutOfRange()
		}
	}
	return nil
}

// nextUnmap makes the next range of the list that of t, and reports whether there is one. Work.Blocks
// counts the ranges that were taken.
func (d *Disk) nextUnmap(t *target.Task) bool {
	w := &t.Work
	list, err := cdb.ParseUnmapList(contiguous(w.Data)) // checked by startUnmap
	if err != nil || w.Blocks >= uint64(list.Len()) {
		return false
	}
	r := list.At(int(w.Blocks))
	w.Blocks++
	w.LBA, w.Off, w.Len, w.Done = r.LBA, d.medium.bytes(r.LBA), d.medium.bytes(uint64(r.Blocks)), 0
	return true
}
