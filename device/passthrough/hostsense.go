package passthrough

import (
	"errors"

	"golang.org/x/sys/unix"

	"github.com/lunette-io/lunette/initiator/sg"
	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/target"
)

// ascIUCRCError is INFORMATION UNIT iuCRC ERROR DETECTED: no device of lunette's own has a use for it.
const ascIUCRCError scsi.ASC = 0x4703

// A verdict is what an initiator gets for a command that the device has not answered.
type verdict struct {
	status scsi.Status
	sense  scsi.Sense // with CHECK CONDITION
}

func sense(s scsi.Sense) verdict { return verdict{scsi.CheckCondition, s} }

func busy() verdict { return verdict{status: scsi.Busy} }

func notReady() verdict { return sense(scsi.NotReady(scsi.ASCBecomingReady)) }

// verdictOn says what a host status means, h not being [sg.HostOK].
//
// BUSY lets the initiator send the command again, and is for what was certainly not executed. ABORTED COMMAND is for what may have been: it leaves to the
// initiator what it does, which for a tape is not to send it again.
func verdictOn(h sg.HostStatus) verdict {
	switch h {
	case sg.HostNoConnect, sg.HostBadTarget:
		return notReady() // adapters say the one or the other: the device is gone, or about to come back
	case sg.HostBusBusy, sg.HostImmediateRetry, sg.HostRequeue:
		return busy() // the bus was not free until the time-out, or the adapter gave the command back: it was not sent
	case sg.HostTimeOut:
		return sense(scsi.AbortedCommand(scsi.ASCCommandTimeoutDuringProcessing)) // no answer in time: the kernel has given it up
	case sg.HostAbort:
		return sense(scsi.AbortedCommand(scsi.ASCNoAdditionalSense)) // somebody on this host has aborted it
	case sg.HostParity:
		return sense(scsi.AbortedCommand(ascIUCRCError)) // its data was damaged on the way
	case sg.HostReset:
		return sense(scsi.UnitAttention(scsi.ASCPowerOnResetOrBusDeviceReset)) // a reset came between
	case sg.HostSoftError, sg.HostTransportDisrupted, sg.HostTransportFailfast, sg.HostTransportMarginal:
		return sense(scsi.AbortedCommand(scsi.ASCDataPhaseError)) // the way to the device was lost while it had the command, or before
	case sg.HostError:
		// An "internal error" of the adapter or the kernel, overruns too; and what Linux says of commands to a device that is just being taken away.
		return sense(scsi.AbortedCommand(scsi.ASCInternalTargetFailure))
	case sg.HostNexusFailure:
		return verdict{status: scsi.ReservationConflict} // another host has the device reserved
	case sg.HostAllocationFailure:
		return sense(scsi.SpaceAllocationFailed()) // no room on the medium
	case sg.HostMediumError:
		return sense(scsi.NewSense(scsi.KeyMediumError, scsi.ASCUnrecoveredReadError)) // what the kernel makes of sense data of that kind
	}
	// HostBadInterrupt, HostPassthrough, HostTargetFailure, and what nobody knows: the command may
	// have been executed or not, and nothing is known of why.
	return sense(scsi.InternalTargetFailure())
}

// hostVerdict is what the initiator gets for r, with which the device has not answered: never GOOD.
func hostVerdict(r *sg.Result) verdict {
	switch err := r.Err; {
	case err == nil:
		return verdictOn(r.Host)
	case goneBy(r) != nil:
		return notReady()
	case errors.Is(err, sg.ErrPrivilege):
		return sense(scsi.IllegalRequest(scsi.ASCAccessDeniedNoRights)) // this host's kernel does not let us
	case errors.Is(err, unix.EDOM), errors.Is(err, unix.ENOMEM), errors.Is(err, unix.EAGAIN), errors.Is(err, unix.EBUSY), errors.Is(err, unix.EINTR):
		return busy() // the kernel has no room for one more (EDOM is that of sg): not sent
	case errors.Is(err, unix.EINVAL), errors.Is(err, unix.EMSGSIZE), errors.Is(err, unix.E2BIG), errors.Is(err, unix.EOPNOTSUPP):
		return sense(scsi.InvalidFieldInCDB(0, -1)) // too long, for the kernel or its queue: not sent
	}
	return sense(scsi.InternalTargetFailure())
}

// goneBy says why the device is gone, if r means that; else it is nil.
func goneBy(r *sg.Result) error {
	switch err := r.Err; {
	case err != nil:
		for _, gone := range []error{sg.ErrGone, unix.ENODEV, unix.ENXIO, unix.ESHUTDOWN} {
			if errors.Is(err, gone) {
				return err
			}
		}
	case r.Host == sg.HostNoConnect, r.Host == sg.HostBadTarget:
		return errHost{r.Host}
	}
	return nil
}

// An errHost is what the host has said, as an error.
type errHost struct{ sg.HostStatus }

func (e errHost) Error() string { return "the host says: " + e.String() }

// fail ends t with what the host has said in the device's place, or with the sense of a device that is gone.
func (p *path) fail(t *target.Task, r *sg.Result) {
	v := hostVerdict(r)
	if r.Err == nil && r.Host == sg.HostAbort && length(t.CDB) > 16 {
		v = sense(scsi.InvalidOpcode()) // Linux says that of CDBs that are too long for the adapter, and has not sent it
	}
	if v.status == scsi.CheckCondition {
		p.policy.fail(t, v.sense)
		return
	}
	t.Respond(target.Response{Status: v.status})
}
