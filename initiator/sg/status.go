package sg

import (
	"errors"
	"fmt"
)

// Errors of a [Device]. Others are the system's.
var (
	// ErrGone says that the device is not attached any more.
	ErrGone = errors.New("the device is gone")
	// ErrPrivilege says that this process may not: it lacks CAP_SYS_RAWIO, and for resets CAP_SYS_ADMIN as well.
	ErrPrivilege = errors.New("not permitted: it takes CAP_SYS_RAWIO, and a reset CAP_SYS_ADMIN as well")
)

// A HostStatus is what the adapter and the kernel say of a command (DID_… of Linux's include/scsi/scsi_status.h).
type HostStatus uint8

// Host statuses.
const (
	HostOK                 HostStatus = 0x00
	HostNoConnect          HostStatus = 0x01 // the device could not be reached
	HostBusBusy            HostStatus = 0x02
	HostTimeOut            HostStatus = 0x03
	HostBadTarget          HostStatus = 0x04
	HostAbort              HostStatus = 0x05
	HostParity             HostStatus = 0x06
	HostError              HostStatus = 0x07
	HostReset              HostStatus = 0x08
	HostBadInterrupt       HostStatus = 0x09
	HostPassthrough        HostStatus = 0x0a
	HostSoftError          HostStatus = 0x0b
	HostImmediateRetry     HostStatus = 0x0c
	HostRequeue            HostStatus = 0x0d
	HostTransportDisrupted HostStatus = 0x0e
	HostTransportFailfast  HostStatus = 0x0f
	HostTargetFailure      HostStatus = 0x10
	HostNexusFailure       HostStatus = 0x11
	HostAllocationFailure  HostStatus = 0x12
	HostMediumError        HostStatus = 0x13
	HostTransportMarginal  HostStatus = 0x14
)

// String is the kernel's name for h, in lower case and without DID_.
func (h HostStatus) String() string {
	names := [...]string{
		"ok", "no connect", "bus busy", "time out", "bad target", "abort", "parity", "error", "reset", "bad interrupt", "passthrough", "soft error",
		"immediate retry", "requeue", "transport disrupted", "transport failfast", "target failure", "nexus failure", "allocation failure", "medium error", "transport marginal",
	}
	if int(h) < len(names) {
		return names[h]
	}
	return fmt.Sprintf("host status %02xh", uint8(h))
}
