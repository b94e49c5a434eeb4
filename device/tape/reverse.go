package tape

import (
	"errors"

	"github.com/lunette-io/lunette/buffer"
	"github.com/lunette-io/lunette/device/tape/medium"
	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/target"
)

// READ REVERSE(6) (SSC-5): blocks are read from the position to the beginning, the last first, and each with its last byte first
// unless BYTORD is set. The position is before a block that was read.

// blockBefore reads the block before the position for t, which is a READ REVERSE of blocks of any length.
func (d *Drive) blockBefore(t *target.Task) (*buffer.Lease, outcome) {
	if err := d.reader.stop(&d.cartridge); err != nil {
		return nil, outcome{err: d.readError(err)}
	}
	o := d.before(t)
	if !o.moved {
		return nil, o.outcome
	}
	l, err := t.Memory(max(min(t.Work.Len, o.Len), 1))
	if err != nil {
		d.stay()
		return nil, outcome{err: err}
	}
	if _, end := d.turned(t, l, 0, t.Work.Len, o); end.err != nil || !end.sense.IsZero() {
		l.Release()
		return nil, end
	}
	return l, outcome{length: o.Len, moved: true}
}

// readBefore reads the block before the position to off of l, which has to be n bytes long.
func (d *Drive) readBefore(t *target.Task, l *buffer.Lease, off, n int64) (got int64, end outcome) {
	o := d.before(t)
	if !o.moved {
		return 0, o.outcome
	}
	if got, end = d.turned(t, l, off, n, o); end.err == nil && end.sense.IsZero() && o.Len != n {
		end.sense = scsi.Sense{ILI: true}
	}
	return got, end
}

// before moves the head before the block that the position is behind, and looks at it. A filemark is passed.
func (d *Drive) before(t *target.Task) coming {
	c := &d.cartridge
	_, err := c.head.Space(t.Context(), -1)
	switch {
	case errors.Is(err, medium.ErrFilemark):
		d.moved()
		return coming{outcome: outcome{sense: filemark()}}
	case errors.Is(err, medium.ErrBeginning):
		d.moved()
		return coming{outcome: outcome{sense: scsi.Sense{Key: scsi.KeyNoSense, ASC: scsi.ASCBeginningOfPartition, EOM: true}}}
	case err != nil:
		d.moved()
		return coming{outcome: d.unread(err)}
	}
	o := d.next(t)
	if !o.moved {
		d.stay()
	}
	return o
}

// stay brings the head back to the position, from before a block that was not read.
func (d *Drive) stay() {
	c := &d.cartridge
	if err := c.head.Locate(d.life, c.at.Object); err != nil && !errors.Is(err, medium.ErrEndOfData) {
		d.moved()
	}
}

// turned reads the block that comes next, up to n bytes of it in the order in which they are asked for, to off of l; then the position
// is before it. It returns how many there are.
func (d *Drive) turned(t *target.Task, l *buffer.Lease, off, n int64, o coming) (int64, outcome) {
	c := &d.cartridge
	object := c.head.Position().Object
	n = min(n, o.Len)
	into, at := l, off
	if t.CDB[1]&4 == 0 && n < o.Len { // its end is asked for
		var err error
		if into, err = t.Memory(o.Len); err != nil {
			d.stay()
			return 0, outcome{err: err}
		}
		defer into.Release()
		at = 0
	}
	read := n
	if into != l {
		read = o.Len
	}
	if _, err := c.head.Read(t.Context(), into, at, read, d.encryptor.Opener(t.ITL())); err != nil {
		d.stay()
		return 0, d.unread(err)
	}
	if err := c.head.Locate(t.Context(), object); err != nil && !errors.Is(err, medium.ErrEndOfData) {
		d.moved()
		return 0, d.unread(err)
	}
	d.moved()
	d.counters.fromTape.Add(uint64(o.Len))
	if t.CDB[1]&4 == 0 {
		reverse(l, off, into, at+read, n)
	}
	return n, outcome{}
}

// reverse puts n bytes to off of l: those before end of from, the last first. Both may be the same place.
func reverse(l *buffer.Lease, off int64, from *buffer.Lease, end, n int64) {
	if l != from {
		for i := range n {
			l.At(off + i)[0] = from.At(end - 1 - i)[0]
		}
		return
	}
	for i := range n / 2 {
		a, b := l.At(off+i), l.At(end-1-i)
		a[0], b[0] = b[0], a[0]
	}
}
