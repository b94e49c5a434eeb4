package passthrough

import (
	"encoding/binary"
	"math"

	"github.com/lunette-io/lunette/device/reserve"
	"github.com/lunette-io/lunette/initiator/sg"
	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/scsi/cdb"
)

// diskRules are the commands of SBC-4 and ZBC-2.
func diskRules() []rule {
	var rules []rule
	row := func(op scsi.Opcode, name string, access reserve.Class, changes bool, extent func([]byte) (uint64, uint64), data transfer) {
		rules = append(rules, rule{op: op, name: name, access: access, changes: changes, extent: extent, data: data})
	}
	row(scsi.OpRead6, "READ(6)", reserve.Reading, false, cdb.Range, inBlocks(4, 1).zeroIs(256))
	row(scsi.OpRead10, "READ(10)", reserve.Reading, false, cdb.Range, protected(inBlocks(7, 2)))
	row(scsi.OpRead12, "READ(12)", reserve.Reading, false, cdb.Range, protected(inBlocks(6, 4)))
	row(scsi.OpRead16, "READ(16)", reserve.Reading, false, cdb.Range, protected(inBlocks(10, 4)))
	row(scsi.OpWrite6, "WRITE(6)", reserve.Writing, true, cdb.Range, outBlocks(4, 1).zeroIs(256))
	row(scsi.OpWrite10, "WRITE(10)", reserve.Writing, true, cdb.Range, protected(outBlocks(7, 2)))
	row(scsi.OpWrite12, "WRITE(12)", reserve.Writing, true, cdb.Range, protected(outBlocks(6, 4)))
	row(scsi.OpWrite16, "WRITE(16)", reserve.Writing, true, cdb.Range, protected(outBlocks(10, 4)))
	row(scsi.OpWriteAndVerify10, "WRITE AND VERIFY(10)", reserve.Writing, true, cdb.Range, protected(outBlocks(7, 2)))
	row(scsi.OpWriteAndVerify12, "WRITE AND VERIFY(12)", reserve.Writing, true, cdb.Range, protected(outBlocks(6, 4)))
	row(scsi.OpWriteAndVerify16, "WRITE AND VERIFY(16)", reserve.Writing, true, cdb.Range, protected(outBlocks(10, 4)))
	row(scsi.OpVerify10, "VERIFY(10)", reserve.Reading, false, cdb.Range, verifies(outBlocks(7, 2)))
	row(scsi.OpVerify12, "VERIFY(12)", reserve.Reading, false, cdb.Range, verifies(outBlocks(6, 4)))
	row(scsi.OpVerify16, "VERIFY(16)", reserve.Reading, false, cdb.Range, verifies(outBlocks(10, 4)))
	row(scsi.OpPreFetch10, "PRE-FETCH(10)", reserve.Reading, false, cdb.RangeToEnd, nothing())
	row(scsi.OpPreFetch16, "PRE-FETCH(16)", reserve.Reading, false, cdb.RangeToEnd, nothing())
	row(scsi.OpSynchronizeCache10, "SYNCHRONIZE CACHE(10)", reserve.Writing, false, nil, nothing())
	row(scsi.OpSynchronizeCache16, "SYNCHRONIZE CACHE(16)", reserve.Writing, false, nil, nothing())
	row(scsi.OpWriteSame10, "WRITE SAME(10)", reserve.Writing, true, cdb.RangeToEnd, protected(outBlocks(0, 0).always(1)))
	row(scsi.OpWriteSame16, "WRITE SAME(16)", reserve.Writing, true, cdb.RangeToEnd, unlessNDOB(1))
	row(scsi.OpORWrite16, "ORWRITE(16)", reserve.Writing, true, cdb.Range, protected(outBlocks(10, 4)))
	row(scsi.OpCompareAndWrite, "COMPARE AND WRITE", reserve.Writing, true, cdb.CompareAndWriteRange, protected(transfer{of: comparesAndWrites}))
	row(scsi.OpWriteAtomic16, "WRITE ATOMIC(16)", reserve.Writing, true, shortRange, protected(outBlocks(12, 2)))
	row(opWriteStream16, "WRITE STREAM(16)", reserve.Writing, true, shortRange, protected(outBlocks(12, 2)))
	row(scsi.OpUnmap, "UNMAP", reserve.Writing, true, nil, out(7, 2))
	row(opReadLong10, "READ LONG(10)", reserve.Reading, false, nil, in(7, 2))
	row(opWriteLong10, "WRITE LONG(10)", reserve.Writing, true, nil, transfer{of: writesLong})
	row(scsi.OpReadCapacity10, "READ CAPACITY(10)", reserve.Probing, false, nil, in(0, 0).always(8))
	row(scsi.OpReadDefectData10, "READ DEFECT DATA(10)", reserve.Parameters, false, nil, in(7, 2))
	row(scsi.OpReadDefectData12, "READ DEFECT DATA(12)", reserve.Parameters, false, nil, in(6, 4))
	return append(rules,
		rule{op: scsi.OpFormatUnit, name: "FORMAT UNIT", access: reserve.Writing, needs: format, changes: true, alone: true, data: transfer{of: formats},
			after: tells(scsi.ASCModeParametersChanged, scsi.ASCCapacityDataChanged)},
		rule{op: scsi.OpReassignBlocks, name: "REASSIGN BLOCKS", access: reserve.Writing, changes: true, data: transfer{way: sg.Out}},
		rule{op: scsi.OpStartStopUnit, name: "START STOP UNIT", access: reserve.Writing, accessOf: startAccess, alone: true, ejects: startEjects, after: (*policy).started},
		rule{op: scsi.OpSanitize, action: anyAction, name: "SANITIZE", access: reserve.Writing, needs: format, changes: true, alone: true, data: out(7, 2)},

		rule{op: scsi.OpServiceActionIn16, action: scsi.ActionReadCapacity16, name: "READ CAPACITY(16)", whose: edited, targets: true, access: reserve.Probing, data: in(10, 4),
			run: (*policy).readCapacity16},
		rule{op: scsi.OpServiceActionIn16, action: actionReadLong16, name: "READ LONG(16)", access: reserve.Reading, data: in(12, 2)},
		rule{op: scsi.OpServiceActionIn16, action: scsi.ActionGetLBAStatus, name: "GET LBA STATUS(16)", access: reserve.Reading, data: in(10, 4)},
		rule{op: scsi.OpServiceActionIn16, action: scsi.ActionReportReferrals, name: "REPORT REFERRALS", access: reserve.Probing, data: in(10, 4)},
		rule{op: scsi.OpServiceActionIn16, action: actionStreamControl, name: "STREAM CONTROL", access: reserve.Writing, data: in(10, 4)},
		rule{op: scsi.OpServiceActionIn16, action: actionBackgroundControl, name: "BACKGROUND CONTROL", access: reserve.Writing},
		rule{op: scsi.OpServiceActionIn16, action: actionGetStreamStatus, name: "GET STREAM STATUS", access: reserve.Reading, data: in(10, 4)},
		rule{op: scsi.OpServiceActionIn16, action: actionGetPhysicalElementStatus, name: "GET PHYSICAL ELEMENT STATUS", access: reserve.Reading, data: in(10, 4)},
		rule{op: scsi.OpServiceActionIn16, action: actionRemoveElement, name: "REMOVE ELEMENT AND TRUNCATE", access: reserve.Writing, needs: format, changes: true, alone: true,
			after: tells(scsi.ASCCapacityDataChanged)},
		rule{op: scsi.OpServiceActionIn16, action: actionRestoreElements, name: "RESTORE ELEMENTS AND REBUILD", access: reserve.Writing, needs: format, changes: true, alone: true,
			after: tells(scsi.ASCCapacityDataChanged)},
		rule{op: scsi.OpServiceActionOut16, action: actionReadLong16, name: "WRITE LONG(16)", access: reserve.Writing, changes: true, data: transfer{of: writesLong}},
		rule{op: opZoneOut, action: anyAction, name: "CLOSE, FINISH, OPEN ZONE, RESET WRITE POINTER", access: reserve.Writing, changes: true},
		rule{op: opZoneIn, action: anyAction, name: "REPORT ZONES", access: reserve.Reading, data: in(10, 4)},

		rule{op: scsi.OpVariableLength, action: scsi.ActionRead32, name: "READ(32)", access: reserve.Reading, extent: range32, data: protected(inBlocks(28, 4))},
		rule{op: scsi.OpVariableLength, action: scsi.ActionVerify32, name: "VERIFY(32)", access: reserve.Reading, extent: range32, data: verifies(outBlocks(28, 4))},
		rule{op: scsi.OpVariableLength, action: scsi.ActionWrite32, name: "WRITE(32)", access: reserve.Writing, changes: true, extent: range32, data: protected(outBlocks(28, 4))},
		rule{op: scsi.OpVariableLength, action: scsi.ActionWriteAndVerify32, name: "WRITE AND VERIFY(32)", access: reserve.Writing, changes: true, extent: range32,
			data: protected(outBlocks(28, 4))},
		rule{op: scsi.OpVariableLength, action: scsi.ActionWriteSame32, name: "WRITE SAME(32)", access: reserve.Writing, changes: true, extent: range32ToEnd, data: unlessNDOB(10)},
		rule{op: scsi.OpVariableLength, action: actionORWrite32, name: "ORWRITE(32)", access: reserve.Writing, changes: true, extent: range32, data: protected(outBlocks(28, 4))},
		rule{op: scsi.OpVariableLength, action: actionWriteAtomic32, name: "WRITE ATOMIC(32)", access: reserve.Writing, changes: true, extent: range32, data: protected(outBlocks(28, 4))},
		rule{op: scsi.OpVariableLength, action: actionXDWriteRead32, name: "XDWRITEREAD(32)", whose: refused}, // data both ways
		rule{op: opXDWriteRead10, name: "XDWRITEREAD(10)", whose: refused},
	)
}

// Operation codes and service actions of SBC-4 and ZBC-2 that nothing else of lunette knows.
const (
	opReadLong10    scsi.Opcode = 0x3e
	opWriteLong10   scsi.Opcode = 0x3f
	opXDWriteRead10 scsi.Opcode = 0x53
	opZoneOut       scsi.Opcode = 0x94
	opZoneIn        scsi.Opcode = 0x95
	opWriteStream16 scsi.Opcode = 0x9a

	actionReadLong16               scsi.ServiceAction = 0x11
	actionStreamControl            scsi.ServiceAction = 0x14
	actionBackgroundControl        scsi.ServiceAction = 0x15
	actionGetStreamStatus          scsi.ServiceAction = 0x16
	actionGetPhysicalElementStatus scsi.ServiceAction = 0x17
	actionRemoveElement            scsi.ServiceAction = 0x18
	actionRestoreElements          scsi.ServiceAction = 0x19

	actionXDWriteRead32 scsi.ServiceAction = 0x07
	actionORWrite32     scsi.ServiceAction = 0x0e
	actionWriteAtomic32 scsi.ServiceAction = 0x0f
)

// protectByte is where RDPROTECT, WRPROTECT and VRPROTECT are in the CDB c.
func protectByte(c []byte) byte {
	if scsi.Opcode(c[0]) == scsi.OpVariableLength {
		return c[10]
	}
	return c[1]
}

// protected is x for commands that move protection information with the blocks if bits 7 to 5 of their CDB say so: how much that is the format of the medium says.
func protected(x transfer) transfer {
	r := &rule{data: x}
	return transfer{way: x.way, unit: x.unit, at: x.at, of: func(c []byte, f *facts) (sg.Direction, int64, bool) {
		way, n, known := r.moves(c, f)
		return way, n, known && protectByte(c)>>5 == 0
	}}
}

// verifies is x for VERIFY: BYTCHK says whether the blocks, one, or none are sent.
func verifies(x transfer) transfer {
	all, one := &rule{data: protected(x)}, &rule{data: protected(outBlocks(0, 0).always(1))}
	return transfer{of: func(c []byte, f *facts) (sg.Direction, int64, bool) {
		switch protectByte(c) >> 1 & 3 {
		case 0:
			return sg.None, 0, true
		case 3:
			return one.moves(c, f)
		}
		return all.moves(c, f)
	}}
}

// unlessNDOB is one block of data-out, or none with the bit NDOB in byte at of the CDB.
func unlessNDOB(at int) transfer {
	one := &rule{data: protected(outBlocks(0, 0).always(1))}
	return transfer{of: func(c []byte, f *facts) (sg.Direction, int64, bool) {
		if c[at]&1 != 0 {
			return sg.None, 0, true
		}
		return one.moves(c, f)
	}}
}

// comparesAndWrites: what is there, and what shall be there instead.
func comparesAndWrites(c []byte, f *facts) (sg.Direction, int64, bool) {
	return sg.Out, 2 * int64(c[13]) * int64(f.blockSize), f.blockSize != 0
}

// writesLong is WRITE LONG: nothing is sent for a block that shall only be marked (WR_UNCOR).
func writesLong(c []byte, _ *facts) (sg.Direction, int64, bool) {
	at := 7
	if len(c) > 10 {
		at = 12
	}
	if c[1]&0x40 != 0 {
		return sg.None, 0, true
	}
	return sg.Out, int64(bigEndian(c[at : at+2])), true
}

// formats is FORMAT UNIT: a parameter list, whose length is in itself, with FMTDATA.
func formats(c []byte, _ *facts) (sg.Direction, int64, bool) {
	if c[1]&0x10 == 0 {
		return sg.None, 0, true
	}
	return sg.Out, 0, false
}

// startAccess lets everyone start a unit (SPC-5 table 66).
func startAccess(c []byte) reserve.Class {
	if s, err := cdb.ParseStartStop(c); err == nil && s.Start && s.Condition == 0 {
		return reserve.Probing
	}
	return reserve.Writing
}

// startEjects: START STOP UNIT takes the medium out.
func startEjects(c []byte) bool { return c[4]&0xf3 == 0x02 }

// shortRange are the blocks of 16-byte CDBs whose TRANSFER LENGTH has two bytes.
func shortRange(c []byte) (first, blocks uint64) {
	return binary.BigEndian.Uint64(c[2:]), uint64(binary.BigEndian.Uint16(c[12:]))
}

// range32 are the blocks of CDBs of 32 bytes (SBC-4 5.x).
func range32(c []byte) (first, blocks uint64) {
	if len(c) < sg.MaxCDB {
		return 0, math.MaxUint64
	}
	return binary.BigEndian.Uint64(c[12:]), uint64(binary.BigEndian.Uint32(c[28:]))
}

// range32ToEnd is range32 for commands whose number of blocks 0 means "up to the last one".
func range32ToEnd(c []byte) (first, blocks uint64) {
	if first, blocks = range32(c); blocks == 0 {
		blocks = math.MaxUint64 - first
	}
	return first, blocks
}
