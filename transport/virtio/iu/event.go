package iu

import (
	"encoding/binary"
	"fmt"

	"github.com/lunette-io/lunette/scsi"
)

// EventLen is the length of an event, and of what a driver posts for one.
const EventLen = 16

// An EventKind is what an event is about (virtio 1.3, 5.6.6.3).
type EventKind uint32

// Kinds of events.
const (
	EventNone           EventKind = 0
	EventTransportReset EventKind = 1 // the reason is one of ResetHard, ResetRescan, ResetRemoved
	EventNotify         EventKind = 2 // an asynchronous notification that was subscribed to
	EventParamChange    EventKind = 3 // the reason is that of [ParamChange]
)

var eventKinds = [...]string{"no event", "transport reset", "asynchronous notification", "parameters changed"}

// String is the kind in words.
func (k EventKind) String() string {
	if int64(k) < int64(len(eventKinds)) {
		return eventKinds[k]
	}
	return fmt.Sprintf("event %d", uint32(k))
}

// Reasons of EventTransportReset.
const (
	ResetHard    = 0 // the unit was reset
	ResetRescan  = 1 // a unit has come; of unit 0: look at the whole target
	ResetRemoved = 2 // a unit has gone; of unit 0: the target
)

// ParamChange is the reason of EventParamChange: the additional sense code with which the unit would tell it.
func ParamChange(c scsi.ASC) uint32 { return uint32(c>>8&0xff) | uint32(c&0xff)<<8 }

// missed is the bit of the field event that says that events were lost.
const missed = 1 << 31

// An Event is what a device fills in the event queue (virtio 1.3, 5.6.6.3, struct virtio_scsi_event).
type Event struct {
	Kind    EventKind // 31 bits
	Missed  bool      // events before this one were lost: look at everything
	Address Address
	Reason  uint32
}

// ParseEvent reads an event.
func ParseEvent(b []byte) (x Event, err error) {
	if len(b) < EventLen {
		return x, ErrShort
	}
	k := binary.LittleEndian.Uint32(b)
	return Event{EventKind(k &^ missed), k&missed != 0, Address(b[4:]), binary.LittleEndian.Uint32(b[12:])}, nil
}

// Append appends the event.
func (x *Event) Append(dst []byte) []byte {
	k := uint32(x.Kind) &^ missed
	if x.Missed {
		k |= missed
	}
	dst = binary.LittleEndian.AppendUint32(dst, k)
	dst = append(dst, x.Address[:]...)
	return binary.LittleEndian.AppendUint32(dst, x.Reason)
}
