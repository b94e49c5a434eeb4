package passthrough

import (
	"encoding/binary"

	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/scsi/cdb"
	"github.com/lunette-io/lunette/scsi/page"
)

// A supportedCommand is one that a device says it has (SPC-5 6.35.2).
type supportedCommand struct {
	op       scsi.Opcode
	action   scsi.ServiceAction // if it has one
	actions  bool               // it has one
	timeouts page.Timeouts      // zeros: not told
	raw      []byte             // the whole descriptor
}

// supported calls f with the commands of REPORT SUPPORTED OPERATION CODES data for all commands, as far as they are whole, until it returns false.
func supported(b []byte, f func(c supportedCommand) bool) {
	if len(b) < 4 {
		return
	}
	b, n := b[4:], int64(binary.BigEndian.Uint32(b))
	for b = b[:min(int64(len(b)), n)]; len(b) >= commandLen; {
		c := supportedCommand{op: scsi.Opcode(b[0]), action: scsi.ServiceAction(binary.BigEndian.Uint16(b[2:])), actions: b[5]&1 != 0}
		size := commandLen
		if b[5]&2 != 0 { // CTDP
			size += timeoutsLen
		}
		if len(b) < size {
			return
		}
		if size > commandLen {
			c.timeouts = page.Timeouts{Specific: b[11], Nominal: binary.BigEndian.Uint32(b[12:]), Recommended: binary.BigEndian.Uint32(b[16:])}
		}
		if c.raw, b = b[:size:size], b[size:]; !f(c) {
			return
		}
	}
}

// ownCommands are the commands that lunette has whether the device has them or not. With Exclusive the device's reservations are the device's.
func (p *policy) ownCommands() []page.Command {
	all := []page.Command{{Opcode: scsi.OpReportLUNs, Length: 12}, {Opcode: scsi.OpRequestSense, Length: 6},
		{Opcode: scsi.OpMaintenanceIn, Action: scsi.ActionReportSupportedTaskManagement, Length: 12}}
	if p.cfg.Exclusive {
		return all
	}
	all = append(all, page.Command{Opcode: scsi.OpReserve6, Length: 6}, page.Command{Opcode: scsi.OpReserve10, Length: 10},
		page.Command{Opcode: scsi.OpRelease6, Length: 6}, page.Command{Opcode: scsi.OpRelease10, Length: 10})
	for a := scsi.ActionReadKeys; a <= scsi.ActionReadFullStatus; a++ {
		all = append(all, page.Command{Opcode: scsi.OpPersistentReserveIn, Action: a, Length: 10})
	}
	for a := scsi.ActionRegister; a <= scsi.ActionRegisterAndMove; a++ {
		all = append(all, page.Command{Opcode: scsi.OpPersistentReserveOut, Action: a, Length: 10})
	}
	return all
}

// editCommands is the device's data for all commands without what is refused, and with what is ours.
func (p *policy) editCommands(b []byte, timeouts bool) []byte {
	own := p.ownCommands()
	isOwn := func(op scsi.Opcode) bool {
		for _, o := range own {
			if o.Opcode == op && op != scsi.OpMaintenanceIn {
				return true
			}
		}
		return false
	}
	data := []byte{0, 0, 0, 0}
	supported(b, func(c supportedCommand) bool {
		action := c.action
		if !c.actions {
			action = 0
		}
		switch {
		case isOwn(c.op), c.op == scsi.OpMaintenanceIn && action == scsi.ActionReportSupportedTaskManagement:
		case p.permitted(p.table.findAction(c.op, action)):
			data = append(data, c.raw...)
		}
		return true
	})
	data = append(data, page.AppendCommands(nil, timeouts, own...)[4:]...)
	binary.BigEndian.PutUint32(data, uint32(len(data)-4))
	return data
}

// commandData is the data for one command, if it is not the device that says it.
func (p *policy) commandData(c cdb.ReportOpcodes) (data []byte, known bool) {
	actions := hasActions(c.Opcode)
	if c.Options > cdb.ReportEither || c.Options == cdb.ReportOpcode && actions || c.Options == cdb.ReportAction && !actions {
		return nil, false // the device says what is wrong with it
	}
	action := c.Action
	if !actions {
		action = 0
	}
	if !p.permitted(p.table.findAction(c.Opcode, action)) {
		return page.AppendNoCommand(nil, page.SupportNone), true
	}
	for _, o := range p.ownCommands() {
		if o.Opcode != c.Opcode {
			continue
		}
		if o.Action == action {
			var t *page.Timeouts
			if c.Timeouts {
				t = &page.Timeouts{}
			}
			return page.AppendCommand(nil, page.SupportStandard, string(cdb.UsageOf(o.Opcode, o.Action)), t), true
		}
		if o.Opcode != scsi.OpMaintenanceIn {
			data, known = page.AppendNoCommand(nil, page.SupportNone), true // another service action of ours
		}
	}
	return data, known
}
