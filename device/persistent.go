package device

import (
	"github.com/lunette-io/lunette/device/nexus"
	"github.com/lunette-io/lunette/device/reserve"
	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/scsi/cdb"
	"github.com/lunette-io/lunette/target"
)

// reserveUnit is RESERVE(6) and RESERVE(10) of SPC-2, of the whole unit only.
func (s *Server) reserveUnit(t *target.Task) { s.legacy(t, reserve.ReserveUnit) }

// releaseUnit is RELEASE(6) and RELEASE(10) of SPC-2.
func (s *Server) releaseUnit(t *target.Task) { s.legacy(t, reserve.ReleaseUnit) }

func (s *Server) legacy(t *target.Task, o reserve.Op) {
	s.change(t, reserve.Change{Op: o, From: nexus.Of(t.ITL()).Key()}, 0)
}

// change makes a change of the reservations and answers t when it is kept; t has used n bytes
// of its data-out.
func (s *Server) change(t *target.Task, c reserve.Change, n int) {
	s.reservations.Change(t, c, func(err error) {
		if err != nil {
			s.FailWith(t, err)
			return
		}
		s.Used(t, n)
	})
}

// persistentIn is PERSISTENT RESERVE IN (SPC-5 6.15).
func (s *Server) persistentIn(t *target.Task) {
	c, err := cdb.ParsePersistentIn(t.CDB)
	if err != nil {
		s.FailWith(t, err)
		return
	}
	var data []byte
	s.reservations.View(func(now *reserve.State) {
		data = now.AppendIn(nil, c.Action, s.reservations.MayPersist())
	})
	s.Reply(t, data, uint32(c.Allocation))
}

// persistentOut is PERSISTENT RESERVE OUT (SPC-5 6.16).
func (s *Server) persistentOut(t *target.Task) {
	c, err := cdb.ParsePersistentOut(t.CDB)
	switch {
	case err != nil:
		s.FailWith(t, err)
	case c.Length < cdb.PersistentListLen || c.Length > reserve.MaxParameterList:
		s.Fail(t, scsi.ParameterListLengthError())
	default:
		s.ReceiveList(t, int64(c.Length), s.prOutReceived)
	}
}

func (s *Server) prOutReceived(t *target.Task, list []byte) {
	c, err := reserve.ParseOut(t.CDB, list, s.reservations.Sender(t))
	if err != nil {
		s.FailWith(t, err)
		return
	}
	s.change(t, c, len(list))
}
