package disk

import (
	"context"
	"errors"
	"sync/atomic"

	"github.com/lunette-io/lunette/buffer"
	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/store"
	"github.com/lunette-io/lunette/target"
)

// An ioKind says what a store was asked for when it failed.
type ioKind uint8

const (
	reading ioKind = iota
	writing
	verifying
)

// errorCounts are the errors of a medium that were not corrected.
type errorCounts struct{ read, write, verify atomic.Uint64 }

// failed is what the initiator is told about an error of the store: the only place where one
// becomes sense. lba is the first block of what failed; all before it is done.
//
// A store that is unavailable for now makes the unit NOT READY, LOGICAL UNIT IS IN PROCESS OF
// BECOMING READY (04h/01h, SPC-5 annex D): it says that the initiator need do nothing but ask
// again, and hosts do. After CAUSE NOT REPORTABLE (04h/00h) they give up, after MEDIUM ERROR they
// think that data is lost, and ASYMMETRIC ACCESS STATE TRANSITION (04h/0Ah) is for a unit with
// such states.
func (m *medium) failed(err error, kind ioKind, lba uint64) error {
	if err == nil {
		return nil
	}
	var sense scsi.Sense
	switch {
	case errors.As(err, &sense), errors.Is(err, buffer.ErrExhausted), errors.Is(err, target.ErrAborted):
		return err // it does not come from the store
	case errors.Is(err, context.Canceled):
		return target.ErrAborted
	case errors.Is(err, store.ErrUnavailable), errors.Is(err, context.DeadlineExceeded):
		return scsi.NotReady(scsi.ASCBecomingReady)
	case errors.Is(err, store.ErrOutOfSpace):
		return scsi.SpaceAllocationFailed()
	case errors.Is(err, store.ErrReadOnly):
		return scsi.WriteProtected()
	case errors.Is(err, store.ErrMiscompare):
		var at *store.MiscompareError
		if errors.As(err, &at) {
			return scsi.Miscompare(uint64(at.At))
		}
		return scsi.NewSense(scsi.KeyMiscompare, scsi.ASCMiscompareDuringVerify)
	case errors.Is(err, store.ErrNotSupported):
		return scsi.IllegalRequest(scsi.ASCInvalidFieldInCDB)
	case errors.Is(err, store.ErrClosed):
		return scsi.NotReady(scsi.ASCNotReadyCauseNotReportable)
	}
	switch kind {
	case writing:
		m.errors.write.Add(1)
		return scsi.WriteError(lba)
	case verifying:
		m.errors.verify.Add(1)
	default:
		m.errors.read.Add(1)
	}
	return scsi.UnrecoveredReadError(lba)
}
