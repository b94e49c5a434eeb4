package disk

import "github.com/lunette-io/lunette/scsi"

// What of a disk changes while it is used, and cannot fail: whoever sees the disk is told.

// SetReadOnly refuses writes from now on, or takes them if the store does. Those that are under way are
// written. All are told of another write protection (SPC-5 MODE PARAMETERS CHANGED).
func (d *Disk) SetReadOnly(on bool) {
	if on = on || d.medium.info.ReadOnly; d.readOnly.Swap(on) != on {
		d.Announce(scsi.ASCModeParametersChanged, nil)
	}
}

// ReadOnly reports that writes are refused, whoever sends them.
func (d *Disk) ReadOnly() bool { return d.readOnly.Load() }

// SetRotation sets [Config].Rotation, and tells all of it (SPC-5 INQUIRY DATA HAS CHANGED).
func (d *Disk) SetRotation(rate uint16) {
	if d.rotation.Swap(uint32(rate)) != uint32(rate) {
		d.Announce(scsi.ASCInquiryDataChanged, nil)
	}
}

// SetWorkers sets [Config].Workers.
func (d *Disk) SetWorkers(n int) { d.Workers().SetLimit(workersFor(n, d.medium.info)) }
