package device

import "github.com/lunette-io/lunette/scsi/page"

// controlPage is the control mode page (SPC-5 7.5.9): initiators may choose the sense
// format and protect the medium. Commands of one nexus may be reordered; those that
// another nexus aborts vanish, with a unit attention (TAS=0).
func (s *Server) controlPage() *ModePage {
	now := page.Control{NoLogSave: true, QueueAlgorithm: 1, BusyTimeout: 0xffff}
	apply := func(p []byte) {
		if c, ok := page.ParseControl(p); ok {
			s.descriptor.Store(c.DescriptorSense)
			s.protected.Store(c.WriteProtect)
		}
	}
	return &ModePage{
		Default:    now.Append(nil),
		Changeable: page.Control{DescriptorSense: true, WriteProtect: true}.Append(nil),
		Apply:      func(p []byte) error { apply(p); return nil },
		Reverted:   apply,
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
