package reserve

import (
	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/scsi/cdb"
	"github.com/lunette-io/lunette/scsi/page"
)

// MaxParameterList bounds the parameter list of PERSISTENT RESERVE OUT, in bytes: 256
// TransportIDs of the longest iSCSI names fit.
const MaxParameterList = 64 << 10

// A Sender is what has to be known of who sends a PERSISTENT RESERVE OUT.
type Sender struct {
	Nexus Nexus
	// UserOf is who has proved to be at an initiator port that is logged in to the target port, or
	// the sender's user: for nexuses that are registered by their ports. nil: the sender's user.
	UserOf func(initiator scsi.TransportID, relative uint16) string
	// KnowsPort reports a relative target port identifier of the sender's target.
	KnowsPort func(relative uint16) bool
	// MayPersist says that APTPL is supported.
	MayPersist bool
}

// ParseOut returns the change that a PERSISTENT RESERVE OUT asks for (SPC-5 6.16), with the
// whole parameter list. Its errors are a [scsi.Sense].
func ParseOut(command, list []byte, from Sender) (Change, error) {
	c, err := cdb.ParsePersistentOut(command)
	if err != nil {
		return Change{}, err
	}
	if c.Action == scsi.ActionRegisterAndMove {
		return parseMove(list, from)
	}
	op, ok := opOf(c.Action)
	if !ok {
		return Change{}, scsi.InvalidFieldInCDB(1, 4)
	}
	p, err := cdb.ParsePersistentList(list)
	if err != nil {
		return Change{}, err
	}
	change := Change{
		Op: op, From: from.Nexus, Key: p.Key, ActionKey: p.ActionKey, Scope: c.Scope, Type: c.Type,
	}
	registers := op == Register || op == RegisterAndIgnore
	switch {
	case p.SpecifyPorts && op != Register:
		return Change{}, scsi.InvalidFieldInParameterList(20, 3)
	case p.AllPorts && registers:
		return Change{}, scsi.InvalidFieldInParameterList(20, 2)
	case p.Persist && registers && !from.MayPersist:
		return Change{}, scsi.InvalidFieldInParameterList(20, 0)
	}
	if registers {
		change.Persist = p.Persist
	}
	for _, id := range p.Ports {
		if !namesPort(id, from.Nexus.Initiator.Protocol) {
			return Change{}, scsi.InvalidFieldInParameterList(28, -1)
		}
		change.Others = append(change.Others, from.named(id, from.Nexus.Port))
	}
	return change, nil
}

// opOf is the operation of a service action whose parameter list is the basic one.
func opOf(a scsi.ServiceAction) (Op, bool) {
	switch a {
	case scsi.ActionRegister:
		return Register, true
	case scsi.ActionReserve:
		return Reserve, true
	case scsi.ActionRelease:
		return Release, true
	case scsi.ActionClear:
		return Clear, true
	case scsi.ActionPreempt:
		return Preempt, true
	case scsi.ActionPreemptAndAbort:
		return PreemptAndAbort, true
	case scsi.ActionRegisterAndIgnoreExistingKey:
		return RegisterAndIgnore, true
	}
	return 0, false
}

// parseMove is ParseOut for REGISTER AND MOVE.
func parseMove(list []byte, from Sender) (Change, error) {
	m, err := cdb.ParseMoveList(list)
	switch {
	case err != nil:
		return Change{}, err
	case m.Persist && !from.MayPersist:
		return Change{}, scsi.InvalidFieldInParameterList(17, 0)
	case !from.KnowsPort(m.RelativePort):
		return Change{}, scsi.InvalidFieldInParameterList(18, -1)
	case !namesPort(m.Port, from.Nexus.Initiator.Protocol):
		return Change{}, scsi.InvalidFieldInParameterList(24, -1)
	}
	return Change{
		Op: RegisterAndMove, From: from.Nexus, Key: m.Key, ActionKey: m.ActionKey,
		To: from.named(m.Port, m.RelativePort), Unregister: m.Unregister, Persist: m.Persist,
	}, nil
}

// named is the nexus of an initiator port, which the sender names by its TransportID, and a port of the
// sender's target.
func (from Sender) named(id scsi.TransportID, relative uint16) Nexus {
	n := Nexus{Initiator: id, User: from.Nexus.User, Target: from.Nexus.Target, Port: relative}
	if from.UserOf != nil {
		n.User = from.UserOf(id, relative)
	}
	return n
}

// namesPort reports a TransportID that names one initiator port of the protocol: the
// name of a whole iSCSI initiator does not.
func namesPort(id scsi.TransportID, p scsi.Protocol) bool {
	return id.Protocol == p && (p != scsi.ProtocolISCSI || id.HasISID)
}

// AppendIn appends the data of PERSISTENT RESERVE IN (SPC-5 6.15) with the service action a;
// mayPersist says that APTPL is supported.
func (s *State) AppendIn(dst []byte, a scsi.ServiceAction, mayPersist bool) []byte {
	regs := s.Registrations()
	switch a {
	case scsi.ActionReadKeys:
		keys := make([]uint64, len(regs))
		for i, r := range regs {
			keys[i] = r.Key
		}
		return page.AppendReservationKeys(dst, s.generation, keys...)
	case scsi.ActionReadReservation:
		return page.AppendReservation(dst, s.generation, s.kind, s.regs[s.holder].Key)
	case scsi.ActionReportCapabilities:
		return page.ReservationCapabilities{
			Compatible: true, SpecifyPorts: true, AllowCommands: 1,
			Persist: mayPersist, PersistActive: s.persist,
			WriteExclusive: true, Exclusive: true, WriteRegistrants: true, ExclusiveRegistrants: true,
			WriteAll: true, ExclusiveAll: true,
		}.Append(dst)
	default: // READ FULL STATUS
		full := make([]page.Registration, len(regs))
		for i, r := range regs {
			full[i] = page.Registration{
				Key: r.Key, Holder: s.Holds(r.Nexus), Type: s.kind, RelativePort: r.Port, Port: r.Initiator,
			}
		}
		return page.AppendFullStatus(dst, s.generation, full...)
	}
}
