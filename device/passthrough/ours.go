package passthrough

import (
	"github.com/lunette-io/lunette/device"
	"github.com/lunette-io/lunette/device/nexus"
	"github.com/lunette-io/lunette/initiator/sg"
	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/scsi/cdb"
	"github.com/lunette-io/lunette/scsi/page"
	"github.com/lunette-io/lunette/target"
)

// checked is a command of reservations for who has checked nothing yet.
func checked(run func(*device.Reserving, *target.Task)) func(p *policy, t *target.Task, r *rule) {
	return func(p *policy, t *target.Task, _ *rule) {
		if err := check(t.CDB); err != nil {
			p.failWith(t, err)
			return
		}
		run(&p.reserving, t)
	}
}

// reportLUNs is REPORT LUNS (SPC-5 6.33). It ends REPORTED LUNS DATA HAS CHANGED for all units that the nexus has (LUICLR).
func (p *policy) reportLUNs(t *target.Task, _ *rule) {
	c, err := cdb.ParseReportLUNs(t.CDB)
	switch {
	case err != nil:
		p.failWith(t, err)
	case c.Select > cdb.SelectAll:
		p.fail(t, scsi.InvalidFieldInCDB(2, -1))
	default:
		nexus.ReportsLUNs(t.Nexus())
		p.reply(t, t.Nexus().AppendLUNs(nil, c.Select), c.Allocation)
	}
}

// requestSense is REQUEST SENSE (SPC-5 6.39): a unit attention that is pending here is its data, and is then reported; else the device is asked,
// whose own unit attentions end with that.
func (p *policy) requestSense(t *target.Task, _ *rule) {
	c, err := cdb.ParseRequestSense(t.CDB)
	if err != nil {
		p.failWith(t, err)
		return
	}
	a, ok := nexus.Of(t.ITL()).Take()
	switch {
	case !ok && p.cfg.Exclusive && p.place.closed(nexus.Of(t.ITL())):
		p.reply(t, senseData(scsi.Sense{}, c.Descriptor), uint32(c.Allocation)) // the sense of the device is not for who may not have it
	case !ok:
		ask := t.CDB
		if c.Allocation < scsi.FixedSenseLen { // what it is about would be cut off
			ask = cdb.RequestSense{Descriptor: c.Descriptor, Allocation: sg.MaxSense}.Append(nil)
		}
		p.ask(t, ask, int(max(c.Allocation, sg.MaxSense)), func(data []byte) {
			p.sensed(t.ITL(), data)
			p.reply(t, data, uint32(c.Allocation))
		})
	default:
		p.reply(t, senseData(scsi.UnitAttention(a), c.Descriptor), uint32(c.Allocation))
	}
}

// senseData is s in one of the two formats.
func senseData(s scsi.Sense, descriptor bool) []byte {
	if descriptor {
		return s.AppendDescriptor(nil)
	}
	return s.AppendFixed(nil)
}

// reportTaskManagement is REPORT SUPPORTED TASK MANAGEMENT FUNCTIONS (SPC-5 6.36): they are the target's.
func (p *policy) reportTaskManagement(t *target.Task, _ *rule) {
	c, err := cdb.ParseReportTaskManagement(t.CDB)
	if err == nil {
		err = check(t.CDB)
	}
	if err != nil {
		p.failWith(t, err)
		return
	}
	m := page.TaskManagement{
		AbortTask: true, AbortTaskSet: true, ClearTaskSet: true, UnitReset: true, TargetReset: true, NexusReset: true,
		QueryTask: true, QueryTaskSet: true,
	}
	p.reply(t, m.Append(nil, c.Extended), c.Allocation)
}
