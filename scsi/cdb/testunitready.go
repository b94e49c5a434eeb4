package cdb

import "github.com/lunette-io/lunette/scsi"

// AppendTestUnitReady appends TEST UNIT READY (SPC-5 6.47), which has no fields.
func AppendTestUnitReady(dst []byte) []byte {
	return append(dst, byte(scsi.OpTestUnitReady), 0, 0, 0, 0, 0)
}
