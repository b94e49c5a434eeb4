package page

import (
	"encoding/binary"

	"github.com/lunette-io/lunette/scsi"
)

// AppendReservationKeys appends READ KEYS data (SPC-5 6.15.2): one key for every
// registration, doubles included.
func AppendReservationKeys(dst []byte, generation uint32, keys ...uint64) []byte {
	dst = binary.BigEndian.AppendUint32(dst, generation)
	dst = binary.BigEndian.AppendUint32(dst, uint32(8*len(keys)))
	for _, k := range keys {
		dst = binary.BigEndian.AppendUint64(dst, k)
	}
	return dst
}

// AppendReservation appends READ RESERVATION data (SPC-5 6.15.3). A type of 0 is
// no reservation; key is the holder's, 0 for the all-registrants types.
func AppendReservation(dst []byte, generation uint32, t scsi.ReservationType, key uint64) []byte {
	dst = binary.BigEndian.AppendUint32(dst, generation)
	if t == 0 {
		return append(dst, 0, 0, 0, 0)
	}
	dst = append(dst, 0, 0, 0, 0x10)
	dst = binary.BigEndian.AppendUint64(dst, key)
	return append(dst, 0, 0, 0, 0, 0, scsi.ScopeLU<<4|byte(t)&0xf, 0, 0)
}

// ReservationCapabilities is REPORT CAPABILITIES data (SPC-5 6.15.4).
type ReservationCapabilities struct {
	ReplaceLost    bool  // RLR_C
	Compatible     bool  // CRH: RESERVE and RELEASE of SPC-2 go along with registrations
	SpecifyPorts   bool  // SIP_C
	AllPorts       bool  // ATP_C
	Persist        bool  // PTPL_C: APTPL is supported
	PersistActive  bool  // PTPL_A: APTPL is on
	AllowCommands  uint8 // ALLOW COMMANDS, 0 to 7
	WriteExclusive bool  // the supported types
	Exclusive      bool
	WriteRegistrants, ExclusiveRegistrants,
	WriteAll, ExclusiveAll bool
}

// Append appends the data, 8 bytes, with a valid type mask.
func (c ReservationCapabilities) Append(dst []byte) []byte {
	return append(dst, 0, 8,
		flag(c.ReplaceLost, 0x80)|flag(c.Compatible, 0x10)|flag(c.SpecifyPorts, 0x08)|flag(c.AllPorts, 0x04)|
			flag(c.Persist, 0x01),
		0x80|c.AllowCommands&7<<4|flag(c.PersistActive, 0x01),
		flag(c.WriteAll, 0x80)|flag(c.ExclusiveRegistrants, 0x40)|flag(c.WriteRegistrants, 0x20)|
			flag(c.Exclusive, 0x08)|flag(c.WriteExclusive, 0x02),
		flag(c.ExclusiveAll, 0x01), 0, 0)
}

// A Registration is one descriptor of READ FULL STATUS data (SPC-5 6.15.5.2).
type Registration struct {
	Key          uint64
	AllPorts     bool                 // ALL_TG_PT; RelativePort then means nothing
	Holder       bool                 // R_HOLDER
	Type         scsi.ReservationType // of the reservation, if Holder
	RelativePort uint16               // of the target port
	Port         scsi.TransportID     // the initiator port
}

// AppendFullStatus appends READ FULL STATUS data (SPC-5 6.15.5).
func AppendFullStatus(dst []byte, generation uint32, registrations ...Registration) []byte {
	dst = binary.BigEndian.AppendUint32(dst, generation)
	at := len(dst)
	dst = append(dst, 0, 0, 0, 0)
	for _, r := range registrations {
		dst = binary.BigEndian.AppendUint64(dst, r.Key)
		var scopeType byte
		if r.Holder {
			scopeType = scsi.ScopeLU<<4 | byte(r.Type)&0xf
		}
		dst = append(dst, 0, 0, 0, 0, flag(r.AllPorts, 0x02)|flag(r.Holder, 0x01), scopeType, 0, 0, 0, 0)
		dst = binary.BigEndian.AppendUint16(dst, r.RelativePort)
		dst = binary.BigEndian.AppendUint32(dst, uint32(r.Port.Len()))
		dst = r.Port.Append(dst)
	}
	return setLen32(dst, at)
}
