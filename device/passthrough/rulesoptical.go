package passthrough

import (
	"github.com/lunette-io/lunette/device/reserve"
	"github.com/lunette-io/lunette/initiator/sg"
	"github.com/lunette-io/lunette/scsi"
)

// opticalRules are the commands of MMC-6, and those of its forerunners that drives still have. What writes goes one at a time: discs are written from one end to the other.
//
// FORMAT UNIT and BLANK pass: they are for a disc that somebody has put in to write on it, as FORMAT MEDIUM is for a tape, and writing passes.
func opticalRules() []rule {
	var rules []rule
	row := func(op scsi.Opcode, name string, access reserve.Class, data transfer) {
		rules = append(rules, rule{op: op, name: name, access: access, data: data})
	}
	write := func(op scsi.Opcode, name string, data transfer) {
		rules = append(rules, rule{op: op, name: name, access: reserve.Writing, changes: true, alone: true, data: data})
	}
	row(scsi.OpRead10, "READ(10)", reserve.Reading, inBlocks(7, 2))
	row(scsi.OpRead12, "READ(12)", reserve.Reading, inBlocks(6, 4))
	row(opReadCD, "READ CD", reserve.Reading, transfer{way: sg.In})
	row(opReadCDMSF, "READ CD MSF", reserve.Reading, transfer{way: sg.In})
	row(scsi.OpVerify10, "VERIFY(10)", reserve.Reading, nothing())
	row(opSeek10, "SEEK(10)", reserve.Reading, nothing())
	row(scsi.OpReadCapacity10, "READ CAPACITY", reserve.Probing, in(0, 0).always(8))
	row(opReadFormatCapacities, "READ FORMAT CAPACITIES", reserve.Probing, in(7, 2))
	row(opReadTOC, "READ TOC/PMA/ATIP", reserve.Reading, in(7, 2))
	row(opReadDiscInformation, "READ DISC INFORMATION", reserve.Reading, in(7, 2))
	row(opReadTrackInformation, "READ TRACK INFORMATION", reserve.Reading, in(7, 2))
	row(opReadDiscStructure, "READ DISC STRUCTURE", reserve.Reading, in(8, 2))
	row(opReadSubChannel, "READ SUB-CHANNEL", reserve.Reading, in(7, 2))
	row(opReadHeader, "READ HEADER", reserve.Reading, in(7, 2))
	row(opReadMasterCue, "READ MASTER CUE", reserve.Reading, in(6, 3))
	row(opReadBufferCapacity, "READ BUFFER CAPACITY", reserve.Probing, in(7, 2))
	row(opMechanismStatus, "MECHANISM STATUS", reserve.Probing, in(8, 2))
	row(opGetPerformance, "GET PERFORMANCE", reserve.Probing, transfer{way: sg.In})
	for _, r := range []struct {
		op   scsi.Opcode
		name string
	}{{opPlayAudio10, "PLAY AUDIO(10)"}, {opPlayAudioMSF, "PLAY AUDIO MSF"}, {opPlayAudioTrack, "PLAY AUDIO TRACK INDEX"}, {opPauseResume, "PAUSE/RESUME"},
		{opStopPlay, "STOP PLAY/SCAN"}, {opPlayAudio12, "PLAY AUDIO(12)"}, {opScan, "SCAN"}, {opSetCDSpeed, "SET CD SPEED"}, {opSetReadAhead, "SET READ AHEAD"}} {
		row(r.op, r.name, reserve.Reading, nothing())
	}
	row(opSetStreaming, "SET STREAMING", reserve.Writing, out(9, 2))
	row(scsi.OpSynchronizeCache10, "SYNCHRONIZE CACHE", reserve.Writing, nothing())
	write(scsi.OpWrite10, "WRITE(10)", outBlocks(7, 2))
	write(scsi.OpWrite12, "WRITE(12)", outBlocks(6, 4))
	write(scsi.OpWriteAndVerify10, "WRITE AND VERIFY(10)", outBlocks(7, 2))
	write(scsi.OpFormatUnit, "FORMAT UNIT", transfer{of: formats})
	write(opBlank, "BLANK", nothing())
	write(opReserveTrack, "RESERVE TRACK", nothing())
	write(opRepairTrack, "REPAIR TRACK", nothing())
	write(opCloseTrack, "CLOSE TRACK SESSION", nothing())
	write(opSendOPC, "SEND OPC INFORMATION", out(7, 2))
	write(opSendCueSheet, "SEND CUE SHEET", out(6, 3))
	write(opSendDiscStructure, "SEND DISC STRUCTURE", out(8, 2))
	rules = sectors(rules)
	return append(rules,
		rule{op: scsi.OpStartStopUnit, name: "START STOP UNIT", access: reserve.Writing, accessOf: startAccess, alone: true, ejects: startEjects, after: (*policy).started},
		rule{op: opLoadUnloadMedium, name: "LOAD/UNLOAD MEDIUM", access: reserve.Writing, alone: true, ejects: unloadsDisc, after: (*policy).loaded},
		rule{op: opGetConfiguration, name: "GET CONFIGURATION", attention: true, data: in(7, 2)},
		rule{op: opGetEventStatus, name: "GET EVENT STATUS NOTIFICATION", whose: edited, attention: true, data: in(7, 2), run: (*policy).eventStatus},
		// MMC gives the operation codes of MAINTENANCE IN and OUT to keys; the service action is 0 there.
		rule{op: scsi.OpMaintenanceIn, action: 0, name: "SEND KEY", access: reserve.Writing, needsOf: keyNeeds, data: out(8, 2)},
		rule{op: scsi.OpMaintenanceOut, action: 0, name: "REPORT KEY", access: reserve.Parameters, data: in(8, 2)},
	)
}

// sectors lets the initiator's buffer say how much is moved where an application may choose another size of sectors than READ CAPACITY has (write parameters, mode page 05h; audio).
func sectors(rules []rule) []rule {
	for i := range rules {
		if r := &rules[i]; r.data.unit == byBlocks && r.changes {
			r.data = transfer{way: sg.Out}
		}
	}
	return rules
}

// Operation codes of MMC-6 that nothing else of lunette knows.
const (
	opReadFormatCapacities scsi.Opcode = 0x23
	opSeek10               scsi.Opcode = 0x2b
	opReadSubChannel       scsi.Opcode = 0x42
	opReadTOC              scsi.Opcode = 0x43
	opReadHeader           scsi.Opcode = 0x44
	opPlayAudio10          scsi.Opcode = 0x45
	opGetConfiguration     scsi.Opcode = 0x46
	opPlayAudioMSF         scsi.Opcode = 0x47
	opPlayAudioTrack       scsi.Opcode = 0x48
	opGetEventStatus       scsi.Opcode = 0x4a
	opPauseResume          scsi.Opcode = 0x4b
	opStopPlay             scsi.Opcode = 0x4e
	opReadDiscInformation  scsi.Opcode = 0x51
	opReadTrackInformation scsi.Opcode = 0x52
	opReserveTrack         scsi.Opcode = 0x53
	opSendOPC              scsi.Opcode = 0x54
	opRepairTrack          scsi.Opcode = 0x58
	opReadMasterCue        scsi.Opcode = 0x59
	opCloseTrack           scsi.Opcode = 0x5b
	opReadBufferCapacity   scsi.Opcode = 0x5c
	opSendCueSheet         scsi.Opcode = 0x5d
	opBlank                scsi.Opcode = 0xa1
	opPlayAudio12          scsi.Opcode = 0xa5
	opLoadUnloadMedium     scsi.Opcode = 0xa6
	opSetReadAhead         scsi.Opcode = 0xa7
	opGetPerformance       scsi.Opcode = 0xac
	opReadDiscStructure    scsi.Opcode = 0xad
	opSetStreaming         scsi.Opcode = 0xb6
	opReadCDMSF            scsi.Opcode = 0xb9
	opScan                 scsi.Opcode = 0xba
	opSetCDSpeed           scsi.Opcode = 0xbb
	opMechanismStatus      scsi.Opcode = 0xbd
	opReadCD               scsi.Opcode = 0xbe
	opSendDiscStructure    scsi.Opcode = 0xbf
)

// keyNeeds: the region of a drive can be set a few times (RPC structure, MMC-6 6.38), and then never again.
func keyNeeds(c []byte) permission {
	if c[10]&0x3f == 0x06 {
		return vendor
	}
	return nobodys
}

// unloadsDisc: LOAD/UNLOAD MEDIUM takes the disc out.
func unloadsDisc(c []byte) bool { return c[4]&0x03 == 0x02 }

// enclosureRules are those of SES-3: its commands are those of SPC.
func enclosureRules() []rule {
	return []rule{{op: scsi.OpReadCapacity10, name: "READ CAPACITY(10)", access: reserve.Probing, data: in(0, 0).always(8)}}
}
