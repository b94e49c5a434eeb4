package device

import (
	"github.com/lunette-io/lunette/device/nexus"
	"github.com/lunette-io/lunette/scsi/page"
	"github.com/lunette-io/lunette/target"
)

// The task set types that the control mode page may have (SPC-5 7.5.9).
const (
	oneTaskSet    = 0 // one for all I_T nexuses
	taskSetNexus  = 1 // one for each
	taskSetsWidth = 7 // all bits of the field
)

// The switches of SPC. Those of a device type begin at FirstSetting.
const (
	descriptorSense nexus.Setting = 1 << iota // D_SENSE
	softwareProtect                           // SWP

	FirstSetting nexus.Setting = 1 << 8
)

// controlPage is the control mode page (SPC-5 7.5.9): initiators may choose the sense
// format, protect the medium, and ask for one task set for all of them. Commands of one nexus
// may be reordered; those that another nexus aborts vanish, with a unit attention (TAS=0).
func (s *Server) controlPage() *ModePage {
	now := page.Control{TaskSets: taskSetNexus, NoLogSave: true, QueueAlgorithm: 1, BusyTimeout: 0xffff}
	apply := func(to *nexus.Settings, p []byte) {
		if c, ok := page.ParseControl(p); ok {
			to.Put(descriptorSense, c.DescriptorSense)
			to.Put(softwareProtect, c.WriteProtect)
			s.shareTaskSet(c.TaskSets == oneTaskSet)
		}
	}
	changeable := page.Control{TaskSets: taskSetsWidth, DescriptorSense: true, WriteProtect: true}
	if s.cfg.Own {
		changeable.TaskSets = 0 // it is about all nexuses, whoever sets it
	}
	return &ModePage{
		Default: now.Append(nil), Changeable: changeable.Append(nil), PerNexus: true,
		Check: func(next []byte) (at, bit int) {
			if c, ok := page.ParseControl(next); !ok || c.TaskSets > taskSetNexus {
				return 2, 7
			}
			return 0, 0
		},
		Apply:    func(x *target.ITL, p []byte) error { apply(s.Settings(x), p); return nil },
		Reverted: func(p []byte) { apply(&s.settings, p) },
	}
}

// shareTaskSet chooses between one task set for all nexuses and one for each.
func (s *Server) shareTaskSet(shared bool) {
	s.shared.Store(shared)
	if u := s.unit.Load(); u != nil {
		u.ShareTaskSet(shared)
	}
}

// WriteProtected reports that SWP of the control mode page protects the medium from the commands of x.
func (s *Server) WriteProtected(x *target.ITL) bool { return s.Settings(x).Has(softwareProtect) }

// exceptionsPage is the informational exceptions control mode page (SPC-5 7.5.13):
// there are none, and their reporting is off.
func exceptionsPage() *ModePage {
	return &ModePage{
		Default:    page.Exceptions{Disabled: true}.Append(nil),
		Changeable: page.Exceptions{}.Append(nil),
	}
}
