package disk_test

import (
	"fmt"
	"testing"

	"go.uber.org/goleak"

	"github.com/lunette-io/lunette/buffer"
	"github.com/lunette-io/lunette/device/devicetest"
	"github.com/lunette-io/lunette/device/disk"
	"github.com/lunette-io/lunette/device/reserve"
	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/scsi/cdb"
	"github.com/lunette-io/lunette/store"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// access is SBC-4 table 13, with CDBs of zeros: START STOP UNIT stops, PREVENT ALLOW
// MEDIUM REMOVAL allows.
func access() map[devicetest.Name]reserve.Class {
	all := map[devicetest.Name]reserve.Class{
		{Op: scsi.OpReadCapacity10}:                                       reserve.Probing,
		{Op: scsi.OpServiceActionIn16, Action: scsi.ActionReadCapacity16}: reserve.Probing,
		{Op: scsi.OpServiceActionIn16, Action: scsi.ActionGetLBAStatus}:   reserve.Reading,
		{Op: scsi.OpStartStopUnit}:                                        reserve.Writing,
		{Op: scsi.OpPreventAllowRemoval}:                                  reserve.Probing,
	}
	for class, ops := range map[reserve.Class][]scsi.Opcode{
		reserve.Reading: {
			scsi.OpRead6, scsi.OpRead10, scsi.OpRead12, scsi.OpRead16, scsi.OpVerify10, scsi.OpVerify12, scsi.OpVerify16,
			scsi.OpPreFetch10, scsi.OpPreFetch16,
		},
		reserve.Writing: {
			scsi.OpWrite6, scsi.OpWrite10, scsi.OpWrite12, scsi.OpWrite16,
			scsi.OpWriteAndVerify10, scsi.OpWriteAndVerify12, scsi.OpWriteAndVerify16,
			scsi.OpSynchronizeCache10, scsi.OpSynchronizeCache16, scsi.OpWriteSame10, scsi.OpWriteSame16,
			scsi.OpUnmap, scsi.OpCompareAndWrite, scsi.OpORWrite16,
		},
	} {
		for _, op := range ops {
			all[devicetest.Name{Op: op}] = class
		}
	}
	return all
}

func TestSuite(t *testing.T) {
	for _, c := range []struct {
		name string
		lend bool // the initiators' memory is lent
	}{
		{"lending", false}, {"trying", false}, {"waiting", false}, {"submitting", false}, {"missing", false}, {"comparing", false},
		{"lending", true}, {"trying", true}, {"file", true}, {"file waiting", true}, {"file submitting", true}, {"file missing", true},
	} {
		t.Run(fmt.Sprintf("%s/lent=%v", c.name, c.lend), func(t *testing.T) {
			devicetest.Run(t, devicetest.Device{
				Lend: c.lend,
				New: func(t testing.TB, arena *buffer.Arena) devicetest.Unit {
					var st store.Store
					if foreign := foreignKind(t, c.name, 4<<20); foreign != nil {
						st = foreign
					} else {
						st = kinds(t, 4<<20)[c.name]
					}
					d, err := disk.New(disk.Config{Store: st, Arena: arena, Identity: identity})
					if err != nil {
						t.Fatal(err)
					}
					return d
				},
				Access:   access(),
				Write:    cdb.ReadWrite{Opcode: scsi.OpWrite10, Blocks: 256}.Append(nil),
				WriteLen: 128 << 10,
				Modes:    []devicetest.Mode{{Code: 0x01}, {Code: 0x08}, {Code: 0x0a}, {Code: 0x1c}},
			})
		})
	}
}
