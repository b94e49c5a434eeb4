package optical

import (
	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/scsi/cdb"
	"github.com/lunette-io/lunette/target"
)

// reportKey is REPORT KEY (MMC-6 6.28) of a disc that is not encrypted: there are no keys, and no regions.
func (r *Drive) reportKey(t *target.Task) {
	c, err := cdb.ParseReportKey(t.CDB)
	switch {
	case err != nil:
		r.FailWith(t, err)
	case c.Class != 0:
		r.Fail(t, scsi.InvalidFieldInCDB(7, -1))
	case c.Format == cdb.KeyClear:
		r.Good(t)
	case c.Format == cdb.KeyASF, c.Format == cdb.KeyRPC:
		// Authentication has not succeeded, or: no region is set (TYPE CODE), and none is looked at (RPC SCHEME).
		r.Reply(t, []byte{0, 6, 0, 0, 0, 0, 0, 0}, uint32(c.Allocation))
	case c.Format <= 4:
		r.Fail(t, scsi.IllegalRequest(scsi.ASCKeyNotPresent))
	default:
		r.Fail(t, scsi.InvalidFieldInCDB(10, 5))
	}
}
