package tape_test

import (
	"context"
	"testing"

	"github.com/lunette-io/lunette/buffer"
	"github.com/lunette-io/lunette/device/devicetest"
	"github.com/lunette-io/lunette/device/reserve"
	"github.com/lunette-io/lunette/device/tape"
	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/scsi/cdb"
)

// access is how reservations fence the commands of a tape: reading moves the medium, and so is not for those who may not write.
func access() map[devicetest.Name]reserve.Class {
	all := map[devicetest.Name]reserve.Class{
		{Op: scsi.OpReadBlockLimits}:     reserve.Probing,
		{Op: scsi.OpPreventAllowRemoval}: reserve.Probing,
		{Op: scsi.OpReadPosition}:        reserve.Reading,
	}
	for _, op := range []scsi.Opcode{
		scsi.OpRead6, scsi.OpVerify6, scsi.OpRewind, scsi.OpSpace6, scsi.OpSpace16, scsi.OpLocate10, scsi.OpLocate16, scsi.OpLoadUnload,
		scsi.OpWrite6, scsi.OpWriteFilemarks6, scsi.OpErase6, scsi.OpFormatMedium, scsi.OpSetCapacity, scsi.OpAllowOverwrite,
	} {
		all[devicetest.Name{Op: op}] = reserve.Writing
	}
	return all
}

func TestSuite(t *testing.T) {
	devicetest.Run(t, devicetest.Device{
		New: func(t testing.TB, arena *buffer.Arena) devicetest.Unit {
			d := newDrive(t, arena, func(c *tape.Config) { c.Buffer = 4 << 20 })
			if err := d.Load(context.Background(), cartridge(1<<30, nil)); err != nil {
				t.Fatal(err)
			}
			return d
		},
		Access:   access(),
		Write:    writeCDB(128 << 10),
		WriteLen: 128 << 10,
		Start:    cdb.LoadUnload{Load: true}.Append(nil),
		Modes:    []devicetest.Mode{{Code: 0x0a}, {Code: 0x1c}},
	})
}
