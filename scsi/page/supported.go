package page

import (
	"encoding/binary"

	"github.com/lunette-io/lunette/scsi"
)

// A Command is one descriptor of REPORT SUPPORTED OPERATION CODES data (SPC-5 6.35.2).
type Command struct {
	Opcode   scsi.Opcode
	Action   scsi.ServiceAction // meaningful for operation codes that have service actions
	Length   uint16             // of the CDB, bytes
	Timeouts Timeouts
}

// Timeouts is a command timeouts descriptor (SPC-5 6.35.4); zeros are not told.
type Timeouts struct {
	Specific    uint8  // COMMAND SPECIFIC
	Nominal     uint32 // seconds a command usually takes at most
	Recommended uint32 // seconds a host should wait
}

// Append appends the descriptor, 12 bytes.
func (t Timeouts) Append(dst []byte) []byte {
	dst = append(dst, 0, 0x0a, 0, t.Specific)
	dst = binary.BigEndian.AppendUint32(dst, t.Nominal)
	return binary.BigEndian.AppendUint32(dst, t.Recommended)
}

// AppendCommands appends the data of REPORT SUPPORTED OPERATION CODES for all
// commands, with their timeouts if RCTD asks for them.
func AppendCommands(dst []byte, timeouts bool, commands ...Command) []byte {
	at := len(dst)
	dst = append(dst, 0, 0, 0, 0)
	for _, c := range commands {
		action := c.Action
		if !c.Opcode.HasServiceActions() {
			action = 0
		}
		dst = append(dst, byte(c.Opcode), 0)
		dst = binary.BigEndian.AppendUint16(dst, uint16(action))
		dst = append(dst, 0, flag(timeouts, 0x02)|flag(c.Opcode.HasServiceActions(), 0x01))
		dst = binary.BigEndian.AppendUint16(dst, c.Length)
		if timeouts {
			dst = c.Timeouts.Append(dst)
		}
	}
	return setLen32(dst, at)
}

// Support is the SUPPORT field of the data for one command; three bits.
type Support uint8

// Values of Support.
const (
	SupportUnknown  Support = 0 // no data just now
	SupportNone     Support = 1 // not supported
	SupportStandard Support = 3 // supported as the standard says
	SupportVendor   Support = 5 // supported in a way of the vendor's
)

// AppendNoCommand appends the data for a command of which nothing but s can be told, 4 bytes.
func AppendNoCommand(dst []byte, s Support) []byte { return append(dst, 0, byte(s)&7, 0, 0) }

// AppendCommand appends the data of REPORT SUPPORTED OPERATION CODES for one
// command (SPC-5 6.35.3) with its usage data, which is as long as its CDB, and
// its timeouts if they are not nil.
func AppendCommand(dst []byte, s Support, usage string, timeouts *Timeouts) []byte {
	dst = append(dst, 0, flag(timeouts != nil, 0x80)|byte(s)&7)
	dst = binary.BigEndian.AppendUint16(dst, uint16(len(usage)))
	dst = append(dst, usage...)
	if timeouts != nil {
		dst = timeouts.Append(dst)
	}
	return dst
}

// TaskManagement is the data of REPORT SUPPORTED TASK MANAGEMENT FUNCTIONS (SPC-5 6.36).
type TaskManagement struct {
	AbortTask, AbortTaskSet, ClearACA, ClearTaskSet bool
	UnitReset, QueryTask, TargetReset               bool
	QueryTaskSet, NexusReset                        bool
	ShortTimeout, LongTimeout                       uint32 // extended data: tenths of a second; 0 not told
}

// Append appends the data: 4 bytes, or 16 if extended.
func (t TaskManagement) Append(dst []byte, extended bool) []byte {
	dst = append(dst,
		flag(t.AbortTask, 0x80)|flag(t.AbortTaskSet, 0x40)|flag(t.ClearACA, 0x20)|flag(t.ClearTaskSet, 0x10)|
			flag(t.UnitReset, 0x08)|flag(t.QueryTask, 0x04)|flag(t.TargetReset, 0x02),
		flag(t.QueryTaskSet, 0x02)|flag(t.NexusReset, 0x01), 0)
	if !extended {
		return append(dst, 0)
	}
	// TMFTMOV says that the timeouts which follow are valid.
	dst = append(dst, 0x0c, flag(t.ShortTimeout|t.LongTimeout != 0, 0x01), 0, 0, 0)
	dst = binary.BigEndian.AppendUint32(dst, t.LongTimeout)
	return binary.BigEndian.AppendUint32(dst, t.ShortTimeout)
}
