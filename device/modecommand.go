package device

import (
	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/scsi/cdb"
	"github.com/lunette-io/lunette/scsi/page"
	"github.com/lunette-io/lunette/target"
)

// modeSense is MODE SENSE(6) and (10) (SPC-5 6.13, 6.14).
func (s *Server) modeSense(t *target.Task) {
	c, err := cdb.ParseModeSense(t.CDB)
	if err != nil {
		s.FailWith(t, err)
		return
	}
	var pages []byte
	if bare := s.cfg.BareMode && c.Page == 0 && c.Subpage == 0; !bare {
		if pages, err = s.modes.data(c, t.ITL()); err != nil {
			s.FailWith(t, err)
			return
		}
	}
	var h page.ModeHeader
	if s.cfg.ModeParameter != nil {
		if h.Device = s.cfg.ModeParameter(t.ITL()); t.ITL().ReadOnly() {
			h.Device |= page.ModeWriteProtected
		}
	}
	if s.cfg.MediumType != nil {
		h.Medium = s.cfg.MediumType()
	}
	long := c.LongLBA && !s.cfg.ShortBlock
	var block []byte
	if s.cfg.Block != nil && !c.DBD {
		if b := s.cfg.Block(); long {
			block = b.AppendLong(nil)
		} else {
			block = b.Append(nil)
		}
	}
	var data []byte
	if c.Opcode == scsi.OpModeSense6 {
		data = page.AppendMode6(nil, h, block, pages)
	} else {
		data = page.AppendMode10(nil, h, long && block != nil, block, pages)
	}
	s.Reply(t, data, uint32(c.Allocation))
}

// modeSelect is MODE SELECT(6) and (10) (SPC-5 6.11, 6.12).
func (s *Server) modeSelect(t *target.Task) {
	c, err := cdb.ParseModeSelect(t.CDB)
	switch {
	case err != nil:
		s.FailWith(t, err)
	case c.Save && s.modes.keeper == nil:
		s.Fail(t, scsi.InvalidFieldInCDB(1, 0))
	case c.Revert:
		s.Fail(t, scsi.InvalidFieldInCDB(1, 1))
	case c.Length == 0 && c.Save:
		s.workers.Run(t, s.modeSaving)
	case c.Length == 0:
		s.Good(t)
	case !c.PF && s.cfg.SetModeParameter == nil:
		s.Fail(t, scsi.InvalidFieldInCDB(1, 4))
	default:
		s.ReceiveList(t, int64(c.Length), s.receivedModeSelect)
	}
}

func (s *Server) receivedModeSelect(t *target.Task, list []byte) {
	t.Work.Any = list
	s.workers.Run(t, s.modeSelecting)
}

// selectModes is on a worker, since a change may have to wait for storage.
func (s *Server) selectModes(t *target.Task) {
	given, _ := t.Work.Any.([]byte)
	t.Work.Any = nil
	list, err := page.ParseModeSelect(given, scsi.Opcode(t.CDB[0]) == scsi.OpModeSelect10)
	if err == nil {
		err = s.setModes(t, list)
	}
	if err != nil {
		s.FailWith(t, err)
		return
	}
	s.Used(t, len(given))
}

// saveModes is MODE SELECT with SP and no list.
func (s *Server) saveModes(t *target.Task) {
	if err := s.setModes(t, page.ModeList{}); err != nil {
		s.FailWith(t, err)
		return
	}
	s.Good(t)
}

// setModes makes the changes of a list, one list at a time, and saves the values if t asks
// for it. What has changed is told to the other nexuses, also if it could not be saved.
func (s *Server) setModes(t *target.Task, list page.ModeList) error {
	c, _ := cdb.ParseModeSelect(t.CDB) // parsed before
	if m := list.Header.Medium; m != 0 && (s.cfg.MediumType == nil || s.cfg.MediumType() != m) {
		return scsi.InvalidFieldInParameterList(list.BlockOffset/8+1, -1)
	}
	s.modes.changing.Lock()
	defer s.modes.changing.Unlock()
	changed, err := s.modes.change(t.ITL(), list, func() (bool, error) { return s.setHeader(t.ITL(), list) })
	if changed {
		s.Announce(scsi.ASCModeParametersChanged, t.ITL())
	}
	if err == nil && c.Save {
		err = s.modes.save(t.Context())
	}
	return err
}

// setHeader changes what is before the pages of a list: the device-specific parameter and the block descriptor.
func (s *Server) setHeader(x *target.ITL, list page.ModeList) (changed bool, err error) {
	settable := s.cfg.SetModeParameter != nil && list.BlockOffset != 0 // there is a header
	if settable {
		if bit := s.cfg.CheckModeParameter(list.Header.Device); bit >= 0 {
			return false, scsi.InvalidFieldInParameterList(list.BlockOffset/8+2, bit)
		}
	}
	if changed, err = s.setBlock(list); err != nil {
		return changed, err
	}
	return settable && s.cfg.SetModeParameter(x, list.Header.Device) || changed, nil
}

// setBlock changes the block descriptor, if the device type can; otherwise it refuses one that
// would change something: the number of blocks may be 0 or all ones, which mean "as it is"
// (SBC-4 6.5.2).
func (s *Server) setBlock(list page.ModeList) (changed bool, err error) {
	refused := scsi.InvalidFieldInParameterList(list.BlockOffset, -1)
	switch {
	case !list.HasBlock:
		return false, nil
	case s.cfg.SetBlock != nil:
		return s.cfg.SetBlock(list.Block, list.BlockOffset)
	case s.cfg.Block == nil:
		return false, refused
	}
	now := s.cfg.Block()
	if b := list.Block; b.BlockSize != now.BlockSize ||
		(b.Blocks != 0 && b.Blocks != now.Blocks && b.Blocks != 0xffffffff && b.Blocks != 1<<64-1) {
		return false, refused
	}
	return false, nil
}
