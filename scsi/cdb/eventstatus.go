package cdb

import (
	"encoding/binary"

	"github.com/lunette-io/lunette/scsi"
)

// Bits of GetEventStatus.Classes: one for each class of events, as 1 << class.
const (
	EventsOperational = 1 << 1
	EventsPower       = 1 << 2
	EventsExternal    = 1 << 3
	EventsMedia       = 1 << 4
	EventsMulti       = 1 << 5
	EventsBusy        = 1 << 6
)

// A GetEventStatus is GET EVENT STATUS NOTIFICATION (MMC-6 6.7).
type GetEventStatus struct {
	Polled     bool // without it the drive would wait for an event, which none does that has no queue
	Classes    uint8
	Allocation uint16
}

// ParseGetEventStatus reads GET EVENT STATUS NOTIFICATION.
func ParseGetEventStatus(c []byte) (GetEventStatus, error) {
	if err := needOp(c, scsi.OpGetEventStatus); err != nil {
		return GetEventStatus{}, err
	}
	return GetEventStatus{Polled: c[1]&0x01 != 0, Classes: c[4], Allocation: binary.BigEndian.Uint16(c[7:])}, nil
}

// Append appends the CDB.
func (g GetEventStatus) Append(dst []byte) []byte {
	dst = append(dst, byte(scsi.OpGetEventStatus), flag(g.Polled, 0x01), 0, 0, g.Classes, 0, 0)
	return append(binary.BigEndian.AppendUint16(dst, g.Allocation), 0)
}
