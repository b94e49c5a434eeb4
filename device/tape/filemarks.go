package tape

import (
	"context"
	"errors"

	"github.com/lunette-io/lunette/device/alert"
	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/scsi/cdb"
	"github.com/lunette-io/lunette/target"
)

// markWorst is what a filemark takes of a partition.
const markWorst = 512

// writeFilemarks is WRITE FILEMARKS(6). Without IMMED all that was written is durable when it is answered.
func (d *Drive) writeFilemarks(t *target.Task) {
	c, err := cdb.ParseWriteFilemarks(t.CDB)
	switch {
	case err != nil:
		d.FailWith(t, err)
	case c.Immed && c.Count > 0 && d.settings.get().Buffered == 0:
		d.Fail(t, scsi.InvalidFieldInCDB(1, 0))
	case c.Immed && c.Count == 0:
		d.Good(t)
	default:
		d.inTurn(t, d.ways.writeFilemarks)
	}
}

// filemarksInTurn is its step.
func (d *Drive) filemarksInTurn(t *target.Task) {
	if !d.begins(t, writing) {
		return
	}
	defer d.doing.end()
	c, _ := cdb.ParseWriteFilemarks(t.CDB)
	s := d.settings.get()
	if c.Count == 0 {
		d.flush(t)
		return
	}
	if err := d.startWriting(t, s); err != nil {
		d.FailWith(t, err)
		return
	}
	k := &d.cartridge
	n := uint64(c.Count)
	j := d.writer.job()
	j.marks, j.objects, j.worst = int(n), n, int64(n)*markWorst
	programmable, _ := d.zones(k.room)
	if c.Immed && d.writer.certain(j.worst, programmable) {
		if !d.writer.submit(j, t) {
			d.writer.drop(j)
			d.FailWith(t, target.ErrAborted)
			return
		}
		k.at.Object += n
		k.at.File += n
		d.note()
		d.Good(t)
		return
	}
	if err := d.alone(t, int64(n)); err != nil {
		d.writer.drop(j)
		d.FailWith(t, err)
		return
	}
	written, err := d.writer.put(j)
	d.writer.drop(j)
	err = d.wrote(err, s, !c.Immed)
	if s := (scsi.Sense{}); errors.As(err, &s) {
		err = s.WithInfo(n - written)
	}
	if err != nil {
		d.FailWith(t, err)
		return
	}
	d.Good(t)
}

// alone waits until the writer has done what is in its queue, for t, which asks for so much itself. An error is that of data that is
// lost, then the writer does not have the head any more, or that t is aborted.
func (d *Drive) alone(t *target.Task, asked int64) error {
	l, err := d.writer.drain(t.Context())
	if err != nil {
		return target.ErrAborted
	}
	if l.err != nil {
		d.parted()
		return informed(d.lostSense(l), l.count()+asked)
	}
	return nil
}

// parted takes the head from the writer, which has drained its queue.
func (d *Drive) parted() {
	c := &d.cartridge
	c.writing = false
	c.at = c.head.Position()
	d.note()
	d.noteRoom()
}

// flush is WRITE FILEMARKS of none: a barrier.
func (d *Drive) flush(t *target.Task) {
	c := &d.cartridge
	if c.writing {
		if err := d.alone(t, 0); err != nil {
			d.FailWith(t, err)
			return
		}
		d.parted()
	}
	if err := d.durable(d.life); err != nil {
		d.FailWith(t, d.writeError(err))
		return
	}
	d.Good(t)
}

// erase is ERASE(6): what follows is gone. LONG makes no difference, since nothing of it can be read any more.
func (d *Drive) erase(t *target.Task) {
	if _, err := cdb.ParseErase(t.CDB); err != nil {
		d.FailWith(t, err)
		return
	}
	d.inTurn(t, d.ways.erase)
}

// eraseInTurn is its step.
func (d *Drive) eraseInTurn(t *target.Task) {
	if !d.begins(t, erasing) {
		return
	}
	defer d.doing.end()
	e, _ := cdb.ParseErase(t.CDB)
	s := d.settings.get()
	if !d.settled(t) {
		return
	}
	if why := d.protected(s); !why.IsZero() {
		d.alert(alert.WriteProtect)
		d.Fail(t, why)
		return
	}
	if err := d.appends(t, s); err != nil {
		d.FailWith(t, err)
		return
	}
	c := &d.cartridge
	d.answer(t, e.Immed, func() error { return d.eraseNow(c) })
}

func (d *Drive) eraseNow(c *cartridge) error {
	c.allowed = allowed{}
	d.changes()
	err := c.head.Erase(d.life)
	if err == nil {
		err = d.durable(d.life)
	}
	d.moved()
	d.note()
	d.noteRoom()
	if err != nil {
		return d.writeError(err)
	}
	return nil
}

// context of what is done for t, or, if t is answered before, of the drive.
func (d *Drive) context(t *target.Task, immed bool) context.Context {
	if immed {
		return d.life
	}
	return t.Context()
}
