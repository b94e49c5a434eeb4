package passthrough

import (
	"github.com/lunette-io/lunette/initiator/sg"
	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/target"
)

// answered is called when the device has answered the command of t, which r is the rule of, before the initiator gets that.
func (p *policy) answered(t *target.Task, r *rule, a *answer) {
	p.heard(t.ITL(), a)
	if a.good() && r.after != nil {
		r.after(p, t)
	}
}

// heard takes a unit attention out of an answer to a command for x, nil: to one of lunette's own. x gets the answer as it is; all others are told.
func (p *policy) heard(x *target.ITL, a *answer) {
	if a.Err == nil && a.Host == sg.HostReset {
		p.met(scsi.ASCPowerOnResetOrBusDeviceReset, x) // x is told so by the line
	}
	if a.Executed() && a.Status == scsi.CheckCondition {
		p.sensed(x, a.sense)
	}
}

// sensed takes a unit attention out of sense data that x gets.
func (p *policy) sensed(x *target.ITL, data []byte) {
	if s, err := scsi.ParseSense(data); err == nil && s.Key == scsi.KeyUnitAttention && !s.Deferred {
		p.met(s.ASC, x)
	}
}

// tell establishes a unit attention of the device for all nexuses but x, which is told by the device; nil: for all. A device that was reset has forgotten what it had been
// told.
func (p *policy) tell(a scsi.ASC, x *target.ITL) {
	p.nexuses.Announce(a, x)
	if a.Code() == scsi.ASCPowerOnResetOrBusDeviceReset.Code() {
		p.prevention.forget()
	}
}

// met is tell for one that a command has met: what lunette has remembered of the device may not be so any more.
func (p *policy) met(a scsi.ASC, x *target.ITL) {
	p.tell(a, x)
	switch a.Code() {
	case 0x28, 0x29, 0x3f:
	case 0x2a: // of 2Ah, those that say something of what is remembered
		if a != scsi.ASCParametersChanged && a != scsi.ASCModeParametersChanged && a != scsi.ASCCapacityDataChanged {
			return
		}
	default:
		return
	}
	p.sized(0)
	p.line.forget(a)
}

// tells is what a command means to other initiators when it has ended well: unit attentions that the device would not establish for them, since it does not know them. What
// lunette has remembered of the device may be so no more.
func tells(all ...scsi.ASC) func(p *policy, t *target.Task) {
	return func(p *policy, t *target.Task) {
		for _, a := range all {
			p.met(a, t.ITL())
		}
	}
}

// changed is [tells] for commands with a parameter list: one of no bytes changes nothing.
func changed(all ...scsi.ASC) func(p *policy, t *target.Task) {
	told := tells(all...)
	return func(p *policy, t *target.Task) {
		if _, n, known := p.table.find(t.CDB).moves(t.CDB, p.facts()); !known || n != 0 {
			told(p, t)
		}
	}
}

// logSelected tells others of LOG SELECT (SPC-5 6.10), which may reset counters without a parameter list.
func (p *policy) logSelected(t *target.Task) {
	if c := t.CDB; c[1]&2 != 0 || c[2]&0x80 != 0 || bigEndian(c[7:9]) != 0 {
		p.met(scsi.ASCLogParametersChanged, t.ITL())
	}
}

// bufferWritten tells others of new microcode (SPC-5 6.49): the modes that save it for later do so when it is activated.
func (p *policy) bufferWritten(t *target.Task) {
	switch t.CDB[1] & 0x1f {
	case 0x04, 0x05, 0x06, 0x07, 0x0f:
		p.met(scsi.ASCMicrocodeChanged, t.ITL())
	}
}

// keysSet tells others that the parameters of a tape's encryption have changed (SSC-5 4.2.22): the device has one set of them for all of us.
func (p *policy) keysSet(t *target.Task) {
	if t.CDB[1] == 0x20 {
		p.met(scsi.ASCDataEncryptionParametersChanged, t.ITL())
	}
}

// loaded tells others that there may be another medium (SSC-5 7.6, MMC-6 6.x): of LOAD UNLOAD and LOAD/UNLOAD MEDIUM that load one.
func (p *policy) loaded(t *target.Task) {
	if t.CDB[4]&1 != 0 {
		p.met(scsi.ASCMediumMayHaveChanged, t.ITL())
	}
}

// started is the same for START STOP UNIT with LOEJ and START.
func (p *policy) started(t *target.Task) {
	if t.CDB[4]&0xf3 == 0x03 {
		p.met(scsi.ASCMediumMayHaveChanged, t.ITL())
	}
}
