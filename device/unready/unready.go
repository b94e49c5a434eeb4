// Package unready is a logical unit that stands in for one which cannot be opened now. It is there: REPORT
// LUNS lists it, and INQUIRY says who it is, as far as that is known. Everything else answers NOT READY,
// LOGICAL UNIT IS IN PROCESS OF BECOMING READY (04h/01h): hosts ask again, while somebody tries to open
// the unit that belongs there.
//
// An identity that is not known is not made up: hosts would take the unit that comes for another. INQUIRY
// says then that no unit is connected (peripheral qualifier 001b, SPC-5 6.7.2), and hosts that scan leave
// it out.
package unready

import (
	"github.com/lunette-io/lunette/device"
	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/target"
)

var notReady = scsi.NotReady(scsi.ASCBecomingReady)

// New returns a unit of that identity; if it is nameless only its type and the texts of INQUIRY count.
func New(id scsi.Identity, nameless bool) (target.LogicalUnit, error) {
	var s *device.Server
	var err error
	s, err = device.New(device.Config{
		Identity: id, Nameless: nameless, Workers: 1,
		Omit: []scsi.Opcode{
			scsi.OpTestUnitReady, scsi.OpModeSense6, scsi.OpModeSense10, scsi.OpModeSelect6, scsi.OpModeSelect10,
			scsi.OpLogSense, scsi.OpSendDiagnostic, scsi.OpReserve6, scsi.OpReserve10, scsi.OpRelease6, scsi.OpRelease10,
			scsi.OpPersistentReserveIn, scsi.OpPersistentReserveOut, scsi.OpMaintenanceIn,
		},
		Default: &device.Command{Run: func(t *target.Task) { s.Fail(t, notReady) }},
		Ready:   func(*target.ITL) (scsi.Sense, bool) { return notReady, false },
	})
	if err != nil {
		return nil, err
	}
	return s, nil
}
