package tape

import (
	"errors"

	"github.com/lunette-io/lunette/buffer"
	"github.com/lunette-io/lunette/device/tape/medium"
	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/scsi/cdb"
	"github.com/lunette-io/lunette/target"
)

// readPiece is how much of a READ of many blocks is in memory at a time.
const readPiece = 256 << 10

// read is READ(6), READ REVERSE(6) and RECOVER BUFFERED DATA(6). Note in t.Work: Len is the length of a block, or what is asked for, Blocks how many, LBA how many of them are
// read, Done how many bytes.
func (d *Drive) read(t *target.Task) {
	c, err := cdb.ParseTransfer(t.CDB)
	s := d.settings.get()
	switch {
	case err != nil:
		d.FailWith(t, err)
	case c.Fixed && c.SILI:
		d.Fail(t, scsi.InvalidFieldInCDB(1, 1))
	case c.Fixed && s.BlockLength == 0:
		d.Fail(t, scsi.InvalidFieldInCDB(1, 0))
	case c.Opcode == scsi.OpReadReverse6 && s.LBPR: // it is not said where the guard would lie
		d.Fail(t, scsi.IllegalRequest(scsi.ASCCommandSequenceError))
	case c.Length == 0:
		d.Good(t)
	default:
		t.Work = target.Work{Len: int64(c.Length), Blocks: 1, Any: s}
		if c.Fixed {
			t.Work = target.Work{Len: int64(s.BlockLength), Blocks: uint64(c.Length), Flags: fixedBlocks, Any: s}
		}
		switch c.Opcode {
		case scsi.OpReadReverse6:
			t.Work.Flags |= backwards
		case scsi.OpRecoverBufferedData:
			t.Work.Flags |= recovering
		}
		d.takeTurn(t, d.ways.read)
	}
}

// readInTurn is a READ whose turn it is.
func (d *Drive) readInTurn(t *target.Task) {
	if !d.begins(t, reading) {
		d.passTurn()
		return
	}
	if d.cartridge.writing && !d.settled(t) {
		d.readEnds()
		return
	}
	if t.Work.Flags&fixedBlocks == 0 {
		d.readVariable(t)
		return
	}
	if err := d.reader.stop(&d.cartridge); err != nil {
		d.FailWith(t, d.readError(err))
		d.readEnds()
		return
	}
	d.readFixed(t)
}

// readEnds is called when a READ has been answered.
func (d *Drive) readEnds() {
	d.doing.end()
	d.passTurn()
}

// An outcome is how the reading of one block ended.
type outcome struct {
	sense  scsi.Sense // the zero sense: well
	err    error      // instead of it: no sense
	length int64      // of the block as it is on the wire, with its guard
	moved  bool       // the position is behind it
}

// readVariable is a READ of one block of any length.
func (d *Drive) readVariable(t *target.Task) {
	w, c := &t.Work, &d.cartridge
	s := w.Any.(*setting)
	sili := t.CDB[1]&2 != 0
	l, o := d.block(t, s)
	d.note()
	n := w.Len
	switch {
	case o.err != nil:
		d.FailWith(t, o.err)
	case !o.moved || !o.sense.IsZero():
		d.FailMoving(t, o.sense.WithInfo(uint64(n)), 0)
	default:
		moves := min(n, o.length)
		d.counters.toHost.Add(uint64(moves))
		c.read += uint64(moves)
		switch {
		case o.length != n && (!sili || o.length > n && s.BlockLength != 0):
			d.FailSending(t, scsi.Sense{ILI: true, InfoValid: true, Info: uint64(n - o.length)}, moves, l, 0)
		case s.REW && d.early():
			d.FailSending(t, earlyWarning(), moves, l, 0)
		default:
			t.Respond(target.Response{Moves: moves, DataIn: l})
		}
	}
	d.readEnds()
}

// earlyWarning is the sense of a command that has been done behind early warning.
func earlyWarning() scsi.Sense {
	return scsi.Sense{Key: scsi.KeyNoSense, ASC: scsi.ASCEndOfPartition, EOM: true, InfoValid: true}
}

// early reports that the position is behind early warning.
func (d *Drive) early() bool {
	if d.reader.stop(&d.cartridge) != nil {
		return false
	}
	r := d.cartridge.head.Room()
	return r.Here >= r.Warning
}

// block reads the block that comes next for t, as much of it as t asks for, and its guard.
func (d *Drive) block(t *target.Task, s *setting) (*buffer.Lease, outcome) {
	c := &d.cartridge
	n := t.Work.Len
	x := t.ITL()
	switch {
	case t.Work.Flags&backwards != 0:
		return d.blockBefore(t)
	case t.Work.Flags&recovering != 0:
		return d.recoverBlock(t)
	}
	alone := !s.LBPR && !s.REW
	if alone && d.encryptor.Refuses(x, medium.Object{Kind: medium.Block}).IsZero() {
		l, err := d.reader.take(c)
		if err != nil {
			return nil, outcome{err: d.readError(err)}
		}
		if l != nil {
			d.counters.fromTape.Add(uint64(l.Len()))
			length := l.Len()
			l.Truncate(n)
			c.at.Object++
			return l, outcome{length: length, moved: true}
		}
	} else if err := d.reader.stop(c); err != nil {
		return nil, outcome{err: d.readError(err)}
	}
	o := d.next(t)
	if !o.moved {
		return nil, o.outcome
	}
	guard := int64(0)
	if s.LBPR {
		guard = guardLen
	}
	var l *buffer.Lease
	if alone && o.Plain {
		l = t.LendDataIn(0, min(n, o.Len))
	}
	if l == nil {
		var err error
		if l, err = t.Memory(max(min(n, o.Len+guard), 1)); err != nil {
			return nil, outcome{err: err}
		}
	}
	lent := l.Foreign()
	if _, err := c.head.Read(t.Context(), l, 0, min(n, o.Len), d.encryptor.Opener(x)); err != nil {
		l.Release()
		d.moved()
		return nil, d.unread(err)
	}
	if s.LBPR && n > o.Len {
		g := d.guards.of(s.LBPMethod, l, 0, o.Len)
		l.Copy(o.Len, g[:min(n-o.Len, guardLen)])
	}
	d.counters.fromTape.Add(uint64(o.Len))
	c.at.Object++
	if lent { // what is read ahead would have to be copied
		d.reader.streak = 0
	} else if d.reader.streak++; alone && d.reader.streak >= aheadAfter {
		d.reader.start(c.head)
	}
	return l, outcome{length: o.Len + guard, moved: true}
}

// unread is the outcome of a block that cannot be read. The position is before it.
func (d *Drive) unread(err error) outcome {
	err = d.readError(err)
	if s := (scsi.Sense{}); errors.As(err, &s) {
		return outcome{sense: s}
	}
	return outcome{err: err}
}

// coming is what comes next for a READ: a block, or how that ends it.
type coming struct {
	medium.Object
	outcome // moved: it is a block that may be read
}

// next looks at what comes next for t. A filemark is passed. Nobody else has the head.
func (d *Drive) next(t *target.Task) coming {
	c := &d.cartridge
	o, err := c.head.Next(t.Context())
	if err == nil && o.Kind == medium.Filemark {
		_, err = c.head.SpaceFilemarks(t.Context(), 1)
	}
	switch {
	case err != nil:
		d.moved()
		return coming{outcome: d.unread(err)}
	case o.Kind == medium.EndOfData:
		return coming{outcome: outcome{sense: endOfData()}}
	case o.Kind == medium.Filemark:
		d.moved()
		return coming{outcome: outcome{sense: filemark()}}
	}
	if why := d.encryptor.Refuses(t.ITL(), o); !why.IsZero() {
		return coming{outcome: outcome{sense: why}}
	}
	return coming{Object: o, outcome: outcome{moved: true}}
}

// endOfData is the sense of a command that has met the end of data. EOM is not set: hosts take that for the end of the medium.
func endOfData() scsi.Sense { return scsi.NewSense(scsi.KeyBlankCheck, scsi.ASCEndOfData) }

// filemark is the sense of a command that has met a filemark.
func filemark() scsi.Sense {
	return scsi.Sense{Key: scsi.KeyNoSense, ASC: scsi.ASCFilemarkDetected, Filemark: true}
}

// readFixed is a READ of blocks of a fixed length: a piece of it after the other, with the turn, also while the initiator has to
// take some first.
func (d *Drive) readFixed(t *target.Task) {
	w := &t.Work
	for {
		count := min(int64(w.Blocks-w.LBA), max(readPiece/w.Len, 1))
		l, err := d.fixedMemory(t, count*w.Len)
		if err != nil {
			d.FailWith(t, err)
			d.readEnds()
			return
		}
		got, o := d.readBlocks(t, l, count)
		at := w.Done
		w.Done += got
		if got == 0 {
			l.Release()
			l = nil
		} else {
			l.Truncate(got)
		}
		if w.LBA < w.Blocks && o.err == nil && o.sense.IsZero() {
			if !d.send(t, l, at) {
				return
			}
			continue
		}
		d.fixedEnds(t, l, at, o)
		return
	}
}

// fixedMemory is memory for n bytes of blocks of a fixed length: the initiator's own, if the port lends it and nothing but the medium touches it.
func (d *Drive) fixedMemory(t *target.Task, n int64) (*buffer.Lease, error) {
	w := &t.Work
	if w.Flags&(backwards|recovering) == 0 && !w.Any.(*setting).LBPR {
		if l := t.LendDataIn(w.Done, n); l != nil {
			return l, nil
		}
	}
	return t.Memory(n)
}

// send sends a piece of data-in, as far as the initiator has room for it, and reports false if t goes on later.
func (d *Drive) send(t *target.Task, l *buffer.Lease, at int64) bool {
	if l == nil {
		return true
	}
	room := t.WantIn - at
	if room <= 0 {
		l.Release()
		return true
	}
	l.Truncate(room)
	d.stall.begin(t)
	if !t.SendDataIn(at, l, d.ways.more) {
		d.stall.watch(d.ways.checkStall)
		return false
	}
	d.stall.end()
	return true
}

// more goes on with a READ when its initiator has taken enough.
func (d *Drive) more(t *target.Task) {
	d.stall.end()
	d.Workers().Run(t, d.ways.readFixed)
}

// fixedEnds answers a READ of blocks of a fixed length, with its last piece.
func (d *Drive) fixedEnds(t *target.Task, l *buffer.Lease, at int64, o outcome) {
	w, s := &t.Work, t.Work.Any.(*setting)
	d.counters.toHost.Add(uint64(w.Done))
	d.cartridge.read += uint64(w.Done)
	d.note()
	moves := w.Done
	switch {
	case o.err != nil:
		if l != nil {
			l.Release()
		}
		d.FailWith(t, o.err)
	case !o.sense.IsZero():
		d.FailSending(t, o.sense.WithInfo(w.Blocks-w.LBA), moves, l, at)
	case s.REW && d.early():
		d.FailSending(t, earlyWarning(), moves, l, at)
	default:
		t.Respond(target.Response{Moves: moves, DataIn: l, At: at})
	}
	d.readEnds()
}

// readBlocks reads up to count blocks into l, and counts them in t.Work.LBA. It returns how many bytes there are: the last may be
// those of a block of another length, which is not counted.
func (d *Drive) readBlocks(t *target.Task, l *buffer.Lease, count int64) (got int64, end outcome) {
	w, c := &t.Work, &d.cartridge
	s := w.Any.(*setting)
	x := t.ITL()
	guard := int64(0)
	if s.LBPR {
		guard = guardLen
	}
	for range count {
		if t.Aborted() {
			return got, outcome{err: target.ErrAborted}
		}
		if w.Flags&backwards != 0 {
			n, o := d.readBefore(t, l, got, w.Len)
			got += n
			if o.err != nil || !o.sense.IsZero() {
				return got, o
			}
			w.LBA++
			continue
		}
		if w.Flags&recovering != 0 {
			n, o := d.recovered(l, got, w.Len)
			got += n
			switch {
			case !o.moved:
				return got, o
			case o.length != w.Len:
				return got, outcome{sense: scsi.Sense{ILI: true}}
			}
			w.LBA++
			continue
		}
		o := d.next(t)
		if !o.moved {
			return got, o.outcome
		}
		if _, err := c.head.Read(t.Context(), l, got, min(w.Len, o.Len), d.encryptor.Opener(x)); err != nil {
			d.moved()
			return got, d.unread(err)
		}
		n := min(o.Len, w.Len)
		if s.LBPR && n < w.Len {
			g := d.guards.of(s.LBPMethod, l, got, n)
			n += int64(l.Copy(got+n, g[:min(w.Len-n, guardLen)]))
		}
		got += n
		c.at.Object++
		d.counters.fromTape.Add(uint64(o.Len))
		if o.Len+guard != w.Len {
			return got, outcome{sense: scsi.Sense{ILI: true}}
		}
		w.LBA++
	}
	return got, outcome{}
}
