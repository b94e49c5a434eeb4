package passthrough

import (
	"github.com/lunette-io/lunette/device/reserve"
	"github.com/lunette-io/lunette/initiator/sg"
	"github.com/lunette-io/lunette/scsi"
)

// tapeRules are the commands of SSC-5.
//
// Reading moves the medium too: whoever may not write, since another has a reservation, may not read either (SSC-5 5.2).
func tapeRules() []rule {
	motion := func(op scsi.Opcode, name string, changes bool, data transfer) rule {
		return rule{op: op, name: name, access: reserve.Writing, changes: changes, alone: true, data: data}
	}
	load := motion(scsi.OpLoadUnload, "LOAD UNLOAD", false, nothing())
	load.ejects, load.after = unloads, (*policy).loaded
	formatMedium := motion(scsi.OpFormatMedium, "FORMAT MEDIUM", true, out(3, 2))
	formatMedium.after = tells(scsi.ASCModeParametersChanged)
	return []rule{
		motion(scsi.OpRewind, "REWIND", false, nothing()),
		motion(scsi.OpRead6, "READ(6)", false, sequential(sg.In, 2, 3)),
		motion(scsi.OpWrite6, "WRITE(6)", true, sequential(sg.Out, 2, 3)),
		motion(scsi.OpReadReverse6, "READ REVERSE(6)", false, sequential(sg.In, 2, 3)),
		motion(scsi.OpRecoverBufferedData, "RECOVER BUFFERED DATA", false, sequential(sg.In, 2, 3)),
		motion(scsi.OpVerify6, "VERIFY(6)", false, transfer{of: verifiesTape}),
		motion(scsi.OpWriteFilemarks6, "WRITE FILEMARKS(6)", true, nothing()),
		motion(scsi.OpSpace6, "SPACE(6)", false, nothing()),
		motion(scsi.OpErase6, "ERASE(6)", true, nothing()),
		motion(scsi.OpLocate10, "LOCATE(10)", false, nothing()),
		motion(scsi.OpLocate16, "LOCATE(16)", false, nothing()),
		motion(scsi.OpSpace16, "SPACE(16)", false, nothing()),
		motion(scsi.OpSetCapacity, "SET CAPACITY", true, nothing()),
		motion(scsi.OpRead16, "READ(16)", false, sequential(sg.In, 12, 3)),
		motion(scsi.OpWrite16, "WRITE(16)", true, sequential(sg.Out, 12, 3)),
		motion(opReadReverse16, "READ REVERSE(16)", false, sequential(sg.In, 12, 3)),
		motion(scsi.OpVerify16, "VERIFY(16)", false, transfer{of: verifiesTape}),
		motion(opWriteFilemarks16, "WRITE FILEMARKS(16)", true, nothing()),
		motion(opErase16, "ERASE(16)", true, nothing()),
		motion(scsi.OpAllowOverwrite, "ALLOW OVERWRITE", false, nothing()),
		formatMedium, load,
		{op: scsi.OpModeSelect6, name: "MODE SELECT(6)", access: reserve.Writing, changesOf: selectsPages, data: out(4, 1), after: changed(scsi.ASCModeParametersChanged)},
		{op: scsi.OpModeSelect10, name: "MODE SELECT(10)", access: reserve.Writing, changesOf: selectsPages, data: out(7, 2), after: changed(scsi.ASCModeParametersChanged)},
		{op: scsi.OpReadPosition, name: "READ POSITION", access: reserve.Reading, alone: true, data: transfer{of: readsPosition}},
		{op: scsi.OpReadBlockLimits, name: "READ BLOCK LIMITS", whose: edited, targets: true, access: reserve.Probing, data: transfer{way: sg.In}, run: (*policy).blockLimits},
		{op: scsi.OpReportDensitySupport, name: "REPORT DENSITY SUPPORT", access: reserve.Probing, data: in(7, 2)},
	}
}

// Operation codes of SSC-5 that nothing else of lunette knows: those with explicit addresses.
const (
	opWriteFilemarks16 scsi.Opcode = 0x80
	opReadReverse16    scsi.Opcode = 0x81
	opErase16          scsi.Opcode = 0x93
)

// sequential is as many bytes as the field says, or with FIXED as many blocks, whose length is in the mode parameters: the CDB does not tell.
func sequential(way sg.Direction, at, width int) transfer {
	return transfer{of: func(c []byte, _ *facts) (sg.Direction, int64, bool) {
		if c[1]&1 != 0 {
			return way, 0, false
		}
		return way, int64(bigEndian(c[at : at+width])), true
	}}
}

// verifiesTape is VERIFY: data is sent with BYTCMP only.
func verifiesTape(c []byte, f *facts) (sg.Direction, int64, bool) {
	if c[1]&2 == 0 {
		return sg.None, 0, true
	}
	at := 2
	if len(c) > 10 {
		at = 12
	}
	return sequential(sg.Out, at, 3).of(c, f)
}

// readsPosition is READ POSITION (SSC-5 7.9): the form says how long the data is.
func readsPosition(c []byte, _ *facts) (sg.Direction, int64, bool) {
	switch c[1] & 0x1f {
	case 0x06: // long form
		return sg.In, 32, true
	case 0x08: // extended form
		return sg.In, int64(bigEndian(c[7:9])), true
	}
	return sg.In, 20, true
}

// selectsPages: MODE SELECT with mode pages behind the header and the block descriptor, which have the length of blocks. By a mode page some drives divide the
// tape into partitions at once (11h, SSC-5 8.5).
func selectsPages(c []byte) bool {
	if scsi.Opcode(c[0]) == scsi.OpModeSelect6 {
		return c[4] > 4+8
	}
	return bigEndian(c[7:9]) > 8+8
}

// unloads: LOAD UNLOAD takes the medium out, and does not keep it in the drive (HOLD).
func unloads(c []byte) bool { return c[4]&0x09 == 0 }
