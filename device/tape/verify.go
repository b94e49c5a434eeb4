package tape

import (
	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/scsi/cdb"
	"github.com/lunette-io/lunette/target"
)

// verify is VERIFY(6): blocks are read, and their checksums compared, as READ does. With VBF it goes over filemarks, with VTE to the
// end of data. VLBPM asks that the protection information of blocks is checked, whatever their length: here all blocks have some.
func (d *Drive) verify(t *target.Task) {
	c, err := cdb.ParseVerify6(t.CDB)
	s := d.settings.get()
	switch {
	case err != nil:
		d.FailWith(t, err)
	case c.Protection && len(d.cfg.Model.Protection) == 0:
		d.Fail(t, scsi.InvalidFieldInCDB(1, 4))
	case c.ToEnd && c.ByFilemarks:
		d.Fail(t, scsi.InvalidFieldInCDB(1, 5))
	case c.Fixed && !c.Protection && !c.ByFilemarks && !c.ToEnd && s.BlockLength == 0:
		d.Fail(t, scsi.InvalidFieldInCDB(1, 0))
	case c.Length == 0 && !c.ToEnd:
		d.Good(t)
	default:
		d.inTurn(t, d.ways.verify)
	}
}

// verifyInTurn is its step.
func (d *Drive) verifyInTurn(t *target.Task) {
	if !d.begins(t, reading) {
		return
	}
	defer d.doing.end()
	if !d.settled(t) {
		return
	}
	c, _ := cdb.ParseVerify6(t.CDB)
	// Of what it goes over so many: filemarks, or blocks of any length, of the length in the mode parameters, or one of that asked for.
	left, length := int64(c.Length), int64(-1)
	switch {
	case c.ByFilemarks, c.ToEnd, c.Protection && c.Fixed:
	case c.Fixed:
		length = int64(d.settings.get().BlockLength)
	default:
		left, length = 1, int64(c.Length)
		if c.Protection {
			length = -1
		}
	}
	for left > 0 || c.ToEnd {
		o := d.next(t)
		d.note()
		if o.err == nil && o.moved {
			o.outcome = d.check(t, o.Len)
		}
		rest := left
		if !c.Fixed && !c.ByFilemarks {
			rest = int64(c.Length)
		}
		switch {
		case o.err != nil:
			d.FailWith(t, o.err)
			return
		case c.ToEnd && o.sense.Key == scsi.KeyBlankCheck:
			d.Good(t)
			return
		case o.sense.Filemark && c.ByFilemarks:
			left--
			continue
		case o.sense.Filemark && c.ToEnd:
			continue
		case !o.sense.IsZero():
			d.Fail(t, o.sense.WithInfo(uint64(rest)))
			return
		}
		if length >= 0 && o.length != length {
			if !c.Fixed {
				rest -= o.length
			}
			d.Fail(t, scsi.Sense{ILI: true}.WithInfo(uint64(rest)))
			return
		}
		if !c.ByFilemarks {
			left--
		}
	}
	d.Good(t)
}

// check reads the block of the length, which comes next, and forgets it.
func (d *Drive) check(t *target.Task, length int64) outcome {
	if t.Aborted() {
		return outcome{err: target.ErrAborted}
	}
	c := &d.cartridge
	l, err := t.Memory(max(length, 1))
	if err != nil {
		return outcome{err: err}
	}
	defer l.Release()
	if _, err = c.head.Read(t.Context(), l, 0, length, d.encryptor.Opener(t.ITL())); err != nil {
		d.moved()
		return d.unread(err)
	}
	c.at.Object++
	d.note()
	d.counters.fromTape.Add(uint64(length))
	return outcome{length: length, moved: true}
}
