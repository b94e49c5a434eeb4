package device

import (
	"slices"

	"github.com/lunette-io/lunette/device/reserve"
	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/scsi/cdb"
	"github.com/lunette-io/lunette/scsi/page"
	"github.com/lunette-io/lunette/target"
)

// maxPersistentList bounds the parameter list of PERSISTENT RESERVE OUT: 256
// TransportIDs of the longest iSCSI names fit.
const maxPersistentList = 64 << 10

// reserveUnit is RESERVE(6) and RESERVE(10) of SPC-2, of the whole unit only.
func (s *Server) reserveUnit(t *target.Task) { s.legacy(t, (*reserve.State).ReserveUnit) }

// releaseUnit is RELEASE(6) and RELEASE(10) of SPC-2.
func (s *Server) releaseUnit(t *target.Task) { s.legacy(t, (*reserve.State).ReleaseUnit) }

func (s *Server) legacy(t *target.Task, change func(*reserve.State, reserve.Nexus) error) {
	s.mu.Lock()
	err := change(&s.rules, t.ITL().State.(*nexus).key)
	s.fence()
	s.mu.Unlock()
	if err != nil {
		s.FailWith(t, err)
		return
	}
	s.Good(t)
}

// persistentIn is PERSISTENT RESERVE IN (SPC-5 6.15).
func (s *Server) persistentIn(t *target.Task) {
	c, err := cdb.ParsePersistentIn(t.CDB)
	if err != nil {
		s.FailWith(t, err)
		return
	}
	s.Reply(t, s.persistentData(c.Action), uint32(c.Allocation))
}

func (s *Server) persistentData(action scsi.ServiceAction) []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	regs, kind := s.rules.Registrations(), s.rules.Type()
	switch action {
	case scsi.ActionReadKeys:
		keys := make([]uint64, len(regs))
		for i, r := range regs {
			keys[i] = r.Key
		}
		return page.AppendReservationKeys(nil, s.rules.Generation(), keys...)
	case scsi.ActionReadReservation:
		var key uint64
		for _, r := range regs {
			if !kind.AllRegistrants() && s.rules.Holds(r.Nexus) {
				key = r.Key
			}
		}
		return page.AppendReservation(nil, s.rules.Generation(), kind, key)
	case scsi.ActionReportCapabilities:
		return page.ReservationCapabilities{
			Compatible: true, SpecifyPorts: true, AllowCommands: 1,
			WriteExclusive: true, Exclusive: true, WriteRegistrants: true, ExclusiveRegistrants: true,
			WriteAll: true, ExclusiveAll: true,
		}.Append(nil)
	default: // READ FULL STATUS
		full := make([]page.Registration, len(regs))
		for i, r := range regs {
			full[i] = page.Registration{
				Key: r.Key, Holder: s.rules.Holds(r.Nexus), Type: kind, RelativePort: r.Port, Port: r.Initiator,
			}
		}
		return page.AppendFullStatus(nil, s.rules.Generation(), full...)
	}
}

// persistentOut is PERSISTENT RESERVE OUT (SPC-5 6.16).
func (s *Server) persistentOut(t *target.Task) {
	c, err := cdb.ParsePersistentOut(t.CDB)
	switch {
	case err != nil:
		s.FailWith(t, err)
	case c.Length < cdb.PersistentListLen || c.Length > maxPersistentList:
		s.Fail(t, scsi.ParameterListLengthError())
	default:
		s.ReceiveList(t, int64(c.Length), s.provedOut)
	}
}

func (s *Server) persistentOutReceived(t *target.Task, err error) {
	if err != nil {
		s.Drop(t, err)
		return
	}
	list := s.List(t)
	c, _ := cdb.ParsePersistentOut(t.CDB) // parsed before
	n := t.ITL().State.(*nexus)
	s.mu.Lock()
	effects, err := s.change(n.key, t, c, list)
	if err == nil {
		for _, a := range effects.Attentions {
			s.tell(a.To, a.ASC)
		}
		s.fence()
	}
	s.mu.Unlock()
	switch {
	case err != nil:
		s.FailWith(t, err)
	case len(effects.Aborted) == 0:
		s.Used(t, len(list))
	default:
		t.ITL().Unit().Abort(t.Nexus(), func(o *target.Task) bool {
			return o != t && slices.Contains(effects.Aborted, keyOf(o.Nexus()))
		}, func() { s.Used(t, len(list)) })
	}
}

// change applies one PERSISTENT RESERVE OUT. s.mu is held.
func (s *Server) change(n reserve.Nexus, t *target.Task, c cdb.PersistentOut, list []byte) (reserve.Effects, error) {
	var none reserve.Effects
	if s.rules.UnitReserved() {
		return none, reserve.ErrConflict
	}
	if c.Action == scsi.ActionRegisterAndMove {
		return s.move(n, t, list)
	}
	p, err := cdb.ParsePersistentList(list)
	if err != nil {
		return none, err
	}
	registers := c.Action == scsi.ActionRegister || c.Action == scsi.ActionRegisterAndIgnoreExistingKey
	switch {
	case p.SpecifyPorts && c.Action != scsi.ActionRegister:
		return none, scsi.InvalidFieldInParameterList(20, 3)
	case p.AllPorts && registers:
		return none, scsi.InvalidFieldInParameterList(20, 2)
	case p.Persist && registers:
		return none, scsi.InvalidFieldInParameterList(20, 0)
	}
	switch c.Action {
	case scsi.ActionRegister:
		others := make([]reserve.Nexus, 0, len(p.Ports))
		for _, id := range p.Ports {
			if !namesPort(id, t.Nexus().Port.Protocol) {
				return none, scsi.InvalidFieldInParameterList(28, -1)
			}
			others = append(others, reserve.Nexus{Initiator: id, Target: n.Target, Port: n.Port})
		}
		return s.rules.Register(n, p.Key, p.ActionKey, others...)
	case scsi.ActionRegisterAndIgnoreExistingKey:
		return s.rules.RegisterAndIgnore(n, p.ActionKey)
	case scsi.ActionReserve:
		return s.rules.Reserve(n, p.Key, c.Scope, c.Type)
	case scsi.ActionRelease:
		return s.rules.Release(n, p.Key, c.Scope, c.Type)
	case scsi.ActionClear:
		return s.rules.Clear(n, p.Key)
	default:
		return s.rules.Preempt(n, p.Key, p.ActionKey, c.Scope, c.Type, c.Action == scsi.ActionPreemptAndAbort)
	}
}

// move is REGISTER AND MOVE. s.mu is held.
func (s *Server) move(n reserve.Nexus, t *target.Task, list []byte) (reserve.Effects, error) {
	m, err := cdb.ParseMoveList(list)
	switch {
	case err != nil:
		return reserve.Effects{}, err
	case m.Persist:
		return reserve.Effects{}, scsi.InvalidFieldInParameterList(17, 0)
	case !s.knowsPort(n.Target, m.RelativePort):
		return reserve.Effects{}, scsi.InvalidFieldInParameterList(18, -1)
	case !namesPort(m.Port, t.Nexus().Port.Protocol):
		return reserve.Effects{}, scsi.InvalidFieldInParameterList(24, -1)
	}
	to := reserve.Nexus{Initiator: m.Port, Target: n.Target, Port: m.RelativePort}
	return s.rules.RegisterAndMove(n, m.Key, m.ActionKey, to, m.Unregister)
}

// knowsPort reports a target port that some nexus has come through. s.mu is held.
func (s *Server) knowsPort(target string, port uint16) bool {
	for n := range s.all {
		if n.key.Target == target && n.key.Port == port {
			return true
		}
	}
	return false
}

// namesPort reports a TransportID that names one initiator port of the protocol: the
// name of a whole iSCSI initiator does not.
func namesPort(id scsi.TransportID, p scsi.Protocol) bool {
	return id.Protocol == p && (p != scsi.ProtocolISCSI || id.HasISID)
}
