package cdb

import (
	"encoding/binary"

	"github.com/lunette-io/lunette/scsi"
)

// A PersistentOut is PERSISTENT RESERVE OUT (SPC-5 6.16).
type PersistentOut struct {
	Action scsi.ServiceAction // 0 to 1Fh
	Scope  uint8              // 0 to 15
	Type   scsi.ReservationType
	Length uint32 // of the parameter list, bytes
}

// ParsePersistentOut reads PERSISTENT RESERVE OUT with any service action.
func ParsePersistentOut(c []byte) (PersistentOut, error) {
	if err := needOp(c, scsi.OpPersistentReserveOut); err != nil {
		return PersistentOut{}, err
	}
	return PersistentOut{
		Action: scsi.ServiceAction(c[1] & 0x1f), Scope: c[2] >> 4, Type: scsi.ReservationType(c[2] & 0xf),
		Length: binary.BigEndian.Uint32(c[5:]),
	}, nil
}

// Append appends the CDB.
func (p PersistentOut) Append(dst []byte) []byte {
	dst = append(dst, byte(scsi.OpPersistentReserveOut), byte(p.Action)&0x1f, p.Scope<<4|byte(p.Type)&0xf, 0, 0)
	return append(binary.BigEndian.AppendUint32(dst, p.Length), 0)
}

// A PersistentList is the basic parameter list of PERSISTENT RESERVE OUT (SPC-5
// 6.16.3), for all service actions but REGISTER AND MOVE.
type PersistentList struct {
	Key       uint64 // RESERVATION KEY: the sender's own
	ActionKey uint64 // SERVICE ACTION RESERVATION KEY

	AllPorts bool // ALL_TG_PT: for every target port
	Persist  bool // APTPL: keep through a loss of power

	// SpecifyPorts is SPEC_I_PT: register Ports too. Ports may then be empty.
	SpecifyPorts bool
	Ports        []scsi.TransportID
}

// PersistentListLen is the length of a basic parameter list without TransportIDs.
const PersistentListLen = 24

// MaxPorts bounds PersistentList.Ports: a longer list is refused, so that a
// command cannot make us hold more.
const MaxPorts = 256

// ParsePersistentList reads a basic parameter list. Without SPEC_I_PT any length
// but 24 is a PARAMETER LIST LENGTH ERROR; with it the TransportIDs fill the
// rest exactly. Whether SPEC_I_PT suits the service action is for the caller.
func ParsePersistentList(list []byte) (PersistentList, error) {
	if len(list) < PersistentListLen {
		return PersistentList{}, scsi.ParameterListLengthError()
	}
	p := PersistentList{
		Key: binary.BigEndian.Uint64(list), ActionKey: binary.BigEndian.Uint64(list[8:]),
		SpecifyPorts: list[20]&0x08 != 0, AllPorts: list[20]&0x04 != 0, Persist: list[20]&0x01 != 0,
	}
	if !p.SpecifyPorts {
		if len(list) != PersistentListLen {
			return PersistentList{}, scsi.ParameterListLengthError()
		}
		return p, nil
	}
	const first = PersistentListLen + 4
	if len(list) < first || uint64(binary.BigEndian.Uint32(list[24:])) != uint64(len(list)-first) {
		return PersistentList{}, scsi.ParameterListLengthError()
	}
	for at := first; at < len(list); {
		id, n, err := scsi.ParseTransportID(list[at:])
		if err != nil {
			return PersistentList{}, scsi.InvalidFieldInParameterList(at, -1)
		}
		if len(p.Ports) == MaxPorts {
			return PersistentList{}, scsi.IllegalRequest(scsi.ASCInsufficientRegistrationResources)
		}
		p.Ports = append(p.Ports, id)
		at += n
	}
	return p, nil
}

// Append appends the parameter list.
func (p PersistentList) Append(dst []byte) []byte {
	dst = binary.BigEndian.AppendUint64(dst, p.Key)
	dst = binary.BigEndian.AppendUint64(dst, p.ActionKey)
	dst = append(dst, 0, 0, 0, 0, flag(p.SpecifyPorts, 0x08)|flag(p.AllPorts, 0x04)|flag(p.Persist, 0x01), 0, 0, 0)
	if !p.SpecifyPorts {
		return dst
	}
	at := len(dst)
	dst = append(dst, 0, 0, 0, 0)
	for _, id := range p.Ports {
		dst = id.Append(dst)
	}
	binary.BigEndian.PutUint32(dst[at:], uint32(len(dst)-at-4))
	return dst
}

// A MoveList is the parameter list of REGISTER AND MOVE (SPC-5 6.16.4).
type MoveList struct {
	Key          uint64
	ActionKey    uint64
	Unregister   bool // UNREG: the sender's registration goes
	Persist      bool // APTPL
	RelativePort uint16
	Port         scsi.TransportID // who gets the reservation
}

// ParseMoveList reads the parameter list of REGISTER AND MOVE, which ends with
// its TransportID.
func ParseMoveList(list []byte) (MoveList, error) {
	const first = 24
	if len(list) < first {
		return MoveList{}, scsi.ParameterListLengthError()
	}
	if uint64(binary.BigEndian.Uint32(list[20:])) != uint64(len(list)-first) {
		return MoveList{}, scsi.InvalidFieldInParameterList(20, -1)
	}
	id, n, err := scsi.ParseTransportID(list[first:])
	if err != nil || n != len(list)-first {
		return MoveList{}, scsi.InvalidFieldInParameterList(first, -1)
	}
	return MoveList{
		Key: binary.BigEndian.Uint64(list), ActionKey: binary.BigEndian.Uint64(list[8:]),
		Unregister: list[17]&0x02 != 0, Persist: list[17]&0x01 != 0,
		RelativePort: binary.BigEndian.Uint16(list[18:]), Port: id,
	}, nil
}

// Append appends the parameter list.
func (m MoveList) Append(dst []byte) []byte {
	dst = binary.BigEndian.AppendUint64(dst, m.Key)
	dst = binary.BigEndian.AppendUint64(dst, m.ActionKey)
	dst = append(dst, 0, flag(m.Unregister, 0x02)|flag(m.Persist, 0x01))
	dst = binary.BigEndian.AppendUint16(dst, m.RelativePort)
	dst = binary.BigEndian.AppendUint32(dst, uint32(m.Port.Len()))
	return m.Port.Append(dst)
}
