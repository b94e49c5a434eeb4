package tape

import (
	"errors"
	"math"

	"github.com/lunette-io/lunette/device/tape/medium"
	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/scsi/cdb"
	"github.com/lunette-io/lunette/target"
)

// rewindCommand is REWIND.
func (d *Drive) rewindCommand(t *target.Task) { d.inTurn(t, d.ways.rewind) }

// rewindInTurn is its step: what is buffered is durable before the answer, also with IMMED.
func (d *Drive) rewindInTurn(t *target.Task) {
	if !d.begins(t, rewinding) {
		return
	}
	defer d.doing.end()
	c, _ := cdb.ParseRewind(t.CDB)
	if !d.synced(t) {
		return
	}
	d.answer(t, c.Immed, func() error {
		defer d.note()
		return d.rewind(d.life)
	})
}

// synced makes all durable that was written, and lets the head be moved; if it cannot, t is answered and it reports false.
func (d *Drive) synced(t *target.Task) bool {
	wrote := d.cartridge.writing
	if !d.settled(t) {
		return false
	}
	if !wrote {
		return true
	}
	if err := d.durable(d.life); err != nil {
		d.FailWith(t, d.writeError(err))
		return false
	}
	return true
}

// space is SPACE(6) and SPACE(16).
func (d *Drive) space(t *target.Task) {
	c, err := cdb.ParseSpace(t.CDB)
	switch {
	case err != nil:
		d.FailWith(t, err)
	case c.Code != cdb.SpaceBlocks && c.Code != cdb.SpaceFilemarks && c.Code != cdb.SpaceEndOfData:
		d.Fail(t, scsi.InvalidFieldInCDB(1, 3))
	case c.Count == 0 && c.Code != cdb.SpaceEndOfData:
		d.Good(t) // neither a move nor a barrier
	default:
		d.inTurn(t, d.ways.space)
	}
}

// spaceInTurn is its step.
func (d *Drive) spaceInTurn(t *target.Task) {
	if !d.begins(t, locating) {
		return
	}
	defer d.doing.end()
	c, _ := cdb.ParseSpace(t.CDB)
	if !d.synced(t) {
		return
	}
	h := d.cartridge.head
	var done int64
	var err error
	count := max(c.Count, -math.MaxInt64)
	switch c.Code {
	case cdb.SpaceBlocks:
		done, err = h.Space(t.Context(), count)
	case cdb.SpaceFilemarks:
		done, err = h.SpaceFilemarks(t.Context(), count)
	default:
		err = h.LocateEnd(t.Context())
		if errors.Is(err, medium.ErrEndOfData) {
			err = nil
		}
	}
	d.moved()
	d.note()
	rest := uint64(max(count, -count) - max(done, -done))
	switch {
	case err == nil:
		d.Good(t)
	case errors.Is(err, medium.ErrFilemark):
		d.Fail(t, filemark().WithInfo(rest))
	case errors.Is(err, medium.ErrEndOfData):
		d.Fail(t, endOfData().WithInfo(rest))
	case errors.Is(err, medium.ErrBeginning):
		s := scsi.Sense{Key: scsi.KeyNoSense, ASC: scsi.ASCBeginningOfPartition, EOM: true}
		d.Fail(t, s.WithInfo(rest))
	default:
		d.FailWith(t, informed(d.readError(err), int64(rest)))
	}
}

// locate is LOCATE(10) and LOCATE(16). BT of LOCATE(10) asks for an address of the device's own: those are the same.
func (d *Drive) locate(t *target.Task) {
	c, err := cdb.ParseLocate(t.CDB)
	switch {
	case err != nil:
		d.FailWith(t, err)
	case c.Type != cdb.LocateObject && c.Type != cdb.LocateFile && c.Type != cdb.LocateEndOfData:
		d.Fail(t, scsi.InvalidFieldInCDB(1, 5))
	case c.Explicit:
		d.Fail(t, scsi.InvalidFieldInCDB(2, 0))
	default:
		d.inTurn(t, d.ways.locate)
	}
}

// locateInTurn is its step.
func (d *Drive) locateInTurn(t *target.Task) {
	if !d.begins(t, locating) {
		return
	}
	defer d.doing.end()
	c, _ := cdb.ParseLocate(t.CDB)
	k := &d.cartridge
	partition := k.partition
	if c.Change {
		if partition = int(c.Partition); partition >= k.tape.Partitions() {
			at := 3
			if c.Opcode == scsi.OpLocate10 {
				at = 8
			}
			d.Fail(t, scsi.InvalidFieldInCDB(at, -1))
			return
		}
	}
	if !d.synced(t) {
		return
	}
	ctx := d.context(t, c.Immed)
	d.answer(t, c.Immed, func() error {
		d.enter(partition)
		var err error
		switch {
		case c.Type == cdb.LocateEndOfData:
			if err = k.head.LocateEnd(ctx); errors.Is(err, medium.ErrEndOfData) {
				err = nil
			}
		case c.Type == cdb.LocateObject:
			err = k.head.Locate(ctx, c.Identifier)
			if errors.Is(err, medium.ErrEndOfData) && k.head.Position().Object == c.Identifier {
				err = nil
			}
		default:
			if err = k.head.LocateFile(ctx, c.Identifier); err == nil && d.cfg.Model.LocateBefore && c.Identifier > 0 {
				_, err = k.head.SpaceFilemarks(ctx, -1)
			}
		}
		d.moved()
		d.note()
		switch {
		case err == nil:
			return nil
		case errors.Is(err, medium.ErrEndOfData):
			return endOfData()
		}
		return d.readError(err)
	})
}
