package optical_test

import (
	"testing"

	"github.com/lunette-io/lunette/buffer"
	"github.com/lunette-io/lunette/device/devicetest"
	"github.com/lunette-io/lunette/device/optical"
	"github.com/lunette-io/lunette/device/reserve"
	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/scsi/cdb"
)

// access is how reservations fence the commands of a drive, with CDBs of zeros: START STOP UNIT stops, PREVENT ALLOW MEDIUM REMOVAL allows.
func access() map[devicetest.Name]reserve.Class {
	all := make(map[devicetest.Name]reserve.Class)
	for class, ops := range map[reserve.Class][]scsi.Opcode{
		reserve.Probing: {
			scsi.OpReadCapacity10, scsi.OpGetConfiguration, scsi.OpGetEventStatus, scsi.OpMechanismStatus, scsi.OpGetPerformance,
			scsi.OpReadFormatCapacities, scsi.OpReadBufferCapacity, scsi.OpPreventAllowRemoval,
		},
		reserve.Reading: {
			scsi.OpRead10, scsi.OpRead12, scsi.OpVerify10, scsi.OpReadCD, scsi.OpReadCDMSF, scsi.OpReadTOC, scsi.OpReadDiscInformation,
			scsi.OpReadTrackInformation, scsi.OpReadDiscStructure, scsi.OpSeek10, scsi.OpReportKey,
		},
		reserve.Writing: {
			scsi.OpWrite10, scsi.OpWrite12, scsi.OpWriteAndVerify10, scsi.OpSynchronizeCache10, scsi.OpFormatUnit, scsi.OpCloseTrackSession,
			scsi.OpSendOPCInformation, scsi.OpSetStreaming, scsi.OpSetCDSpeed, scsi.OpStartStopUnit,
		},
	} {
		for _, op := range ops {
			all[devicetest.Name{Op: op}] = class
		}
	}
	return all
}

func TestSuite(t *testing.T) {
	for name, size := range map[string]int64{"DVD+RW": 4 << 20} {
		t.Run(name, func(t *testing.T) {
			devicetest.Run(t, devicetest.Device{
				New: func(t testing.TB, arena *buffer.Arena) devicetest.Unit {
					r, err := optical.New(optical.Config{Arena: arena, Identity: identity, Disc: blank(t, size)})
					if err != nil {
						t.Fatal(err)
					}
					return r
				},
				Access:   access(),
				Write:    cdb.ReadWrite{Opcode: scsi.OpWrite10, Blocks: 64}.Append(nil),
				WriteLen: 128 << 10,
				Modes:    []devicetest.Mode{{Code: 0x01}, {Code: 0x08}, {Code: 0x0a}, {Code: 0x1a}, {Code: 0x1c}, {Code: 0x1d}, {Code: 0x2a}},
				Follows:  func(m devicetest.Mode) bool { return m.Code == 0x08 || m.Code == 0x2a },
			})
		})
	}
}
