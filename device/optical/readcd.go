package optical

import (
	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/scsi/cdb"
	"github.com/lunette-io/lunette/target"
)

// sectorsAtOnce is how many sectors are made at a time.
const sectorsAtOnce = 64

// readCD is READ CD and READ CD MSF (MMC-6 6.19, 6.20), of CDs in mode 1. User data alone is sent as READ sends it; other fields of
// sectors are made.
func (r *Drive) readCD(t *target.Task) {
	c, err := cdb.ParseReadCD(t.CDB)
	if err != nil {
		r.FailWith(t, err)
		return
	}
	l := r.tray.usable()
	if l == nil {
		r.Fail(t, r.tray.why())
		return
	}
	lba, blocks, err := span(c)
	first, end := fields(c.Parts)
	switch {
	case err != nil:
		r.FailWith(t, err)
	case c.Sector > cdb.SectorMode2Form2:
		r.Fail(t, scsi.InvalidFieldInCDB(1, 4))
	case !l.profile().isCD(), c.Sector != cdb.SectorAny && c.Sector != cdb.SectorMode1:
		r.Fail(t, scsi.IllegalRequest(scsi.ASCIllegalModeForTrack))
	case first < 0:
		r.Fail(t, scsi.InvalidFieldInCDB(9, 7))
	case c.Parts&(cdb.PartC2|cdb.PartC2Block) != 0:
		r.Fail(t, scsi.InvalidFieldInCDB(9, 2))
	case c.Subchannel != 0:
		r.Fail(t, scsi.InvalidFieldInCDB(10, 2))
	case !cdb.RangeOK(lba, blocks, l.part.Blocks()):
		r.Fail(t, scsi.LBAOutOfRange())
	case blocks > l.part.MostBlocks():
		r.Fail(t, scsi.InvalidFieldInCDB(6, -1))
	case blocks == 0 || first == end:
		r.Good(t)
	case first == userAt && end == edcAt:
		l.part.ReadRange(t, lba, blocks)
	default:
		size := int64(end - first)
		t.Work = target.Work{LBA: lba, Blocks: blocks, Len: int64(blocks) * size, Flags: uint32(first)<<16 | uint32(end)}
		if t.WantIn == 0 {
			t.Respond(target.Response{Moves: t.Work.Len})
			return
		}
		r.sendMoreSectors(t)
	}
}

// span is where a READ CD begins, and how many blocks it reads.
func span(c cdb.ReadCD) (lba, blocks uint64, err error) {
	if c.Opcode == scsi.OpReadCD {
		return uint64(c.LBA), uint64(c.Blocks), nil
	}
	start, ok := frames(c.Start)
	if !ok {
		return 0, 0, scsi.InvalidFieldInCDB(3, -1)
	}
	end, ok := frames(c.End)
	switch {
	case !ok || end < start:
		return 0, 0, scsi.InvalidFieldInCDB(6, -1)
	case start < leadIn:
		return 0, 0, scsi.LBAOutOfRange()
	}
	return start - leadIn, end - start, nil
}

// frames is a time as a number of sectors; false: it is none.
func frames(msf uint32) (uint64, bool) {
	m, s, f := uint64(msf>>16), uint64(msf>>8&0xff), uint64(msf&0xff)
	return (m*60+s)*75 + f, s < 60 && f < 75
}

// fields is which bytes of a sector in mode 1 parts ask for; first is less than 0 if they are not in one piece. A sector in mode 1 has no
// subheader.
func fields(parts byte) (first, end int) {
	all := [...]struct {
		part       byte
		first, end int
	}{
		{cdb.PartSync, 0, syncLength}, {cdb.PartHeader, syncLength, userAt}, {cdb.PartUser, userAt, edcAt}, {cdb.PartECC, edcAt, sectorLength},
	}
	for _, f := range all {
		switch {
		case parts&f.part == 0:
		case end == 0:
			first, end = f.first, f.end
		case end == f.first:
			end = f.end
		default:
			return -1, -1
		}
	}
	return first, end
}

// sendMoreSectors lets a worker go on with t.
func (r *Drive) sendMoreSectors(t *target.Task) { r.Workers().RunLong(t, r.sectors) }

// sendSectors makes some sectors on a worker and sends what is wanted of them.
func (r *Drive) sendSectors(t *target.Task) {
	w, p := &t.Work, r.part(t)
	if p == nil {
		return
	}
	if t.Aborted() {
		r.FailWith(t, target.ErrAborted)
		return
	}
	first, end := int(w.Flags>>16), int(w.Flags&0xffff)
	size := int64(end - first)
	wanted := min(int64(w.Blocks), (t.WantIn+size-1)/size)
	n := min(sectorsAtOnce, wanted-w.Done)
	user, err := p.Fetch(t, w.LBA+uint64(w.Done), uint64(n))
	if err != nil {
		r.FailWith(t, err)
		return
	}
	out, err := t.Memory(n * size)
	if err != nil {
		user.Release()
		r.FailWith(t, err)
		return
	}
	var s [sectorLength]byte
	for i := range n {
		user.Read(i*BlockSize, s[userAt:edcAt])
		r.codes.fill(&s, w.LBA+uint64(w.Done+i))
		out.Copy(i*size, s[first:end])
	}
	user.Release()
	at := w.Done * size
	if w.Done += n; w.Done == wanted {
		t.Respond(target.Response{Moves: w.Len, DataIn: out, At: at})
		return
	}
	if t.SendDataIn(at, out, r.more) {
		r.sendMoreSectors(t)
	}
}
