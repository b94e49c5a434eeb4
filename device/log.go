package device

import (
	"encoding/binary"

	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/scsi/cdb"
	"github.com/lunette-io/lunette/scsi/page"
	"github.com/lunette-io/lunette/target"
)

// A LogPage is one log page of a unit.
type LogPage struct {
	Code byte
	// Append appends the whole page, its parameters in order of their codes.
	Append func(dst []byte, u *target.Unit) []byte
}

// logSense is LOG SENSE (SPC-5 6.9): current cumulative values; there are no
// thresholds, and nothing is saved.
func (s *Server) logSense(t *target.Task) {
	c, err := cdb.ParseLogSense(t.CDB)
	switch {
	case err != nil:
		s.FailWith(t, err)
	case c.Save:
		s.Fail(t, scsi.InvalidFieldInCDB(1, 0))
	case c.Control != cdb.LogCumulative && c.Page != page.LogSupported:
		s.Fail(t, scsi.InvalidFieldInCDB(2, 7))
	case c.Page == page.LogSupported && c.Subpage == cdb.AllSubpages:
		s.Reply(t, page.AppendSupportedSublogs(nil, s.logCodes()...), uint32(c.Allocation))
	case c.Subpage != 0:
		s.Fail(t, scsi.InvalidFieldInCDB(3, -1))
	case c.Page == page.LogSupported:
		var codes []byte
		for _, l := range s.logCodes() {
			codes = append(codes, l.Page)
		}
		s.Reply(t, page.AppendSupportedLogs(nil, codes...), uint32(c.Allocation))
	default:
		s.logPage(t, c)
	}
}

func (s *Server) logCodes() []page.LogCode {
	codes := []page.LogCode{{Page: page.LogSupported}, {Page: page.LogSupported, Subpage: cdb.AllSubpages}}
	for _, l := range s.cfg.Logs {
		codes = append(codes, page.LogCode{Page: l.Code})
	}
	return codes
}

func (s *Server) logPage(t *target.Task, c cdb.LogSense) {
	for _, l := range s.cfg.Logs {
		if l.Code != c.Page {
			continue
		}
		data, ok := fromParameter(l.Append(nil, t.ITL().Unit()), c.Pointer)
		if !ok {
			s.Fail(t, scsi.InvalidFieldInCDB(5, -1))
			return
		}
		s.Reply(t, data, uint32(c.Allocation))
		return
	}
	s.Fail(t, scsi.InvalidFieldInCDB(2, 5))
}

// fromParameter leaves out the log parameters before the one that PARAMETER POINTER
// names; it reports false when none is left.
func fromParameter(p []byte, pointer uint16) ([]byte, bool) {
	if pointer == 0 {
		return p, true
	}
	for at := 4; at+4 <= len(p); at += 4 + int(p[at+3]) {
		if binary.BigEndian.Uint16(p[at:]) >= pointer {
			p = append(p[:4], p[at:]...)
			binary.BigEndian.PutUint16(p[2:], uint16(len(p)-4))
			return p, true
		}
	}
	return nil, false
}
