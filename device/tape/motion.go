package tape

import (
	"runtime"

	"github.com/lunette-io/lunette/buffer"
	"github.com/lunette-io/lunette/device"
	"github.com/lunette-io/lunette/device/reserve"
	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/scsi/cdb"
	"github.com/lunette-io/lunette/scsi/page"
	"github.com/lunette-io/lunette/target"
)

// ways are the functions by which a task goes on, as values that are made once: so no command allocates any.
type ways struct {
	inTurn, aborted                       func(*target.Task)
	read, readFixed, more                 func(*target.Task)
	write                                 func(*target.Task)
	written                               func(*target.Task, *buffer.Lease, error)
	writeFilemarks, erase, rewind, space  func(*target.Task)
	locate, position, allow, verify       func(*target.Task)
	loadUnload, formatMedium, setCapacity func(*target.Task)
	checkStall                            func()
}

// start makes the parts of the drive.
func (d *Drive) start() {
	d.encryptor = noKeys{}
	d.ways = ways{
		inTurn: d.runInTurn, aborted: d.aborted,
		read: d.readInTurn, readFixed: d.readFixed, more: d.more,
		write: d.writeInTurn, written: d.written,
		writeFilemarks: d.filemarksInTurn, erase: d.eraseInTurn, rewind: d.rewindInTurn, space: d.spaceInTurn,
		locate: d.locateInTurn, position: d.positionInTurn, allow: d.allowInTurn, verify: d.verifyInTurn,
		loadUnload: d.loadUnloadInTurn, formatMedium: d.formatInTurn, setCapacity: d.capacityInTurn,
		checkStall: d.checkStall,
	}
	w := &d.writer
	if w.workers = d.cfg.Workers; w.workers <= 0 {
		w.workers = min(runtime.GOMAXPROCS(0), 4)
	}
	w.most, w.group, w.ctx = d.cfg.Buffer, &d.background, d.life
	w.keeps = d.cfg.Model.RecoverBuffered
	w.changed.L, w.main = &w.mu, w.work
	w.wake = func(*target.Task) {
		w.mu.Lock()
		w.changed.Broadcast()
		w.mu.Unlock()
	}
	w.stored = func(bytes, blocks int64) {
		d.counters.toTape.Add(uint64(bytes))
		d.counters.blocks.Add(uint64(blocks))
	}
	r := &d.reader
	r.most, r.arena, r.group, r.ctx = min(d.cfg.Buffer, readAhead), d.cfg.Arena, &d.background, d.life
	r.changed.L, r.main = &r.mu, r.work
}

// Seconds that hosts are told to wait: for what moves data, for what may move the medium to its other end, and for what may go
// over all of it. They are those of real drives, since hosts know no others.
var (
	quick  = page.Timeouts{Nominal: 1, Recommended: 60}
	moving = page.Timeouts{Nominal: 60, Recommended: 1500}
	motion = page.Timeouts{Nominal: 120, Recommended: 2940}
	whole  = page.Timeouts{Nominal: 600, Recommended: 19800}
)

// motionCommands are the commands that move the medium, or depend on its position.
//
// Reading moves the medium too: whoever may not write, since another has a reservation, may not read either (SSC-5 5.2).
func (d *Drive) motionCommands() []device.Command {
	row := func(op scsi.Opcode, access reserve.Class, order target.Class, wait page.Timeouts, run func(*target.Task)) device.Command {
		return device.Command{Op: op, Usage: cdb.SequentialUsageOf(op), Access: access, Order: order, Medium: true, Timeouts: wait, Run: run}
	}
	rows := []device.Command{
		{Op: scsi.OpTestUnitReady, Access: reserve.Probing, Timeouts: quick, Run: d.testUnitReady},
		{Op: scsi.OpRequestSense, Access: reserve.Unfenced, Attention: true, Timeouts: quick, Run: d.requestSense},
		{Op: scsi.OpReadBlockLimits, Usage: cdb.SequentialUsageOf(scsi.OpReadBlockLimits), Access: reserve.Probing, Timeouts: quick, Run: d.blockLimits},
		{Op: scsi.OpPreventAllowRemoval, Access: reserve.Writing, AccessOf: preventAccess, Order: target.Reads, Timeouts: quick, Run: d.prevent},
		{Op: scsi.OpLoadUnload, Usage: cdb.SequentialUsageOf(scsi.OpLoadUnload), Access: reserve.Writing, Order: target.Reads, Timeouts: motion, Run: d.loadUnload},
		row(scsi.OpRead6, reserve.Writing, target.Reads, moving, d.read),
		row(scsi.OpWrite6, reserve.Writing, target.Writes, moving, d.write),
		row(scsi.OpWriteFilemarks6, reserve.Writing, target.Writes, moving, d.writeFilemarks),
		row(scsi.OpErase6, reserve.Writing, target.Writes, whole, d.erase),
		row(scsi.OpRewind, reserve.Writing, target.Reads, motion, d.rewindCommand),
		row(scsi.OpSpace6, reserve.Writing, target.Reads, motion, d.space),
		row(scsi.OpSpace16, reserve.Writing, target.Reads, motion, d.space),
		row(scsi.OpLocate10, reserve.Writing, target.Reads, motion, d.locate),
		row(scsi.OpLocate16, reserve.Writing, target.Reads, motion, d.locate),
		row(scsi.OpReadPosition, reserve.Reading, target.Reads, quick, d.readPosition),
		row(scsi.OpVerify6, reserve.Writing, target.Reads, whole, d.verify),
		row(scsi.OpFormatMedium, reserve.Writing, target.Writes, whole, d.formatMedium),
		row(scsi.OpSetCapacity, reserve.Writing, target.Writes, whole, d.setCapacity),
	}
	if d.cfg.Model.ReadReverse {
		rows = append(rows, row(scsi.OpReadReverse6, reserve.Writing, target.Reads, moving, d.read))
	}
	if d.cfg.Model.RecoverBuffered {
		rows = append(rows, row(scsi.OpRecoverBufferedData, reserve.Writing, target.Reads, moving, d.read))
	}
	if d.cfg.Model.AppendOnly {
		rows = append(rows, row(scsi.OpAllowOverwrite, reserve.Writing, target.Reads, quick, d.allowOverwrite))
	}
	return rows
}

// preventAccess lets everyone allow removal.
func preventAccess(c []byte) reserve.Class {
	if p, err := cdb.ParsePrevent(c); err == nil && p.Mode == 0 {
		return reserve.Probing
	}
	return reserve.Writing
}
