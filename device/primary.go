package device

import (
	"slices"

	"github.com/lunette-io/lunette/device/nexus"
	"github.com/lunette-io/lunette/device/reserve"
	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/scsi/cdb"
	"github.com/lunette-io/lunette/scsi/page"
	"github.com/lunette-io/lunette/target"
)

// primary are the commands of SPC-5 that every device type has.
//
// Commands that change something else than the medium are ordered as those that read it: an
// atomic command neither waits for them nor holds them up.
func (s *Server) primary() []Command {
	rows := []Command{
		{Op: scsi.OpTestUnitReady, Access: reserve.Probing, Medium: true, Run: s.Good},
		{Op: scsi.OpInquiry, Access: reserve.Unfenced, Attention: true, Run: s.inquiry},
		{Op: scsi.OpReportLUNs, Access: reserve.Unfenced, Attention: true, Run: s.reportLUNs},
		{Op: scsi.OpRequestSense, Access: reserve.Unfenced, Attention: true, Run: s.requestSense},
		{Op: scsi.OpModeSense6, Access: reserve.Parameters, Run: s.modeSense},
		{Op: scsi.OpModeSense10, Access: reserve.Parameters, Run: s.modeSense},
		{Op: scsi.OpModeSelect6, Access: reserve.Writing, Order: target.Reads, Run: s.modeSelect},
		{Op: scsi.OpModeSelect10, Access: reserve.Writing, Order: target.Reads, Run: s.modeSelect},
		{Op: scsi.OpLogSense, Access: reserve.Probing, Run: s.logSense},
		{Op: scsi.OpSendDiagnostic, Access: reserve.Writing, Order: target.Reads, Run: s.sendDiagnostic},
		{Op: scsi.OpReserve6, Access: reserve.Unfenced, Order: target.Reads, Run: s.reserving.Reserve},
		{Op: scsi.OpReserve10, Access: reserve.Unfenced, Order: target.Reads, Run: s.reserving.Reserve},
		{Op: scsi.OpRelease6, Access: reserve.Unfenced, Order: target.Reads, Run: s.reserving.Release},
		{Op: scsi.OpRelease10, Access: reserve.Unfenced, Order: target.Reads, Run: s.reserving.Release},
	}
	for a := scsi.ActionReadKeys; a <= scsi.ActionReadFullStatus; a++ {
		rows = append(rows, Command{Op: scsi.OpPersistentReserveIn, Action: a, Access: reserve.Unfenced, Run: s.reserving.PersistentIn})
	}
	for a := scsi.ActionRegister; a <= scsi.ActionRegisterAndMove; a++ {
		rows = append(rows, Command{Op: scsi.OpPersistentReserveOut, Action: a, Access: reserve.Probing, Order: target.Reads, Run: s.reserving.PersistentOut})
	}
	if s.logsChange() {
		rows = append(rows, Command{Op: scsi.OpLogSelect, Access: reserve.Writing, Order: target.Reads, Run: s.logSelect})
	}
	rows = append(rows,
		Command{Op: scsi.OpMaintenanceIn, Action: scsi.ActionReportSupportedOperationCodes, Access: reserve.Parameters,
			Run: s.reportOpcodes},
		Command{Op: scsi.OpMaintenanceIn, Action: scsi.ActionReportSupportedTaskManagement, Access: reserve.Parameters,
			Run: s.reportTaskManagement})
	return slices.DeleteFunc(rows, func(c Command) bool { return slices.Contains(s.cfg.Omit, c.Op) })
}

// withTimeouts are rows, those that say nothing of how long their command takes with what the device
// type says of it.
func (s *Server) withTimeouts(rows []Command) []Command {
	if s.cfg.Timeouts == nil {
		return rows
	}
	for i := range rows {
		if c := &rows[i]; c.Timeouts == (page.Timeouts{}) {
			c.Timeouts = s.cfg.Timeouts(c.Op, c.Action)
		}
	}
	return rows
}

// reportLUNs is REPORT LUNS (SPC-5 6.33). It ends REPORTED LUNS DATA HAS CHANGED for
// all units that the nexus has (LUICLR).
func (s *Server) reportLUNs(t *target.Task) {
	c, err := cdb.ParseReportLUNs(t.CDB)
	if err != nil {
		s.FailWith(t, err)
		return
	}
	if c.Select > cdb.SelectAll {
		s.Fail(t, scsi.InvalidFieldInCDB(2, -1))
		return
	}
	nexus.ReportsLUNs(t.Nexus())
	s.Reply(t, t.Nexus().AppendLUNs(nil, c.Select), c.Allocation)
}

// requestSense is REQUEST SENSE (SPC-5 6.39): a pending unit attention is its data,
// and is then reported. There is no other sense data: it went with the status.
func (s *Server) requestSense(t *target.Task) {
	c, err := cdb.ParseRequestSense(t.CDB)
	if err != nil {
		s.FailWith(t, err)
		return
	}
	var sense scsi.Sense
	if a, ok := nexus.Of(t.ITL()).Take(); ok {
		sense = scsi.UnitAttention(a)
	} else if s.cfg.Ready != nil {
		if why, ok := s.cfg.Ready(t.ITL()); !ok {
			sense = why
		}
	}
	var data []byte
	if c.Descriptor {
		data = sense.AppendDescriptor(nil)
	} else {
		data = sense.AppendFixed(nil)
	}
	s.Reply(t, data, uint32(c.Allocation))
}

// sendDiagnostic is SEND DIAGNOSTIC (SPC-5 6.42): the default self-test, no pages.
func (s *Server) sendDiagnostic(t *target.Task) {
	c, err := cdb.ParseSendDiagnostic(t.CDB)
	switch {
	case err != nil:
		s.FailWith(t, err)
	case c.Code != 0:
		s.Fail(t, scsi.InvalidFieldInCDB(1, 7))
	case c.Length != 0:
		s.Fail(t, scsi.InvalidFieldInCDB(3, -1))
	case !c.SelfTest || s.cfg.SelfTest == nil:
		s.Good(t)
	default:
		s.workers.Run(t, s.testing)
	}
}

func (s *Server) selfTest(t *target.Task) {
	if err := s.cfg.SelfTest(); err != nil {
		s.FailWith(t, err)
		return
	}
	s.Good(t)
}

// reportTaskManagement is REPORT SUPPORTED TASK MANAGEMENT FUNCTIONS (SPC-5 6.36).
func (s *Server) reportTaskManagement(t *target.Task) {
	c, err := cdb.ParseReportTaskManagement(t.CDB)
	if err != nil {
		s.FailWith(t, err)
		return
	}
	m := page.TaskManagement{
		AbortTask: true, AbortTaskSet: true, ClearTaskSet: true, UnitReset: true, TargetReset: true, NexusReset: true,
		QueryTask: true, QueryTaskSet: true,
	}
	s.Reply(t, m.Append(nil, c.Extended), c.Allocation)
}

// reportOpcodes is REPORT SUPPORTED OPERATION CODES (SPC-5 6.35), from the table that
// commands are run from.
func (s *Server) reportOpcodes(t *target.Task) {
	c, err := cdb.ParseReportOpcodes(t.CDB)
	if err != nil {
		s.FailWith(t, err)
		return
	}
	if c.Options == cdb.ReportAll {
		all := make([]page.Command, 0, len(s.table.all))
		for _, r := range s.table.all {
			all = append(all, page.Command{Opcode: r.Op, Action: r.Action, Length: uint16(len(r.Usage)), Timeouts: r.Timeouts})
		}
		s.Reply(t, page.AppendCommands(nil, c.Timeouts, all...), c.Allocation)
		return
	}
	row := s.table.row(c.Opcode)
	actions := c.Opcode.HasServiceActions()
	switch {
	case c.Options > cdb.ReportEither,
		c.Options == cdb.ReportOpcode && actions,
		c.Options == cdb.ReportAction && !actions && row.one != nil:
		s.Fail(t, scsi.InvalidFieldInCDB(2, 2))
		return
	}
	found := row.one
	for _, r := range row.many {
		if r.Action == c.Action {
			found = r
		}
	}
	if found == nil {
		support := page.SupportNone
		if s.table.rest != nil {
			support = page.SupportUnknown // whoever gets the command knows
		}
		s.Reply(t, page.AppendNoCommand(nil, support), c.Allocation)
		return
	}
	var timeouts *page.Timeouts
	if c.Timeouts {
		timeouts = &found.Timeouts
	}
	s.Reply(t, page.AppendCommand(nil, page.SupportStandard, string(found.Usage), timeouts), c.Allocation)
}
