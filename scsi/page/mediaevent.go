package page

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// Classes of events of GET EVENT STATUS NOTIFICATION (MMC-6 6.7).
const (
	EventNone        = 0
	EventOperational = 1
	EventPower       = 2
	EventExternal    = 3
	EventMedia       = 4
	EventMulti       = 5
	EventBusy        = 6
)

// Codes of operational events. Report is 1 if features have changed.
const (
	OperationalNone      = 0
	OperationalRequested = 1
	OperationalChanged   = 2
)

// Codes of power events, and the states that Status has with them.
const (
	PowerNone    = 0
	PowerChanged = 1
	PowerFailed  = 2

	PowerActive  = 1
	PowerIdle    = 2
	PowerStandby = 3
	PowerSleep   = 4
)

// Codes of external request events.
const (
	ExternalNone    = 0
	ExternalKeyDown = 1
	ExternalKeyUp   = 2
	ExternalRequest = 3
)

// Codes of media events, and the bits that Status has with them.
const (
	MediaNone     = 0
	MediaEject    = 1 // somebody asks that the disc is taken out
	MediaNew      = 2
	MediaRemoved  = 3
	MediaChanged  = 4 // it was changed while nobody looked: the drive was asked to load another
	MediaFormat   = 5 // the background format is complete
	MediaRestart  = 6 // the background format has begun again
	MediaTrayOpen = 0x01
	MediaPresent  = 0x02
)

// EventHeaderLen and EventLen are the lengths of what GET EVENT STATUS NOTIFICATION data begins with, and of an event.
const (
	EventHeaderLen = 4
	EventLen       = 4
)

// An Event is an event descriptor of any class (MMC-6 6.7.3).
type Event struct {
	Class  uint8
	Code   uint8 // 0 to 15; 0 is that there is nothing new
	Status uint8
	Report uint16 // of media events the slots, of operational and external ones the request
}

// Append appends GET EVENT STATUS NOTIFICATION data of the event: classes has a bit for each class that the drive reports, as 1 << class.
func (e Event) Append(dst []byte, classes uint8) []byte {
	dst = append(dst, 0, EventHeaderLen-2+EventLen, e.Class&7, classes, e.Code&0xf, e.Status)
	return binary.BigEndian.AppendUint16(dst, e.Report)
}

// AppendNoEvent appends GET EVENT STATUS NOTIFICATION data for classes that the drive does not report, or when none is asked for (NEA).
func AppendNoEvent(dst []byte, classes uint8) []byte {
	return append(dst, 0, EventHeaderLen-2, 0x80, classes)
}

// ErrEvent is wrapped by every error of [ParseEvent].
var ErrEvent = errors.New("malformed GET EVENT STATUS NOTIFICATION data")

// ParseEvent reads GET EVENT STATUS NOTIFICATION data: for initiators and tests. Any is false if there is no event of the classes asked for.
func ParseEvent(b []byte) (e Event, classes uint8, any bool, err error) {
	if len(b) < EventHeaderLen || int(binary.BigEndian.Uint16(b)) != len(b)-2 {
		return Event{}, 0, false, fmt.Errorf("%w: %d bytes", ErrEvent, len(b))
	}
	if b[2]&0x80 != 0 {
		return Event{}, b[3], false, nil
	}
	if len(b) < EventHeaderLen+EventLen {
		return Event{}, 0, false, fmt.Errorf("%w: %d bytes with an event", ErrEvent, len(b))
	}
	return Event{Class: b[2] & 7, Code: b[4] & 0xf, Status: b[5], Report: binary.BigEndian.Uint16(b[6:])}, b[3], true, nil
}
