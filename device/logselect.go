package device

import (
	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/scsi/cdb"
	"github.com/lunette-io/lunette/scsi/page"
	"github.com/lunette-io/lunette/target"
)

// logSelect is LOG SELECT (SPC-5 6.8). Nothing is saved, and there are no thresholds.
func (s *Server) logSelect(t *target.Task) {
	c, err := cdb.ParseLogSelect(t.CDB)
	thresholds := c.Control == cdb.LogThreshold || c.Control == cdb.LogDefaultThreshold
	switch {
	case err != nil:
		s.FailWith(t, err)
	case c.Save:
		s.Fail(t, scsi.InvalidFieldInCDB(1, 0))
	case c.Length == 0 && (c.Reset || c.Control == cdb.LogDefaultCumulative):
		s.resetLogs(t, c)
	case thresholds || c.Control == cdb.LogDefaultCumulative:
		s.Fail(t, scsi.InvalidFieldInCDB(2, 7))
	case c.Length == 0:
		s.Good(t)
	case c.Reset:
		s.Fail(t, scsi.InvalidFieldInCDB(1, 1))
	case c.Page != 0:
		s.Fail(t, scsi.InvalidFieldInCDB(2, 5)) // the list says which page
	case c.Subpage != 0:
		s.Fail(t, scsi.InvalidFieldInCDB(3, -1))
	default:
		s.ReceiveList(t, int64(c.Length), s.receivedLogSelect)
	}
}

// resetLogs resets the counters of the pages that the CDB names: page 00h is all of them,
// subpage FFh all subpages. A page that is named must have counters.
func (s *Server) resetLogs(t *target.Task, c cdb.LogSelect) {
	all := c.Page == page.LogSupported && (c.Subpage == 0 || c.Subpage == cdb.AllSubpages)
	var hit []*LogPage
	known, named := all, all
	for i := range s.logs {
		l := &s.logs[i]
		if !all && l.Code != c.Page {
			continue
		}
		known = true
		if !all && c.Subpage != cdb.AllSubpages && c.Subpage != l.Subpage {
			continue
		}
		named = true
		if l.Reset != nil {
			hit = append(hit, l)
		}
	}
	switch {
	case known && !named:
		s.Fail(t, scsi.InvalidFieldInCDB(3, -1))
		return
	case len(hit) == 0:
		s.Fail(t, scsi.InvalidFieldInCDB(2, 5))
		return
	}
	for _, l := range hit {
		l.Reset()
	}
	s.Announce(scsi.ASCLogParametersChanged, t.ITL())
	s.Good(t)
}

// receivedLogSelect sets the parameters of a list: all, or none if one of them is wrong.
func (s *Server) receivedLogSelect(t *target.Task, given []byte) {
	list, err := page.ParseLogSelect(given)
	if err != nil {
		s.FailWith(t, err)
		return
	}
	set := false
	for p := range list.Pages() {
		if err := s.checkLogs(p); err != nil {
			s.FailWith(t, err)
			return
		}
	}
	for p := range list.Pages() {
		l, _ := s.findLog(p.Code, p.Subpage)
		for q := range p.Parameters() {
			l.Set(q.Code, q.Value)
			set = true
		}
	}
	if set {
		s.Announce(scsi.ASCLogParametersChanged, t.ITL())
	}
	s.Used(t, len(given))
}

// logFormat are the bits of a parameter's control byte that say how its value is to be read.
// The others ask for thresholds and for saving, of which there are none (SPC-5 7.3.2.2).
const logFormat = 0x03

// checkLogs refuses a page, or a parameter of it, that LOG SELECT must not set.
func (s *Server) checkLogs(p page.LogListPage) error {
	l, known := s.findLog(p.Code, p.Subpage)
	switch {
	case l == nil && known:
		return scsi.InvalidFieldInParameterList(p.Offset+1, -1)
	case l == nil || l.Set == nil:
		return scsi.InvalidFieldInParameterList(p.Offset, 5)
	}
	for q := range p.Parameters() {
		if q.Control&^logFormat != 0 {
			return scsi.InvalidFieldInParameterList(q.Offset+2, -1)
		}
		if !l.MaySet(q.Code, q.Value) {
			return scsi.InvalidFieldInParameterList(q.Offset, -1)
		}
	}
	return nil
}
