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
type errorCounts struct {
	read, write, verify atomic.Uint64 // since LOG SELECT has reset them
	store               atomic.Uint64 // commands that the store has failed, for whatever reason
	// unavailable: the store could not be reached when it was last heard of; see Disk.probe.
	unavailable atomic.Bool
}

// String is the word for k in the log.
func (k ioKind) String() string {
	switch k {
	case writing:
		return "write"
	case verifying:
		return "verify"
	}
	return "read"
}

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
	case errors.Is(err, store.ErrForeign): // nor does it say anything about the store
		if kind == writing {
			return scsi.NewSense(scsi.KeyAbortedCommand, scsi.ASCDataOutBufferError)
		}
		return scsi.NewSense(scsi.KeyAbortedCommand, scsi.ASCDataInBufferError)
	case lba >= m.blocks(): // the disk was made smaller while the command was under way
		return scsi.LBAOutOfRange()
	case errors.Is(err, context.Canceled):
		return target.ErrAborted
	case errors.Is(err, store.ErrUnavailable), errors.Is(err, context.DeadlineExceeded):
		m.errors.unavailable.Store(true)
		m.note(err, kind, lba)
		return scsi.NotReady(scsi.ASCBecomingReady)
	case errors.Is(err, store.ErrOutOfSpace):
		m.note(err, kind, lba)
		return scsi.SpaceAllocationFailed()
	case errors.Is(err, store.ErrReadOnly):
		m.note(err, kind, lba)
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
	m.note(err, kind, lba)
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

// note counts an error of the store, and tells the log.
func (m *medium) note(err error, kind ioKind, lba uint64) {
	m.errors.store.Add(1)
	m.log.failed(err, kind, lba)
}

// Errors are the commands that have failed: Medium because of the store, Refused for any other
// reason, such as what they asked for.
type Errors struct{ Medium, Refused uint64 }

// Errors counts failed commands since the disk was opened.
func (d *Disk) Errors() Errors {
	e := Errors{Medium: d.medium.errors.store.Load()}
	if all := uint64(max(0, d.Totals().Errors)); all > e.Medium { // of commands that have ended by now
		e.Refused = all - e.Medium
	}
	return e
}
