package tape

import (
	"errors"

	"github.com/lunette-io/lunette/buffer"
	"github.com/lunette-io/lunette/device/alert"
	"github.com/lunette-io/lunette/device/tape/medium"
	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/scsi/cdb"
	"github.com/lunette-io/lunette/target"
)

// maxTransfer is how much one WRITE of blocks of a fixed length may have: all of it is in memory at a time.
const maxTransfer = 16 << 20

// write is WRITE(6). Its data comes before its turn; t.Work has how many blocks, and how long each is on the wire.
func (d *Drive) write(t *target.Task) {
	c, err := cdb.ParseTransfer(t.CDB)
	if err != nil {
		d.FailWith(t, err)
		return
	}
	s := d.settings.get()
	block, count := int64(c.Length), int64(1)
	if c.Fixed {
		block, count = int64(s.BlockLength), int64(c.Length)
	}
	guard := int64(0)
	if s.LBPW {
		guard = guardLen
	}
	m := &d.cfg.Model
	switch {
	case c.Fixed && block == 0:
		d.Fail(t, scsi.InvalidFieldInCDB(1, 0))
		return
	case c.Length == 0:
		d.Good(t)
		return
	case block > m.MaxBlock, block-guard < m.MinBlock, block-guard > medium.MaxBlock, (block-guard)&(1<<m.Granularity-1) != 0, block*count > maxTransfer:
		d.Fail(t, scsi.InvalidFieldInCDB(2, -1))
		return
	case t.HaveOut < block*count:
		d.FailMoving(t, scsi.IllegalRequest(scsi.ASCInvalidFieldInCommandIU), block*count)
		return
	}
	t.Work = target.Work{Len: block, Blocks: uint64(count), Any: s}
	if c.Fixed {
		t.Work.Flags = fixedBlocks
	}
	if !d.comeInTurn(t, d.ways.write) {
		d.FailWith(t, target.ErrAborted)
		return
	}
	t.ReceiveDataOut(0, block*count, d.ways.written)
}

// Flags in Work.Flags.
const (
	fixedBlocks uint32 = 1 << iota // the command counts blocks
	backwards                      // READ REVERSE
	recovering                     // RECOVER BUFFERED DATA
)

// written goes on with a WRITE when its data is there, or will never be. It takes l.
func (d *Drive) written(t *target.Task, l *buffer.Lease, err error) {
	if err != nil {
		d.noData(t)
		d.FailWith(t, err)
		return
	}
	t.Work.Data = l
	d.hasData(t)
}

// writeInTurn is a WRITE whose turn it is.
func (d *Drive) writeInTurn(t *target.Task) {
	defer d.passTurn()
	if !d.begins(t, writing) {
		return
	}
	defer d.doing.end()
	w := &t.Work
	s := w.Any.(*setting)
	if err := d.guarded(t, s); err != nil {
		d.fail(t, err)
		return
	}
	if err := d.startWriting(t, s); err != nil {
		d.fail(t, err)
		return
	}
	if c := &d.cartridge; c.unwatched >= diskEvery {
		d.watchDisk()
	}
	j, err := d.jobOf(t, s)
	if err != nil {
		d.fail(t, err)
		return
	}
	total := w.Len * int64(w.Blocks)
	d.counters.hostWrites.Add(1)
	programmable, _ := d.zones(d.cartridge.room)
	if s.Buffered != 0 && d.writer.certain(j.worst, programmable) {
		w.Data = nil
		bytes, objects := uint64(j.bytes), j.objects // j is the writer's then
		if !d.writer.submit(j, t) {
			d.writer.drop(j)
			d.FailWith(t, target.ErrAborted)
			return
		}
		d.counters.fromHost.Add(bytes)
		d.cartridge.wrote += bytes
		d.cartridge.unwatched += bytes
		d.cartridge.at.Object += objects
		d.note()
		t.Respond(target.Response{Moves: total})
		return
	}
	d.writeNow(t, s, j)
}

// writeNow writes j, the data of t, before t is answered.
func (d *Drive) writeNow(t *target.Task, s *setting, j *job) {
	w, c := &t.Work, &d.cartridge
	asked := int64(w.Blocks)
	if w.Flags&fixedBlocks == 0 {
		asked = w.Len
	}
	if err := d.alone(t, asked); err != nil {
		d.writer.drop(j)
		w.Data = nil
		d.FailWith(t, err)
		return
	}
	j.pack(c.head)
	d.counters.fromHost.Add(uint64(j.bytes))
	c.wrote += uint64(j.bytes)
	c.unwatched += uint64(j.bytes)
	written, err := d.writer.put(j)
	d.writer.drop(j)
	w.Data = nil
	moves := int64(written) * w.Len
	err = d.wrote(err, s, s.Buffered == 0)
	var sense scsi.Sense
	switch {
	case err == nil:
		t.Respond(target.Response{Moves: moves})
	case errors.As(err, &sense):
		if w.Flags&fixedBlocks != 0 {
			asked -= int64(written)
		} else if written > 0 {
			asked = 0
		}
		d.FailMoving(t, sense.WithInfo(uint64(asked)), moves)
	default:
		d.FailWith(t, err)
	}
}

// wrote goes on after something was written, or failed with err, while the writer did nothing: the writer has the head again. The
// error is what the command ends with: also that it ended near the end of the partition.
func (d *Drive) wrote(err error, s *setting, durably bool) error {
	c := &d.cartridge
	c.at = c.head.Position()
	c.room = c.head.Room()
	d.writer.begin(c.head, c.room)
	d.note()
	d.noteRoom()
	if err != nil {
		return d.writeError(err)
	}
	programmable, warning := d.zones(c.room)
	early := c.room.Here >= warning
	if durably || early && s.SEW && !c.synced {
		if err := d.durable(d.life); err != nil {
			return d.writeError(err)
		}
		c.synced = early
	}
	switch {
	case early:
		c.warned = true
		return scsi.Sense{Key: scsi.KeyNoSense, ASC: scsi.ASCEndOfPartition, EOM: true, InfoValid: true}
	case c.room.Here >= programmable && programmable < warning && !c.warned:
		c.warned = true
		return scsi.Sense{Key: scsi.KeyNoSense, ASC: scsi.ASCProgrammableEarlyWarning, EOM: true, InfoValid: true}
	}
	return nil
}

// guarded checks the protection information of the blocks of t.
func (d *Drive) guarded(t *target.Task, s *setting) error {
	if !s.LBPW {
		return nil
	}
	w := &t.Work
	for i := range int64(w.Blocks) {
		if !d.guards.right(s.LBPMethod, w.Data, i*w.Len, w.Len-guardLen) {
			return scsi.NewSense(scsi.KeyHardwareError, scsi.ASCGuardCheckFailed)
		}
	}
	return nil
}

// jobOf makes a job of the data of t, without taking it from t.
func (d *Drive) jobOf(t *target.Task, s *setting) (*job, error) {
	w := &t.Work
	j := d.writer.job()
	j.data, j.objects, j.fixed = w.Data, w.Blocks, w.Flags&fixedBlocks != 0
	length, most := w.Len, int64(1)
	codec := medium.Plain
	if s.Compress {
		codec = d.cfg.Compression
	}
	if s.LBPW {
		length -= guardLen // the guards lie in between
	} else {
		most = max(medium.MaxFrame/length, 1)
	}
	over := d.encryptor.Overhead(t.ITL())
	for i := int64(0); i < int64(w.Blocks); {
		n := min(most, int64(w.Blocks)-i)
		cipher, err := d.encryptor.Cipher(t.ITL())
		if err != nil {
			j.data = nil
			d.writer.drop(j)
			return nil, err
		}
		j.blocks = append(j.blocks, medium.Blocks{Data: w.Data, Off: i * w.Len, Len: length, Count: int(n), Codec: codec, Cipher: cipher})
		j.worst += n*(length+over) + frameWorst
		j.bytes += n * length
		i += n
	}
	return j, nil
}

// startWriting makes sure that t may write where the head is, and gives the writer the head.
func (d *Drive) startWriting(t *target.Task, s *setting) error {
	c := &d.cartridge
	if why := d.protected(s); !why.IsZero() {
		d.alert(alert.WriteProtect)
		return why
	}
	if c.writing {
		return nil
	}
	if err := d.reader.stop(c); err != nil {
		return err
	}
	if err := d.appends(t, s); err != nil {
		return err
	}
	c.allowed = allowed{}
	d.changes()
	c.room = c.head.Room()
	d.writer.begin(c.head, c.room)
	c.writing = true
	return nil
}

// protected says why the medium cannot be written at all.
func (d *Drive) protected(s *setting) scsi.Sense {
	c := &d.cartridge
	switch {
	case c.label.WriteProtect:
		return scsi.WriteProtected()
	case !c.use.Write:
		return scsi.DataProtect(scsi.ASCCannotWriteIncompatibleFormat)
	case s.SoftwareWP, d.WriteProtected(nil): // by page 10h, and by page 0Ah, which all initiators share
		return scsi.DataProtect(scsi.ASCSoftwareWriteProtected)
	case s.AssociatedWP:
		return scsi.DataProtect(scsi.ASCAssociatedWriteProtect)
	case s.PersistentWP:
		return scsi.DataProtect(scsi.ASCPersistentWriteProtect)
	case s.PermanentWP:
		return scsi.DataProtect(scsi.ASCPermanentWriteProtect)
	}
	return scsi.Sense{}
}

// trailing is how many filemarks at the end may be written over where nothing else may: programs end with two, and go on
// between them.
const trailing = 2

// appends says why t may not write where the head is, with nobody else at it: on a WORM cartridge, and in append-only mode, what is
// there stays, but for filemarks at the end, and for what ALLOW OVERWRITE has allowed.
func (d *Drive) appends(t *target.Task, s *setting) error {
	c := &d.cartridge
	worm := c.label.Type == medium.WORM
	if !worm && !s.AppendOnly {
		return nil
	}
	if !worm && c.allowed.what == cdb.OverwriteHere && c.allowed.partition == c.partition && c.allowed.object == c.at.Object {
		return nil
	}
	ctx := t.Context()
	at := c.at.Object
	o, err := c.head.Next(ctx)
	for n := 0; err == nil && o.Kind == medium.Filemark && n < trailing; n++ {
		if _, err = c.head.SpaceFilemarks(ctx, 1); err == nil {
			o, err = c.head.Next(ctx)
		}
	}
	if c.head.Position().Object != at {
		if e := c.head.Locate(ctx, at); e != nil && err == nil {
			err = e
		}
	}
	switch {
	case err != nil:
		d.moved()
		return d.readError(err)
	case o.Kind == medium.EndOfData:
		return nil
	case worm:
		d.alert(alert.WORMOverwrite)
	}
	return scsi.DataProtect(scsi.ASCWORMOverwriteAttempted)
}
