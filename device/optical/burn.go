package optical

import (
	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/scsi/cdb"
	"github.com/lunette-io/lunette/scsi/page"
	"github.com/lunette-io/lunette/target"
)

// What burning programs do with rewritable discs, beside writing: format them, end the format, calibrate the laser. An image has all its
// blocks at any time, so that there is nothing to do but to make durable what was written.

// rewritable is the disc that can be written; nil: t is answered.
func (r *Drive) rewritable(t *target.Task) *loaded {
	switch l := r.tray.usable(); {
	case l == nil:
		r.Fail(t, r.tray.why())
	case l.part.ReadOnly():
		r.Fail(t, scsi.WriteProtected())
	case r.WriteProtected(t.ITL()):
		r.Fail(t, scsi.DataProtect(scsi.ASCSoftwareWriteProtected))
	default:
		return l
	}
	return nil
}

// allBlocks is the number of blocks of a DVD+RW that is to be as large as it can be.
const allBlocks = 0xffffffff

// formatUnit is FORMAT UNIT of DVD+RW and BD-RE (MMC-6 6.5): all blocks are there at once, with what they had. What is on a disc after
// it was formatted is nobody's promise.
func (r *Drive) formatUnit(t *target.Task) {
	c, err := cdb.ParseFormatUnit(t.CDB)
	l := r.tray.usable()
	switch {
	case err != nil:
		r.FailWith(t, err)
	case !c.Data:
		r.Fail(t, scsi.InvalidFieldInCDB(1, 4))
	case c.Complete:
		r.Fail(t, scsi.InvalidFieldInCDB(1, 3))
	case c.Code != 1:
		r.Fail(t, scsi.InvalidFieldInCDB(1, 2))
	case l != nil && l.part.ReadOnly() && !l.disc.Writable:
		r.Fail(t, scsi.IllegalRequest(scsi.ASCCannotFormatMedium))
	case r.rewritable(t) != nil:
		r.ReceiveList(t, cdb.FormatListLen, r.formatWith)
	}
}

// formatWith goes on with its parameter list.
func (r *Drive) formatWith(t *target.Task, list []byte) {
	f, err := cdb.ParseFormatList(list)
	if err != nil {
		r.FailWith(t, err)
		return
	}
	l := r.rewritable(t)
	if l == nil {
		return
	}
	plus := l.profile() == page.ProfileDVDRW
	blocks := uint64(f.Blocks)
	switch {
	case plus != (f.Type == page.FormatDVDPlusRW),
		!plus && f.Type != page.FormatFull && f.Type != page.FormatBDSpares && f.Type != page.FormatBDNone:
		r.Fail(t, scsi.InvalidFieldInParameterList(8, 7))
		return
	case blocks != l.part.Blocks() && !(plus && (blocks == allBlocks || blocks == 0)):
		r.Fail(t, scsi.InvalidFieldInParameterList(4, -1))
		return
	}
	r.tell("an initiator has formatted the disc: what is on it stays", "disc", l.disc.Label, "initiator", t.ITL().Nexus.Initiator.Name)
	if plus {
		r.mail.tell(page.MediaFormat)
	}
	r.Good(t)
}

// closeTrack is CLOSE TRACK/SESSION (MMC-6 6.3), with which programs end what they have written, or a format in the background.
func (r *Drive) closeTrack(t *target.Task) {
	if _, err := cdb.ParseCloseTrackSession(t.CDB); err != nil {
		r.FailWith(t, err)
		return
	}
	if r.rewritable(t) != nil {
		r.Workers().Run(t, r.closing)
	}
}

// closeTrackWaiting is its step on a worker.
func (r *Drive) closeTrackWaiting(t *target.Task) {
	if t.Aborted() {
		r.FailWith(t, target.ErrAborted)
		return
	}
	p := r.part(t)
	if p == nil {
		return
	}
	if err := p.Flush(t.Context()); err != nil {
		r.FailWith(t, err)
		return
	}
	r.Good(t)
}

// sendOPC is SEND OPC INFORMATION (MMC-5 6.36): there is no laser. Values of one that come along are thrown away.
func (r *Drive) sendOPC(t *target.Task) {
	c, err := cdb.ParseSendOPC(t.CDB)
	switch {
	case err != nil:
		r.FailWith(t, err)
	case r.rewritable(t) == nil:
	case c.Length == 0:
		r.Good(t)
	default:
		r.ReceiveList(t, int64(c.Length), func(t *target.Task, _ []byte) { r.Good(t) })
	}
}
