package device

import (
	"slices"
	"sync"

	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/scsi/cdb"
	"github.com/lunette-io/lunette/scsi/page"
	"github.com/lunette-io/lunette/target"
)

// A ModePage is one mode page of a unit, the same for all initiators. No page is saved:
// a reset brings the default values back.
type ModePage struct {
	// Default and Changeable are whole pages.
	Default, Changeable []byte
	// Apply makes the unit behave as the page says from now on; nil for a page that
	// cannot change. It runs on a worker and may wait for storage. With an error MODE
	// SELECT fails. Reset does not wait and cannot fail: see Reverted.
	Apply func(now []byte) error
	// Reverted is called when a reset has brought the default values back.
	Reverted func(now []byte)

	current []byte
}

func (p *ModePage) code() byte { return p.Default[0] & 0x3f }

// modes are the pages of a unit in order of their codes. None has subpages.
type modes struct {
	pages []*ModePage

	changing sync.Mutex // one MODE SELECT at a time; held while a change waits
	mu       sync.Mutex // guards current of all pages; never held while waiting
}

func (m *modes) init(pages []*ModePage) {
	m.pages = pages
	for _, p := range pages {
		if len(p.Default) < 3 || len(p.Changeable) != len(p.Default) {
			panic("device: incomplete mode page")
		}
		p.current = slices.Clone(p.Default)
	}
	slices.SortFunc(pages, func(a, b *ModePage) int { return int(a.code()) - int(b.code()) })
}

func (m *modes) find(code byte) *ModePage {
	for _, p := range m.pages {
		if p.code() == code {
			return p
		}
	}
	return nil
}

func (m *modes) reset() {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, p := range m.pages {
		copy(p.current, p.Default)
		if p.Reverted != nil {
			p.Reverted(p.current)
		}
	}
}

// values are a copy of the current values of p.
func (m *modes) values(p *ModePage) []byte {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(p.current)
}

// data returns the pages that MODE SENSE asks for.
func (m *modes) data(c cdb.ModeSense) ([]byte, error) {
	if c.Control == cdb.PageSaved {
		return nil, scsi.IllegalRequest(scsi.ASCSavingParametersNotSupported)
	}
	if c.Subpage != 0 && c.Subpage != cdb.AllSubpages {
		return nil, scsi.InvalidFieldInCDB(3, -1)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	var data []byte
	for _, p := range m.pages {
		if c.Page != cdb.AllPages && c.Page != p.code() {
			continue
		}
		switch c.Control {
		case cdb.PageChangeable:
			data = append(data, p.Changeable...)
		case cdb.PageDefault:
			data = append(data, p.Default...)
		default:
			data = append(data, p.current...)
		}
	}
	if data == nil {
		return nil, scsi.InvalidFieldInCDB(2, 5)
	}
	return data, nil
}

// change sets the pages of a list, all or none, and reports whether any differs.
func (m *modes) change(list page.ModeList) (changed bool, err error) {
	m.changing.Lock()
	defer m.changing.Unlock()
	for sent := range list.Pages() {
		p := m.find(sent.Code)
		if p == nil || sent.Subpage != 0 {
			return false, scsi.InvalidFieldInParameterList(sent.Offset, 5)
		}
		if err := sent.CheckChangeable(m.values(p), p.Changeable); err != nil {
			return false, err
		}
	}
	for sent := range list.Pages() {
		p := m.find(sent.Code)
		next := slices.Clone(sent.Data)
		next[0] &= 0x3f
		if slices.Equal(next, m.values(p)) {
			continue
		}
		if err := p.Apply(next); err != nil {
			return changed, err
		}
		m.mu.Lock()
		copy(p.current, next)
		m.mu.Unlock()
		changed = true
	}
	return changed, nil
}

// modeSense is MODE SENSE(6) and (10) (SPC-5 6.13, 6.14).
func (s *Server) modeSense(t *target.Task) {
	c, err := cdb.ParseModeSense(t.CDB)
	if err != nil {
		s.FailWith(t, err)
		return
	}
	pages, err := s.modes.data(c)
	if err != nil {
		s.FailWith(t, err)
		return
	}
	var h page.ModeHeader
	if s.cfg.ModeParameter != nil {
		h.Device = s.cfg.ModeParameter()
	}
	var block []byte
	if s.cfg.Block != nil && !c.DBD {
		if b := s.cfg.Block(); c.LongLBA {
			block = b.AppendLong(nil)
		} else {
			block = b.Append(nil)
		}
	}
	var data []byte
	if c.Opcode == scsi.OpModeSense6 {
		data = page.AppendMode6(nil, h, block, pages)
	} else {
		data = page.AppendMode10(nil, h, c.LongLBA && block != nil, block, pages)
	}
	s.Reply(t, data, uint32(c.Allocation))
}

// modeSelect is MODE SELECT(6) and (10) (SPC-5 6.11, 6.12).
func (s *Server) modeSelect(t *target.Task) {
	c, err := cdb.ParseModeSelect(t.CDB)
	switch {
	case err != nil:
		s.FailWith(t, err)
	case c.Save:
		s.Fail(t, scsi.InvalidFieldInCDB(1, 0))
	case c.Revert:
		s.Fail(t, scsi.InvalidFieldInCDB(1, 1))
	case c.Length == 0:
		s.Good(t)
	case !c.PF:
		s.Fail(t, scsi.InvalidFieldInCDB(1, 4))
	default:
		s.ReceiveList(t, int64(c.Length), s.selected)
	}
}

func (s *Server) modeSelected(t *target.Task, err error) {
	if err != nil {
		s.Drop(t, err)
		return
	}
	s.workers.Run(t, s.selecting)
}

// selectModes is on a worker, since a change may have to wait for storage.
func (s *Server) selectModes(t *target.Task) {
	given := s.List(t)
	list, err := page.ParseModeSelect(given, scsi.Opcode(t.CDB[0]) == scsi.OpModeSelect10)
	if err == nil {
		err = s.checkBlock(list)
	}
	if err != nil {
		s.FailWith(t, err)
		return
	}
	changed, err := s.modes.change(list)
	if changed {
		s.Announce(scsi.ASCModeParametersChanged, t.ITL())
	}
	if err != nil {
		s.FailWith(t, err)
		return
	}
	s.Used(t, len(given))
}

// checkBlock refuses headers and block descriptors that would change something: the
// number of blocks may be 0 or all ones, which mean "as it is" (SBC-4 6.5.2).
func (s *Server) checkBlock(list page.ModeList) error {
	if list.Header.Medium != 0 {
		return scsi.InvalidFieldInParameterList(list.BlockOffset/8+1, -1)
	}
	if !list.HasBlock {
		return nil
	}
	if s.cfg.Block == nil {
		return scsi.InvalidFieldInParameterList(list.BlockOffset, -1)
	}
	now := s.cfg.Block()
	if b := list.Block; b.BlockSize != now.BlockSize ||
		(b.Blocks != 0 && b.Blocks != now.Blocks && b.Blocks != 0xffffffff && b.Blocks != 1<<64-1) {
		return scsi.InvalidFieldInParameterList(list.BlockOffset, -1)
	}
	return nil
}
