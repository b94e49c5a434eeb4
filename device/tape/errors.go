package tape

import (
	"context"
	"errors"

	"github.com/lunette-io/lunette/device/alert"
	"github.com/lunette-io/lunette/device/tape/medium"
	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/target"
)

// isAbort reports an error that comes of the end of a task.
func isAbort(err error) bool {
	return errors.Is(err, context.Canceled) || errors.Is(err, target.ErrAborted)
}

// readError is what an error of reading or moving means, and tells those who have to know.
func (d *Drive) readError(err error) error {
	var s scsi.Sense
	switch {
	case isAbort(err):
		return target.ErrAborted
	case errors.As(err, &s): // also that of package encryption
		return s
	case errors.Is(err, medium.ErrMemory): // it says nothing about drive and cartridge
		return scsi.AbortedCommand(scsi.ASCDataInBufferError)
	case errors.Is(err, medium.ErrKey):
		return scsi.DataProtect(scsi.ASCIncorrectDataEncryptionKey)
	}
	d.counters.readErrors.Add(1)
	d.alert(alert.ReadFailure)
	d.alert(alert.HardError)
	d.warn("reading failed", err)
	return scsi.NewSense(scsi.KeyMediumError, scsi.ASCUnrecoveredReadError)
}

// writeError is what an error of writing means, and tells those who have to know. It is never an end of the partition: the
// disk below may be full, and that is another thing.
func (d *Drive) writeError(err error) error {
	switch {
	case isAbort(err):
		return target.ErrAborted
	case errors.Is(err, medium.ErrEndOfPartition):
		s := scsi.NewSense(scsi.KeyVolumeOverflow, scsi.ASCEndOfPartition)
		s.EOM = true
		return s
	case errors.Is(err, medium.ErrWORM):
		d.alert(alert.WORMOverwrite)
		return scsi.DataProtect(scsi.ASCWORMOverwriteAttempted)
	case errors.Is(err, medium.ErrReadOnly):
		return scsi.WriteProtected()
	}
	d.counters.writeErrors.Add(1)
	d.alert(alert.WriteFailure)
	d.alert(alert.HardError)
	d.warn("writing failed", err)
	return scsi.NewSense(scsi.KeyMediumError, scsi.ASCWriteError)
}

// warn tells the log. Anybody may call it.
func (d *Drive) warn(what string, err error) {
	if d.cfg.Log != nil {
		d.cfg.Log.Warn("tape: "+what, "drive", d.cfg.Identity.Serial, "cartridge", d.look().label.Barcode, "error", err)
	}
}

// informed is err, if it is a sense, with what was asked for and not done.
func informed(err error, rest int64) error {
	if s := (scsi.Sense{}); errors.As(err, &s) {
		return s.WithInfo(uint64(rest))
	}
	return err
}
