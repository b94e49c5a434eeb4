package tape

import (
	"context"
	"errors"

	"github.com/lunette-io/lunette/device/tape/medium"
	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/target"
)

// Errors of Unload and Load.
var (
	ErrPrevented = errors.New("an initiator prevents the removal of the medium")
	ErrFull      = errors.New("there is a cartridge in the drive")
)

// A cartridge is what is in the drive. Who has the turn owns it.
type cartridge struct {
	tape medium.Tape // nil: empty
}

// Load takes t, and tells initiators that the medium may have changed. One that the drive cannot use is loaded too: the drive
// then says why it cannot be used. After an error t is still the caller's.
func (d *Drive) Load(ctx context.Context, t medium.Tape) error { return errors.ErrUnsupported }

// Unload gives the cartridge back, synchronized but not closed; nil: there is none. It waits for its turn. ErrPrevented: an
// initiator prevents it, and force is not set. After another error the cartridge stays, unless force is set: then it is returned
// with the error. The caller closes it, or brings it back with Release.
func (d *Drive) Unload(ctx context.Context, force bool) (medium.Tape, error) {
	return nil, errors.ErrUnsupported
}

// Release undoes Unload: t is in the drive again, and nobody is told.
func (d *Drive) Release(t medium.Tape) {}

// Status says what the drive has and does, at any time, without waiting for its turn.
func (d *Drive) Status() Status { return Status{} }

func (d *Drive) closeMedium() error { return nil }

// ready says why commands of x for the medium cannot run.
func (d *Drive) ready(*target.ITL) (scsi.Sense, bool) { return scsi.Sense{}, true }

// reset returns the drive to what it is after power on. The medium stays where it is.
func (d *Drive) reset() {}
