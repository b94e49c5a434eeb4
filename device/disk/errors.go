package disk

import (
	"errors"

	"github.com/lunette-io/lunette/buffer"
	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/store"
	"github.com/lunette-io/lunette/target"
)

// A doing says what a store was asked for when it failed.
type doing uint8

const (
	reading doing = iota
	writing
	verifying
)

// storeError is what the initiator is told about an error of the store: the only place
// where one becomes sense. lba is the first block of what failed; all before it is done.
func (d *Disk) storeError(err error, what doing, lba uint64) error {
	var sense scsi.Sense
	switch {
	case errors.As(err, &sense), errors.Is(err, buffer.ErrExhausted), errors.Is(err, target.ErrAborted):
		return err // it is none of the store's
	case errors.Is(err, store.ErrOutOfSpace):
		return scsi.SpaceAllocationFailed()
	case errors.Is(err, store.ErrReadOnly):
		return scsi.WriteProtected()
	case errors.Is(err, store.ErrMiscompare):
		return scsi.NewSense(scsi.KeyMiscompare, scsi.ASCMiscompareDuringVerify)
	case errors.Is(err, store.ErrNotSupported):
		return scsi.IllegalRequest(scsi.ASCInvalidFieldInCDB)
	case errors.Is(err, store.ErrClosed):
		return scsi.NotReady(scsi.ASCNotReadyCauseNotReportable)
	}
	switch what {
	case writing:
		d.errors.write.Add(1)
		return scsi.WriteError(lba)
	case verifying:
		d.errors.verify.Add(1)
	default:
		d.errors.read.Add(1)
	}
	return scsi.UnrecoveredReadError(lba)
}

// lba is the block that byte off of the store lies in.
func (d *Disk) lba(off int64) uint64 { return uint64(off) >> d.shift }
