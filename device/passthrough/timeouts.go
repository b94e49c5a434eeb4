package passthrough

import (
	"encoding/binary"
	"time"

	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/scsi/cdb"
)

// A command has a time-out after which the kernel begins to reset what does not answer: one that is too short ruins the work of hours. It is that of the
// configuration, else what the device recommends, else that of the table.

// longest is the longest time-out: what the kernel counts in milliseconds has 32 bits.
const longest = 30 * 24 * time.Hour

// timeouts are those that a device recommends (REPORT SUPPORTED OPERATION CODES with RCTD, SPC-5 6.35.4).
type timeouts map[timeoutKey]time.Duration

type timeoutKey struct {
	op     scsi.Opcode
	action scsi.ServiceAction // 0 for operation codes without
}

// timeout is that of the command c.
func (p *path) timeout(c []byte) time.Duration {
	op := cdb.Opcode(c)
	if d := p.tuned.timeout(&p.cfg, op); d > 0 {
		return min(d, longest)
	}
	key := timeoutKey{op: op}
	if a, ok := actionOf(c); ok {
		key.action = a
	}
	long := time.Duration(0)
	if op == scsi.OpSendDiagnostic && len(c) > 1 && c[1]>>5 == 6 { // an extended self-test in the foreground, which may read the whole medium
		long = erasing
	}
	if all := p.times.Load(); all != nil {
		if d := (*all)[key]; d > 0 {
			return min(max(d, long), longest)
		}
	}
	return max(usualTimeout(p.facts().identity.Type, op, key.action), long)
}

// Kinds of commands by how long they take.
const (
	quick     = time.Minute // nothing moves
	access    = 2 * time.Minute
	moving    = 10 * time.Minute // something mechanical: a medium, a robot's arm
	winding   = 15 * time.Minute // along a tape
	inventory = 30 * time.Minute // a robot looks at everything
	erasing   = 6 * time.Hour
	formatted = 24 * time.Hour
)

// usualTimeout is that of a command with the operation code op, and service action if there are such, for devices of type t.
func usualTimeout(t scsi.PeripheralType, op scsi.Opcode, action scsi.ServiceAction) time.Duration {
	switch op {
	case scsi.OpTestUnitReady, scsi.OpRequestSense, scsi.OpInquiry, scsi.OpModeSense6, scsi.OpModeSense10, scsi.OpModeSelect6, scsi.OpModeSelect10,
		scsi.OpLogSense, scsi.OpLogSelect, scsi.OpPreventAllowRemoval, scsi.OpReportLUNs, scsi.OpMaintenanceIn, scsi.OpReadCapacity10:
		return quick
	case scsi.OpSendDiagnostic, scsi.OpWriteBuffer, scsi.OpReadBuffer:
		return winding // a self-test, or a flash memory
	case scsi.OpSanitize:
		return formatted
	case scsi.OpThirdPartyCopyOut, opCopy, opCopyAndVerify, scsi.OpATAPassThrough16:
		return erasing // of the whole medium, perhaps
	}
	if op >= 0xc0 && op != scsi.OpInitializeElementStatusVendor {
		return erasing // nobody knows: what is too short does harm, what is too long only keeps somebody waiting
	}
	switch t {
	case scsi.TypeTape:
		return tapeTimeout(op)
	case scsi.TypeChanger:
		switch op {
		case scsi.OpInitializeElementStatus, scsi.OpInitializeElementStatusWithRange, scsi.OpInitializeElementStatusVendor:
			return inventory
		}
		return moving
	case scsi.TypeOptical:
		switch op {
		case scsi.OpFormatUnit, opBlank:
			return formatted
		case scsi.OpRead10, scsi.OpRead12, scsi.OpWrite10, scsi.OpWrite12:
			return access
		}
		return moving // CLOSE TRACK SESSION, SEND OPC, and what loads a disc
	}
	switch op {
	case scsi.OpFormatUnit:
		return formatted
	case scsi.OpServiceActionIn16:
		if action == actionRemoveElement || action == actionRestoreElements { // all that is left is formatted
			return formatted
		}
	case scsi.OpVariableLength:
		if action == scsi.ActionVerify32 || action == scsi.ActionWriteSame32 {
			return erasing
		}
	case scsi.OpStartStopUnit, scsi.OpSynchronizeCache10, scsi.OpSynchronizeCache16, scsi.OpUnmap, opZoneOut:
		return moving
	case scsi.OpVerify10, scsi.OpVerify12, scsi.OpVerify16, scsi.OpWriteSame10, scsi.OpWriteSame16, scsi.OpReassignBlocks:
		return erasing // of the whole medium, perhaps
	}
	return access
}

// tapeTimeout is usualTimeout for tape drives.
func tapeTimeout(op scsi.Opcode) time.Duration {
	switch op {
	case scsi.OpErase6, opErase16:
		return erasing
	case scsi.OpFormatMedium, scsi.OpSetCapacity, scsi.OpVerify6, scsi.OpVerify16:
		return formatted
	}
	return winding // whatever moves the tape may have to go to the other end of it
}

// parseTimeouts reads the data of REPORT SUPPORTED OPERATION CODES for all commands, with RCTD (SPC-5 6.35.2). What is not whole is left out.
func parseTimeouts(b []byte) timeouts {
	if len(b) < 4 {
		return nil
	}
	all := make(timeouts)
	if n := uint64(binary.BigEndian.Uint32(b)); n < uint64(len(b)-4) {
		b = b[:4+n]
	}
	for b = b[4:]; len(b) >= 8; {
		key := timeoutKey{op: scsi.Opcode(b[0])}
		flags := b[5]
		if flags&0x01 != 0 { // SERVACTV
			key.action = scsi.ServiceAction(binary.BigEndian.Uint16(b[2:]))
		}
		b = b[8:]
		if flags&0x02 == 0 { // CTDP
			continue
		}
		if len(b) < 2 {
			break
		}
		n := 2 + int(binary.BigEndian.Uint16(b))
		if len(b) < n {
			break
		}
		if n >= 12 {
			seconds := max(binary.BigEndian.Uint32(b[8:]), binary.BigEndian.Uint32(b[4:])) // never less than what it usually takes
			if seconds > 0 {
				all[key] = time.Duration(seconds) * time.Second
			}
		}
		b = b[n:]
	}
	return all
}
