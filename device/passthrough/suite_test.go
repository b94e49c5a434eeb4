package passthrough

import (
	"testing"

	"github.com/lunette-io/lunette/buffer"
	"github.com/lunette-io/lunette/device/devicetest"
	"github.com/lunette-io/lunette/device/reserve"
	"github.com/lunette-io/lunette/initiator/sg/sgtest"
	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/scsi/cdb"
)

// TestSuite: what is true of all device types is true of a device that is passed through, whatever it is. How reservations fence the commands is
// from the standards of the device types.
func TestSuite(t *testing.T) {
	read, write, probe, parameters := reserve.Reading, reserve.Writing, reserve.Probing, reserve.Parameters
	with := func(more map[devicetest.Name]reserve.Class) map[devicetest.Name]reserve.Class {
		all := map[devicetest.Name]reserve.Class{
			{Op: scsi.OpReceiveDiagnostic}: parameters, {Op: scsi.OpReadBuffer}: parameters, {Op: scsi.OpWriteBuffer}: write,
			{Op: scsi.OpReadAttribute}: probe, {Op: scsi.OpWriteAttribute}: write, {Op: scsi.OpSecurityProtocolIn}: probe,
			{Op: scsi.OpMaintenanceIn, Action: scsi.ActionReportTimestamp}: probe, {Op: scsi.OpMaintenanceOut, Action: scsi.ActionSetTimestamp}: write,
			{Op: scsi.OpMaintenanceIn, Action: scsi.ActionReportSupportedOperationCodes}: parameters,
			{Op: scsi.OpMaintenanceIn, Action: scsi.ActionReportSupportedTaskManagement}: parameters,
			{Op: scsi.OpMaintenanceIn, Action: scsi.ActionReportIdentifyingInformation}:  probe,
			{Op: scsi.OpMaintenanceOut, Action: scsi.ActionSetIdentifyingInformation}:    write,
			{Op: scsi.OpPreventAllowRemoval}:                                             probe, // with zeros it allows
		}
		for n, c := range more {
			all[n] = c
		}
		return all
	}
	for _, c := range []struct {
		name   string
		device func() *sgtest.Device
		access map[devicetest.Name]reserve.Class
		write  []byte
		len    int
		start  []byte
	}{
		{"disk", func() *sgtest.Device { return sgtest.NewDisk(sgtest.Config{}, 2048, 512).Device }, with(map[devicetest.Name]reserve.Class{
			{Op: scsi.OpRead6}: read, {Op: scsi.OpRead10}: read, {Op: scsi.OpRead12}: read, {Op: scsi.OpRead16}: read, {Op: scsi.OpWrite6}: write,
			{Op: scsi.OpWrite10}: write, {Op: scsi.OpWrite12}: write, {Op: scsi.OpWrite16}: write, {Op: scsi.OpVerify10}: read, {Op: scsi.OpVerify16}: read,
			{Op: scsi.OpWriteAndVerify10}: write, {Op: scsi.OpSynchronizeCache10}: write, {Op: scsi.OpSynchronizeCache16}: write, {Op: scsi.OpUnmap}: write,
			{Op: scsi.OpWriteSame10}: write, {Op: scsi.OpWriteSame16}: write, {Op: scsi.OpCompareAndWrite}: write, {Op: scsi.OpReadCapacity10}: probe,
			{Op: scsi.OpServiceActionIn16, Action: scsi.ActionReadCapacity16}: probe, {Op: scsi.OpServiceActionIn16, Action: scsi.ActionGetLBAStatus}: read,
			{Op: scsi.OpReassignBlocks}: write, {Op: scsi.OpPreFetch10}: read, {Op: scsi.OpStartStopUnit}: write, {Op: opZoneIn}: read,
		}), rw(scsi.OpWrite10, 0, 128), 64 << 10, []byte{byte(scsi.OpStartStopUnit), 0, 0, 0, 1, 0}},
		{"tape", func() *sgtest.Device { return sgtest.NewTape(sgtest.Config{}).Device }, with(map[devicetest.Name]reserve.Class{
			{Op: scsi.OpRead6}: write, {Op: scsi.OpWrite6}: write, {Op: scsi.OpRewind}: write, {Op: scsi.OpSpace6}: write, {Op: scsi.OpSpace16}: write,
			{Op: scsi.OpLocate10}: write, {Op: scsi.OpLocate16}: write, {Op: scsi.OpErase6}: write, {Op: scsi.OpWriteFilemarks6}: write,
			{Op: scsi.OpReadPosition}: read, {Op: scsi.OpReadBlockLimits}: probe, {Op: scsi.OpReportDensitySupport}: probe, {Op: scsi.OpVerify6}: write,
			{Op: scsi.OpFormatMedium}: write, {Op: scsi.OpSetCapacity}: write, {Op: scsi.OpAllowOverwrite}: write,
		}), rw6(scsi.OpWrite6, 64<<10), 64 << 10, nil},
		{"changer", func() *sgtest.Device { return sgtest.NewChanger(sgtest.Config{}, "A", "B", "").Device }, with(map[devicetest.Name]reserve.Class{
			{Op: scsi.OpMoveMedium}: write, {Op: scsi.OpExchangeMedium}: write, {Op: scsi.OpInitializeElementStatus}: write, {Op: scsi.OpPositionToElement}: write,
			{Op: scsi.OpReadElementStatus}: read, {Op: scsi.OpRequestVolumeElementAddress}: read, {Op: scsi.OpSendVolumeTag}: write, {Op: scsi.OpImportExportElement}: write,
			{Op: scsi.OpInitializeElementStatusWithRange}: write,
		}), []byte{byte(scsi.OpSendVolumeTag), 0, 0, 0, 0, 0, 0, 0, 0x10, 0, 0, 0}, 4096, nil},
		{"optical", func() *sgtest.Device { return sgtest.NewDisc(sgtest.Config{}, make([]byte, 64<<10)).Device }, with(map[devicetest.Name]reserve.Class{
			{Op: scsi.OpRead10}: read, {Op: scsi.OpRead12}: read, {Op: opReadCD}: read, {Op: opReadTOC}: read, {Op: opReadDiscInformation}: read,
			{Op: scsi.OpWrite10}: write, {Op: opBlank}: write, {Op: scsi.OpReadCapacity10}: probe, {Op: opGetConfiguration}: reserve.Unfenced,
			{Op: opGetEventStatus}: reserve.Unfenced, {Op: scsi.OpMaintenanceIn}: write,
		}), rw(scsi.OpWrite10, 0, 2), 4096, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			devices := map[devicetest.Unit]*sgtest.Device{}
			make := func(t testing.TB, _ *buffer.Arena, kept devicetest.Kept) devicetest.Unit {
				k := c.device()
				u, err := New(t.Context(), Config{Source: sgtest.NewSource(k), Reservations: kept.Reservations})
				if err != nil {
					t.Fatal(err)
				}
				devices[u] = k
				return u
			}
			var partial *devicetest.Partial
			if c.name == "tape" {
				block := pattern(5000, 1)
				partial = &devicetest.Partial{
					Before: []devicetest.Exchange{{CDB: cdb.Rewind{}.Append(nil)}, {CDB: rw6(scsi.OpWrite6, 5000), Out: block}, {CDB: cdb.Rewind{}.Append(nil)}},
					CDB:    rw6(scsi.OpRead6, 64<<10), Room: 64 << 10, Data: block,
				}
			}
			devicetest.Run(t, devicetest.Device{
				New:     func(t testing.TB, arena *buffer.Arena) devicetest.Unit { return make(t, arena, devicetest.Kept{}) },
				NewKept: make, Access: c.access, Write: c.write, WriteLen: c.len, Start: c.start, Partial: partial,
				Change: func(_ testing.TB, u devicetest.Unit) { devices[u].Attention(scsi.ASCMediumMayHaveChanged) },
			})
		})
	}
}
