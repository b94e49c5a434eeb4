package cdb

import (
	"encoding/binary"

	"github.com/lunette-io/lunette/scsi"
)

// A ReportOpcodes is REPORT SUPPORTED OPERATION CODES (SPC-5 6.35).
type ReportOpcodes struct {
	Timeouts   bool  // RCTD: add command timeouts descriptors
	Options    uint8 // REPORTING OPTIONS, 0 to 7
	Opcode     scsi.Opcode
	Action     scsi.ServiceAction
	Allocation uint32 // bytes
}

// Values of ReportOpcodes.Options.
const (
	ReportAll    = 0 // every command
	ReportOpcode = 1 // one operation code; an error if it has service actions
	ReportAction = 2 // one service action; an error if the operation code has none
	ReportEither = 3 // one command; Action is ignored if the operation code has none
)

// ParseReportOpcodes reads REPORT SUPPORTED OPERATION CODES.
func ParseReportOpcodes(c []byte) (ReportOpcodes, error) {
	if err := needAction(c, scsi.OpMaintenanceIn, scsi.ActionReportSupportedOperationCodes); err != nil {
		return ReportOpcodes{}, err
	}
	return ReportOpcodes{
		Timeouts: c[2]&0x80 != 0, Options: c[2] & 7, Opcode: scsi.Opcode(c[3]),
		Action: scsi.ServiceAction(binary.BigEndian.Uint16(c[4:])), Allocation: binary.BigEndian.Uint32(c[6:]),
	}, nil
}

// Append appends the CDB.
func (r ReportOpcodes) Append(dst []byte) []byte {
	dst = append(dst, byte(scsi.OpMaintenanceIn), byte(scsi.ActionReportSupportedOperationCodes),
		flag(r.Timeouts, 0x80)|r.Options&7, byte(r.Opcode))
	dst = binary.BigEndian.AppendUint16(dst, uint16(r.Action))
	return append(binary.BigEndian.AppendUint32(dst, r.Allocation), 0, 0)
}

// A ReportTaskManagement is REPORT SUPPORTED TASK MANAGEMENT FUNCTIONS (SPC-5 6.36).
type ReportTaskManagement struct {
	Extended   bool   // REPD: sixteen bytes of data instead of four
	Allocation uint32 // bytes
}

// ParseReportTaskManagement reads REPORT SUPPORTED TASK MANAGEMENT FUNCTIONS.
func ParseReportTaskManagement(c []byte) (ReportTaskManagement, error) {
	if err := needAction(c, scsi.OpMaintenanceIn, scsi.ActionReportSupportedTaskManagement); err != nil {
		return ReportTaskManagement{}, err
	}
	return ReportTaskManagement{Extended: c[2]&0x80 != 0, Allocation: binary.BigEndian.Uint32(c[6:])}, nil
}

// Append appends the CDB.
func (r ReportTaskManagement) Append(dst []byte) []byte {
	dst = append(dst, byte(scsi.OpMaintenanceIn), byte(scsi.ActionReportSupportedTaskManagement),
		flag(r.Extended, 0x80), 0, 0, 0)
	return append(binary.BigEndian.AppendUint32(dst, r.Allocation), 0, 0)
}
