package device

import "github.com/lunette-io/lunette/scsi/page"

// The task set types that the control mode page may have (SPC-5 7.5.9).
const (
	oneTaskSet    = 0 // one for all I_T nexuses
	taskSetNexus  = 1 // one for each
	taskSetsWidth = 7 // all bits of the field
)

// controlPage is the control mode page (SPC-5 7.5.9): initiators may choose the sense
// format, protect the medium, and ask for one task set for all of them. Commands of one nexus
// may be reordered; those that another nexus aborts vanish, with a unit attention (TAS=0).
func (s *Server) controlPage() *ModePage {
	now := page.Control{TaskSets: taskSetNexus, NoLogSave: true, QueueAlgorithm: 1, BusyTimeout: 0xffff}
	apply := func(p []byte) {
		if c, ok := page.ParseControl(p); ok {
			s.descriptor.Store(c.DescriptorSense)
			s.protected.Store(c.WriteProtect)
			s.shareTaskSet(c.TaskSets == oneTaskSet)
		}
	}
	return &ModePage{
		Default:    now.Append(nil),
		Changeable: page.Control{TaskSets: taskSetsWidth, DescriptorSense: true, WriteProtect: true}.Append(nil),
		Check: func(next []byte) (at, bit int) {
			if c, ok := page.ParseControl(next); !ok || c.TaskSets > taskSetNexus {
				return 2, 7
			}
			return 0, 0
		},
		Apply:    func(p []byte) error { apply(p); return nil },
		Reverted: apply,
	}
}

// shareTaskSet chooses between one task set for all nexuses and one for each.
func (s *Server) shareTaskSet(shared bool) {
	s.shared.Store(shared)
	if u := s.unit.Load(); u != nil {
		u.ShareTaskSet(shared)
	}
}

// WriteProtected reports that SWP of the control mode page protects the medium.
func (s *Server) WriteProtected() bool { return s.protected.Load() }

// exceptionsPage is the informational exceptions control mode page (SPC-5 7.5.13):
// there are none, and their reporting is off.
func exceptionsPage() *ModePage {
	return &ModePage{
		Default:    page.Exceptions{Disabled: true}.Append(nil),
		Changeable: page.Exceptions{}.Append(nil),
	}
}
