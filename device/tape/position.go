package tape

import (
	"encoding/binary"
	"math"

	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/scsi/cdb"
	"github.com/lunette-io/lunette/target"
)

// Flags of READ POSITION data (SSC-5 7.7).
const (
	positionBegin      = 0x80 // BOP, or BOM
	positionEnd        = 0x40 // EOP, or EOM: behind early warning
	positionByteCount  = 0x10 // BYCU: the number of bytes in the buffer is not known
	positionOverflow   = 0x02 // PERR: a number does not fit
	positionProgrammed = 0x01 // BPEW
)

// readPosition is READ POSITION. It does not write what is buffered.
func (d *Drive) readPosition(t *target.Task) {
	c, err := cdb.ParseReadPosition(t.CDB)
	switch {
	case err != nil:
		d.FailWith(t, err)
	case c.Action != cdb.PositionShort && c.Action != cdb.PositionVendor && c.Action != cdb.PositionLong && c.Action != cdb.PositionExtended:
		d.Fail(t, scsi.InvalidFieldInCDB(1, 4))
	case c.Action != cdb.PositionExtended && c.Allocation != 0:
		d.Fail(t, scsi.InvalidFieldInCDB(7, -1))
	default:
		d.inTurn(t, d.ways.position)
	}
}

// positionInTurn is its step.
func (d *Drive) positionInTurn(t *target.Task) {
	if t.Aborted() {
		d.FailWith(t, target.ErrAborted)
		return
	}
	if s, ok := d.ready(t.ITL()); !ok {
		d.Fail(t, s)
		return
	}
	c, _ := cdb.ParseReadPosition(t.CDB)
	k := &d.cartridge
	flags := d.positionFlags()
	objects, bytes := uint64(0), int64(0)
	if k.writing {
		objects, bytes = d.writer.buffered()
	}
	first, last := k.at.Object, k.at.Object-objects
	switch c.Action {
	case cdb.PositionLong:
		b := make([]byte, 8, 32)
		b[0], b[7] = flags, byte(k.partition)
		b = binary.BigEndian.AppendUint64(b, first)
		b = binary.BigEndian.AppendUint64(b, k.at.File)
		d.Reply(t, b[:32], 32)
	case cdb.PositionExtended:
		b := make([]byte, 32)
		b[0], b[1], b[3] = flags, byte(k.partition), 28
		b[5], b[6], b[7] = byte(objects>>16), byte(objects>>8), byte(objects)
		binary.BigEndian.PutUint64(b[8:], first)
		binary.BigEndian.PutUint64(b[16:], last)
		binary.BigEndian.PutUint64(b[24:], uint64(bytes))
		d.Reply(t, b, uint32(c.Allocation))
	default:
		b := make([]byte, 20)
		if b[0] = flags; first > math.MaxUint32 {
			b[0] |= positionOverflow
		} else {
			binary.BigEndian.PutUint32(b[4:], uint32(first))
			binary.BigEndian.PutUint32(b[8:], uint32(last))
		}
		b[1] = byte(k.partition)
		b[13], b[14], b[15] = byte(objects>>16), byte(objects>>8), byte(objects)
		binary.BigEndian.PutUint32(b[16:], uint32(min(bytes, math.MaxUint32)))
		d.Reply(t, b, 20)
	}
}

// positionFlags say where the position lies.
func (d *Drive) positionFlags() (flags byte) {
	c := &d.cartridge
	if c.at.Object == 0 {
		flags |= positionBegin
	}
	r := c.room
	if rooms := d.look().rooms; d.reader.has() && c.partition < len(rooms) {
		if r = rooms[c.partition]; r.Data < r.Warning && d.settings.get().PEWS == 0 {
			return flags // nothing lies behind
		}
	}
	if c.writing {
		r.Here, _ = d.writer.reached() // what is buffered is before early warning for certain
	} else {
		if d.reader.has() && d.reader.stop(c) != nil {
			return flags
		}
		r = c.head.Room()
	}
	programmable, warning := d.zones(r)
	if r.Here >= warning {
		flags |= positionEnd
	}
	if programmable < warning && r.Here >= programmable {
		flags |= positionProgrammed
	}
	return flags
}

// blockLimits is READ BLOCK LIMITS, which hosts send also when there is no medium.
func (d *Drive) blockLimits(t *target.Task) {
	c, err := cdb.ParseReadBlockLimits(t.CDB)
	if err != nil {
		d.FailWith(t, err)
		return
	}
	if c.MaxObject {
		b := make([]byte, 12, 20)
		d.Reply(t, binary.BigEndian.AppendUint64(b, math.MaxInt64), 20)
		return
	}
	m := &d.cfg.Model
	b := binary.BigEndian.AppendUint32(nil, uint32(min(m.MaxBlock, 1<<24-1)))
	b[0] = m.Granularity & 0x1f
	d.Reply(t, binary.BigEndian.AppendUint16(b, uint16(m.MinBlock)), 6)
}

// allowOverwrite is ALLOW OVERWRITE, for append-only mode.
func (d *Drive) allowOverwrite(t *target.Task) {
	c, err := cdb.ParseAllowOverwrite(t.CDB)
	switch {
	case err != nil:
		d.FailWith(t, err)
	case c.Allow > cdb.OverwriteFormat:
		d.Fail(t, scsi.InvalidFieldInCDB(2, 3))
	case !d.settings.get().AppendOnly:
		d.Fail(t, scsi.IllegalRequest(scsi.ASCNotAppendOnlyPosition))
	default:
		d.inTurn(t, d.ways.allow)
	}
}

// allowInTurn is its step. What is allowed lasts until something is written, or the medium is loaded anew.
func (d *Drive) allowInTurn(t *target.Task) {
	if !d.begins(t, idle) {
		return
	}
	defer d.doing.end()
	c, _ := cdb.ParseAllowOverwrite(t.CDB)
	k := &d.cartridge
	if c.Allow == cdb.OverwriteHere {
		if int(c.Partition) != k.partition {
			d.Fail(t, scsi.InvalidFieldInCDB(3, -1))
			return
		}
		if c.Object != k.at.Object {
			d.Fail(t, scsi.InvalidFieldInCDB(4, -1))
			return
		}
	}
	k.allowed = allowed{what: c.Allow, partition: k.partition, object: k.at.Object}
	d.Good(t)
}
