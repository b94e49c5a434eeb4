package cdb

import "github.com/lunette-io/lunette/scsi"

// SequentialUsageOf is [UsageOf] for commands of sequential-access devices (SSC-5), whose operation codes other device types
// have for other commands; "" for one that is not theirs alone.
func SequentialUsageOf(op scsi.Opcode) Usage {
	for i := range sequentialUsages {
		if c := &sequentialUsages[i]; c.op == op {
			return c.usage
		}
	}
	return ""
}

// In the order of operation codes, as usages.
var sequentialUsages = [...]struct {
	op    scsi.Opcode
	usage Usage
}{
	{scsi.OpRewind, "\x01\x01\x00\x00\x00\x00"},
	{scsi.OpFormatMedium, "\x04\x03\x0f\xff\xff\x00"},
	{scsi.OpReadBlockLimits, "\x05\x01\x00\x00\x00\x00"},
	{scsi.OpRead6, "\x08\x03\xff\xff\xff\x00"},
	{scsi.OpWrite6, "\x0a\x01\xff\xff\xff\x00"},
	{scsi.OpSetCapacity, "\x0b\x01\x00\xff\xff\x00"},
	{scsi.OpReadReverse6, "\x0f\x07\xff\xff\xff\x00"},
	{scsi.OpWriteFilemarks6, "\x10\x01\xff\xff\xff\x00"},
	{scsi.OpSpace6, "\x11\x0f\xff\xff\xff\x00"},
	{scsi.OpVerify6, "\x13\x39\xff\xff\xff\x00"},
	{scsi.OpRecoverBufferedData, "\x14\x03\xff\xff\xff\x00"},
	{scsi.OpErase6, "\x19\x03\x00\x00\x00\x00"},
	{scsi.OpLoadUnload, "\x1b\x01\x00\x00\x0f\x00"},
	{scsi.OpLocate10, "\x2b\x07\x00\xff\xff\xff\xff\x00\xff\x00"},
	{scsi.OpReadPosition, "\x34\x1f\x00\x00\x00\x00\x00\xff\xff\x00"},
	{scsi.OpAllowOverwrite, "\x82\x00\x0f\xff\xff\xff\xff\xff\xff\xff\xff\xff\x00\x00\x00\x00"},
	{scsi.OpSpace16, "\x91\x0f\x00\x00\xff\xff\xff\xff\xff\xff\xff\xff\x00\x00\x00\x00"},
	{scsi.OpLocate16, "\x92\x3b\x01\xff\xff\xff\xff\xff\xff\xff\xff\xff\x00\x00\x00\x00"},
}
