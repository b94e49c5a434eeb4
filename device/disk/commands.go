package disk

import (
	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/scsi/cdb"
	"github.com/lunette-io/lunette/target"
)

// What the commands of the medium have in common: which blocks, and how much data.

// extent checks the range of a command and notes it in t.Work. It answers the command
// itself, and reports false, when the command ends here: it is wrong.
func (d *Disk) extent(t *target.Task, lba, blocks uint64, protect uint8) bool {
	m := d.medium
	switch {
	case protect != 0:
		d.Fail(t, scsi.InvalidFieldInCDB(1, 7))
	case !m.contains(lba, blocks):
		d.Fail(t, scsi.LBAOutOfRange())
	default:
		t.Work = target.Work{LBA: lba, Blocks: blocks, Off: m.bytes(lba), Len: m.bytes(blocks)}
		return true
	}
	return false
}

// transfer is extent for commands that move all of the blocks.
func (d *Disk) transfer(t *target.Task, lba, blocks uint64, protect uint8) bool {
	if !d.extent(t, lba, blocks, protect) {
		return false
	}
	if t.Work.Len > maxTransfer {
		d.Fail(t, scsi.InvalidFieldInCDB(transferLength(t.CDB), -1))
		return false
	}
	return true
}

// transferLength is where a CDB says how many blocks it is about.
func transferLength(c []byte) int {
	switch cdb.Length(scsi.Opcode(c[0])) {
	case 6:
		return 4
	case 10:
		return 7
	case 12:
		return 6
	}
	return 10
}

// supply is how many bytes of data-out a command takes: all that its CDB says, or as many whole
// blocks as the initiator has. It answers the command itself, and reports false, when the
// initiator has less than the CDB says and a part of a block: that part can neither be written
// nor be forgotten (SAM-5 leaves it to the transports, and FCP-4 9.4.2 has these two ways).
// The residual says how much the CDB would have moved.
func (d *Disk) supply(t *target.Task) (n int64, ok bool) {
	w := &t.Work
	if n = min(w.Len, t.HaveOut); n < w.Len && n != d.medium.down(n) {
		d.FailMoving(t, scsi.IllegalRequest(scsi.ASCInvalidFieldInCommandIU), w.Len)
		return 0, false
	}
	return n, true
}

// roomFor is how many bytes a read moves: whole blocks that the initiator has any room for.
func (d *Disk) roomFor(t *target.Task) int64 { return min(t.Work.Len, d.medium.up(t.WantIn)) }

// writable answers for a disk that cannot be written now, and reports false then.
func (d *Disk) writable(t *target.Task) bool {
	switch {
	case d.readOnly.Load():
		d.Fail(t, scsi.WriteProtected())
	case d.WriteProtected(t.ITL()):
		d.Fail(t, scsi.DataProtect(scsi.ASCSoftwareWriteProtected))
	default:
		return true
	}
	return false
}

// durably reports whether a write must be on the medium before its status: FUA asks
// for it, or there is no write cache (WCE=0), and the store has one all the same.
func (d *Disk) durably(t *target.Task, fua bool) bool {
	return d.volatile && (fua || d.Settings(t.ITL()).Has(writeThrough))
}
