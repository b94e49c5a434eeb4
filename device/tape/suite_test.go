package tape_test

import (
	"bytes"
	"context"
	"errors"
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

		{Op: scsi.OpReportDensitySupport}: reserve.Probing,
		{Op: scsi.OpWriteAttribute}:       reserve.Writing,
		{Op: scsi.OpReceiveDiagnostic}:    reserve.Parameters,
		{Op: scsi.OpReadBuffer}:           reserve.Probing,
		{Op: scsi.OpWriteBuffer}:          reserve.Writing,
		{Op: scsi.OpSecurityProtocolIn}:   reserve.Probing,
		{Op: scsi.OpSecurityProtocolOut}:  reserve.Writing,

		{Op: scsi.OpMaintenanceIn, Action: scsi.ActionReportTimestamp}: reserve.Unfenced,
		{Op: scsi.OpMaintenanceOut, Action: scsi.ActionSetTimestamp}:   reserve.Writing,
	}
	for _, a := range []scsi.ServiceAction{scsi.ActionAttributeValues, scsi.ActionAttributeList, scsi.ActionVolumeList,
		scsi.ActionPartitionList, scsi.ActionSupportedAttributes} {
		all[devicetest.Name{Op: scsi.OpReadAttribute, Action: a}] = reserve.Probing
	}
	for _, op := range []scsi.Opcode{
		scsi.OpRead6, scsi.OpVerify6, scsi.OpRewind, scsi.OpSpace6, scsi.OpSpace16, scsi.OpLocate10, scsi.OpLocate16, scsi.OpLoadUnload,
		scsi.OpWrite6, scsi.OpWriteFilemarks6, scsi.OpErase6, scsi.OpFormatMedium, scsi.OpSetCapacity, scsi.OpAllowOverwrite,
	} {
		all[devicetest.Name{Op: op}] = reserve.Writing
	}
	return all
}

func TestSuite(t *testing.T) { suite(t, false) }

// The initiators' memory is lent.
func TestSuiteLent(t *testing.T) { suite(t, true) }

func suite(t *testing.T, lend bool) {
	devicetest.Run(t, devicetest.Device{
		Lend: lend,
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
		Partial: &devicetest.Partial{
			Before: []devicetest.Exchange{{CDB: cdb.Rewind{}.Append(nil)}, {CDB: writeCDB(5000), Out: bytes.Repeat([]byte{7}, 5000)}, {CDB: cdb.Rewind{}.Append(nil)}},
			CDB:    readCDB(64 << 10), Room: 64 << 10, Data: bytes.Repeat([]byte{7}, 5000),
		},
		Change: func(t testing.TB, u devicetest.Unit) {
			d := u.(*tape.Drive)
			old, err := d.Unload(context.Background(), false)
			if err != nil {
				t.Fatal(err)
			}
			if err := errors.Join(old.Close(), d.Load(context.Background(), cartridge(1<<30, nil))); err != nil {
				t.Fatal(err)
			}
		},
		Modes: []devicetest.Mode{
			{Code: 0x01}, {Code: 0x02}, {Code: 0x0a}, {Code: 0x0a, Subpage: 0x01}, {Code: 0x0a, Subpage: 0xf0}, {Code: 0x0f}, {Code: 0x10},
			{Code: 0x10, Subpage: 0x01}, {Code: 0x11}, {Code: 0x1c}, {Code: 0x1d},
		},
		Follows: func(m devicetest.Mode) bool { return m.Code == 0x11 || m.Code == 0x1d },
		Bound: func(m devicetest.Mode) bool {
			return m.Code == 0x0a && m.Subpage == 0xf0 || m.Code == 0x10 || m.Code == 0x11 || m.Code == 0x1c
		},
	})
}
