package optical

import (
	"github.com/lunette-io/lunette/device"
	"github.com/lunette-io/lunette/device/reserve"
	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/scsi/cdb"
	"github.com/lunette-io/lunette/scsi/page"
	"github.com/lunette-io/lunette/target"
)

// Seconds that hosts are told to wait: for what moves data, and for what may touch all of the disc.
var (
	moving = page.Timeouts{Nominal: 1, Recommended: 30}
	whole  = page.Timeouts{Nominal: 10, Recommended: 120}
)

// commands are the commands of MMC-6 that the drive has, with whatever disc: those for other discs than the one in it end with what
// is wrong with that.
func (r *Drive) commands() []device.Command {
	r.opening, r.closing, r.sectors, r.more = r.startStopWaiting, r.closeTrackWaiting, r.sendSectors, r.sendMoreSectors
	return append(append(r.dataCommands(), r.discCommands()...), r.driveCommands()...)
}

// row is a row of a command with the usage data of optical drives.
func row(op scsi.Opcode, access reserve.Class, run func(*target.Task)) device.Command {
	c := device.Command{Op: op, Usage: cdb.OpticalUsageOf(op), Access: access, Run: run}
	if access == reserve.Reading || access == reserve.Writing {
		c.Order = target.Reads // what changes the disc says so itself
	}
	return c
}

// dataCommands move data between the disc and initiators.
func (r *Drive) dataCommands() []device.Command {
	var rows []device.Command
	extent := cdb.Range
	add := func(access reserve.Class, order target.Class, wait page.Timeouts, run func(*target.Task), ops ...scsi.Opcode) {
		for _, op := range ops {
			c := row(op, access, run)
			c.Order, c.Extent, c.Medium, c.Timeouts = order, extent, true, wait
			rows = append(rows, c)
		}
	}
	add(reserve.Reading, target.Reads, moving, r.read, scsi.OpRead10, scsi.OpRead12)
	add(reserve.Writing, target.Writes, moving, r.write, scsi.OpWrite10, scsi.OpWrite12)
	add(reserve.Reading, target.Reads, whole, r.verify, scsi.OpVerify10)
	add(reserve.Writing, target.Writes, moving, r.writeAndVerify, scsi.OpWriteAndVerify10)
	extent = cdb.RangeToEnd
	add(reserve.Writing, target.Reads, whole, r.synchronize, scsi.OpSynchronizeCache10)
	extent = nil
	add(reserve.Reading, target.Reads, moving, r.readCD, scsi.OpReadCD, scsi.OpReadCDMSF)
	add(reserve.Writing, target.Writes, whole, r.formatUnit, scsi.OpFormatUnit)
	add(reserve.Writing, target.Writes, whole, r.closeTrack, scsi.OpCloseTrackSession)
	add(reserve.Writing, target.Writes, moving, r.sendOPC, scsi.OpSendOPCInformation)
	return rows
}

// discCommands look at the disc.
func (r *Drive) discCommands() []device.Command {
	rows := []device.Command{
		{Op: scsi.OpTestUnitReady, Access: reserve.Probing, Run: r.testUnitReady},
		row(scsi.OpReadCapacity10, reserve.Probing, r.readCapacity),
		row(scsi.OpReadTOC, reserve.Reading, r.readTOC),
		row(scsi.OpReadDiscInformation, reserve.Reading, r.readDiscInformation),
		row(scsi.OpReadTrackInformation, reserve.Reading, r.readTrackInformation),
		row(scsi.OpReadDiscStructure, reserve.Reading, r.readDiscStructure),
		row(scsi.OpSeek10, reserve.Reading, r.seek),
		row(scsi.OpReportKey, reserve.Reading, r.reportKey),
	}
	for i := range rows {
		rows[i].Medium = true
	}
	// Hosts are known that have rubbish where PMI was.
	rows[1].Tolerated = map[int]byte{8: 0xfe}
	return rows
}

// driveCommands are about the drive, with a disc and without.
func (r *Drive) driveCommands() []device.Command {
	rows := []device.Command{
		row(scsi.OpGetConfiguration, reserve.Probing, r.getConfiguration),
		row(scsi.OpGetEventStatus, reserve.Probing, r.getEventStatus),
		row(scsi.OpMechanismStatus, reserve.Probing, r.mechanismStatus),
		row(scsi.OpGetPerformance, reserve.Probing, r.getPerformance),
		row(scsi.OpReadFormatCapacities, reserve.Probing, r.readFormatCapacities),
		row(scsi.OpReadBufferCapacity, reserve.Probing, r.readBufferCapacity),
		row(scsi.OpSetStreaming, reserve.Writing, r.setStreaming),
		row(scsi.OpSetCDSpeed, reserve.Writing, r.setCDSpeed),
		row(scsi.OpStartStopUnit, reserve.Writing, r.startStop),
		{Op: scsi.OpPreventAllowRemoval, Access: reserve.Writing, AccessOf: preventAccess, Order: target.Reads, Run: r.prevent},
	}
	rows[0].Attention, rows[1].Attention = true, true // MMC-6 4.1.6: they are answered while a unit attention is pending
	start := &rows[8]
	start.AccessOf, start.Timeouts = startAccess, whole
	return rows
}

// startAccess lets everyone start a unit, and close its tray (SPC-5 table 66).
func startAccess(c []byte) reserve.Class {
	if s, err := cdb.ParseStartStop(c); err == nil && s.Start && s.Condition == 0 {
		return reserve.Probing
	}
	return reserve.Writing
}

// preventAccess lets everyone allow removal.
func preventAccess(c []byte) reserve.Class {
	if p, err := cdb.ParsePrevent(c); err == nil && p.Mode&preventBit == 0 {
		return reserve.Probing
	}
	return reserve.Writing
}

// read is READ(10) and READ(12).
func (r *Drive) read(t *target.Task) {
	if p := r.part(t); p != nil {
		p.Read(t)
	}
}

// write is WRITE(10) and WRITE(12): a rewritable disc takes any block at any time.
func (r *Drive) write(t *target.Task) {
	if p := r.part(t); p != nil {
		p.Write(t)
	}
}

// writeAndVerify is WRITE AND VERIFY(10).
func (r *Drive) writeAndVerify(t *target.Task) {
	if p := r.part(t); p != nil {
		p.Verify(t)
	}
}

// verify is VERIFY(10).
func (r *Drive) verify(t *target.Task) {
	if p := r.part(t); p != nil {
		p.Verify(t)
	}
}

// synchronize is SYNCHRONIZE CACHE(10).
func (r *Drive) synchronize(t *target.Task) {
	if p := r.part(t); p != nil {
		p.Synchronize(t)
	}
}

// testUnitReady is TEST UNIT READY.
func (r *Drive) testUnitReady(t *target.Task) {
	if p := r.part(t); p != nil {
		p.Probe(t)
	}
}

// readCapacity is READ CAPACITY (MMC-6 6.18).
func (r *Drive) readCapacity(t *target.Task) {
	c, err := cdb.ParseReadCapacity(t.CDB)
	if err != nil {
		r.FailWith(t, err)
		return
	}
	if p := r.part(t); p != nil {
		r.Reply(t, page.Capacity{Last: p.Blocks() - 1, BlockSize: BlockSize}.Append10(nil), c.Allocation)
	}
}

// seek is SEEK(10): the head is everywhere.
func (r *Drive) seek(t *target.Task) {
	c, err := cdb.ParseSeek(t.CDB)
	if err != nil {
		r.FailWith(t, err)
		return
	}
	switch p := r.part(t); {
	case p == nil:
	case uint64(c.LBA) >= p.Blocks():
		r.Fail(t, scsi.LBAOutOfRange())
	default:
		r.Good(t)
	}
}
