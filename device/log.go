package device

import (
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/scsi/cdb"
	"github.com/lunette-io/lunette/scsi/page"
	"github.com/lunette-io/lunette/target"
)

// A LogPage is one log page, or subpage, of a unit.
type LogPage struct {
	Code, Subpage byte
	// Append appends the whole page, its parameters in order of their codes.
	Append func(dst []byte, u *target.Unit) []byte
	// Show is there in place of Append for a page that is not the same for all initiators, or of which something ends
	// when it is read: it appends the whole page as the initiator of x sees it. What ends is in the parameters with codes
	// from first on that lie, with the page header and all of these before them, in the first room bytes.
	Show func(dst []byte, x *target.ITL, first uint16, room int) []byte
	// Thresholds: LOG SENSE may ask for threshold values too (PC=00b), and gets the current ones, for initiators that ask so.
	Thresholds bool
	// Reset sets the counters of the page to what they are after power on; nil for a page
	// without counters, or whose counters cannot be reset.
	Reset func()
	// MaySet reports that LOG SELECT may give a parameter a value, and Set does it; both are
	// nil for a page whose parameters cannot be set. value is borrowed.
	MaySet func(parameter uint16, value []byte) bool
	Set    func(parameter uint16, value []byte)
}

// sortedLogs are the pages in order of their codes and subpages.
func sortedLogs(pages []LogPage) ([]LogPage, error) {
	all := slices.Clone(pages)
	key := func(l LogPage) int { return int(l.Code)<<8 | int(l.Subpage) }
	slices.SortFunc(all, func(a, b LogPage) int { return key(a) - key(b) })
	for i, l := range all {
		if (l.Append == nil) == (l.Show == nil) || l.Code == page.LogSupported || l.Code >= cdb.AllPages || l.Subpage == cdb.AllSubpages ||
			(l.Set == nil) != (l.MaySet == nil) || i > 0 && key(l) == key(all[i-1]) {
			return nil, fmt.Errorf("log page %02x/%02x is incomplete, or there twice", l.Code, l.Subpage)
		}
	}
	return all, nil
}

// logsChange reports that LOG SELECT could change something.
func (s *Server) logsChange() bool {
	return slices.ContainsFunc(s.logs, func(l LogPage) bool { return l.Reset != nil || l.Set != nil })
}

// findLog returns a log page; nil if there is none. known says that the page has subpages, at
// least, that are not the one that is asked for.
func (s *Server) findLog(code, subpage byte) (found *LogPage, known bool) {
	for i := range s.logs {
		if l := &s.logs[i]; l.Code == code {
			if known = true; l.Subpage == subpage {
				return l, true
			}
		}
	}
	return nil, known
}

// logSense is LOG SENSE (SPC-5 6.9): current cumulative values; there are no
// thresholds, and nothing is saved.
func (s *Server) logSense(t *target.Task) {
	c, err := cdb.ParseLogSense(t.CDB)
	switch {
	case err != nil:
		s.FailWith(t, err)
		return
	case c.Save:
		s.Fail(t, scsi.InvalidFieldInCDB(1, 0))
		return
	case c.Control != cdb.LogCumulative && c.Page != page.LogSupported && !s.thresholds(c):
		s.Fail(t, scsi.InvalidFieldInCDB(2, 7))
		return
	}
	data, err := s.logData(t, c)
	if err != nil {
		s.FailWith(t, err)
		return
	}
	s.Reply(t, data, uint32(c.Allocation))
}

// thresholds reports a page of which LOG SENSE may ask for the threshold values.
func (s *Server) thresholds(c cdb.LogSense) bool {
	l, _ := s.findLog(c.Page, c.Subpage)
	return c.Control == cdb.LogThreshold && l != nil && l.Thresholds
}

// logData is the page that LOG SENSE asks for.
func (s *Server) logData(t *target.Task, c cdb.LogSense) ([]byte, error) {
	switch {
	case c.Page == page.LogSupported && c.Subpage == 0:
		codes := []byte{page.LogSupported}
		for _, l := range s.logs {
			codes = append(codes, l.Code)
		}
		return page.AppendSupportedLogs(nil, codes...), nil
	case c.Page == page.LogSupported && c.Subpage == cdb.AllSubpages:
		return page.AppendSupportedSublogs(nil, s.logCodes()...), nil
	case c.Subpage == cdb.AllSubpages && s.hasSubpages(c.Page):
		return page.AppendSupportedSubpages(nil, c.Page, s.subpages(c.Page)...), nil
	}
	l, known := s.findLog(c.Page, c.Subpage)
	switch {
	case l == nil && (known || c.Page == page.LogSupported):
		return nil, scsi.InvalidFieldInCDB(3, -1)
	case l == nil:
		return nil, scsi.InvalidFieldInCDB(2, 5)
	}
	var whole []byte
	if l.Show != nil {
		whole = l.Show(nil, t.ITL(), c.Pointer, int(c.Allocation))
	} else {
		whole = l.Append(nil, t.ITL().Unit())
	}
	data, ok := fromParameter(whole, c.Pointer)
	if !ok {
		return nil, scsi.InvalidFieldInCDB(5, -1)
	}
	return data, nil
}

// logCodes are all pages and subpages in order, those that list the others among them.
func (s *Server) logCodes() []page.LogCode {
	codes := []page.LogCode{{Page: page.LogSupported}, {Page: page.LogSupported, Subpage: cdb.AllSubpages}}
	for i, l := range s.logs {
		codes = append(codes, page.LogCode{Page: l.Code, Subpage: l.Subpage})
		if last := i == len(s.logs)-1 || s.logs[i+1].Code != l.Code; last && s.hasSubpages(l.Code) {
			codes = append(codes, page.LogCode{Page: l.Code, Subpage: cdb.AllSubpages})
		}
	}
	return codes
}

// hasSubpages reports a page that has others than subpage 0; these have a list of their own.
func (s *Server) hasSubpages(code byte) bool {
	return slices.ContainsFunc(s.logs, func(l LogPage) bool { return l.Code == code && l.Subpage != 0 })
}

// subpages are those of one page, the list of them included.
func (s *Server) subpages(code byte) (all []byte) {
	for _, c := range s.logCodes() {
		if c.Page == code {
			all = append(all, c.Subpage)
		}
	}
	return all
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
