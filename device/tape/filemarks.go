package tape

import (
	"context"
	"errors"

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
		k.at.Object += n
		k.at.File += n
		d.note()
		d.writer.submit(j)
		d.Good(t)
		return
	}
	if l := d.writer.drain(); l.err != nil {
		d.writer.drop(j)
		d.parted()
		d.FailWith(t, d.lostWith(l, int64(n)))
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

// parted notes that data was lost: the writer does not have the head any more.
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
		l := d.writer.drain()
		d.parted()
		if l.err != nil {
			d.FailWith(t, d.lostSense(l))
			return
		}
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
		d.alert(alertProtected)
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
