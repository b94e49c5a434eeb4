package pdu

import "fmt"

// AsyncEvent is what an Asynchronous Message tells (RFC 7143 section 11.9.1).
type AsyncEvent uint8

// Asynchronous events. Vendors have 248 to 255.
const (
	AsyncSCSI           AsyncEvent = 0 // sense data is in the data segment
	AsyncLogoutRequest  AsyncEvent = 1 // Param3: within so many seconds
	AsyncDropConnection AsyncEvent = 2 // Param1: CID, Param2: Time2Wait, Param3: Time2Retain
	AsyncDropSession    AsyncEvent = 3 // Param2: Time2Wait, Param3: Time2Retain
	AsyncRenegotiate    AsyncEvent = 4 // Param3: within so many seconds
	AsyncTasksGone      AsyncEvent = 5 // all tasks of the LUN are terminated
	AsyncVendor         AsyncEvent = 255
)

// String is the event in the standard's words.
func (e AsyncEvent) String() string {
	switch e {
	case AsyncSCSI:
		return "SCSI asynchronous event"
	case AsyncLogoutRequest:
		return "target requests logout"
	case AsyncDropConnection:
		return "target drops the connection"
	case AsyncDropSession:
		return "target drops all connections of the session"
	case AsyncRenegotiate:
		return "target requests parameter negotiation"
	case AsyncTasksGone:
		return "all active tasks of the LUN are terminated"
	}
	return fmt.Sprintf("event %d", uint8(e))
}

// Async is an Asynchronous Message PDU (RFC 7143 section 11.9).
type Async struct {
	LUN        uint64
	Event      AsyncEvent
	VendorCode uint8
	Param1     uint16
	Param2     uint16
	Param3     uint16
}

// ParseAsync reads an Asynchronous Message. The value is filled even if there
// is an error.
func ParseAsync(h *BHS) (Async, error) {
	x := Async{
		LUN:        h.LUN(),
		Event:      AsyncEvent(h[36]),
		VendorCode: h[37],
		Param1:     h.u16(38),
		Param2:     h.u16(40),
		Param3:     h.u16(42),
	}
	switch {
	case h.Opcode() != OpAsync:
		return x, h.check(OpAsync)
	case h.ITT() != NoTag:
		return x, invalid(OpAsync, "the Initiator Task Tag is not the reserved value")
	}
	return x, nil
}

// Put fills h.
func (x Async) Put(h *BHS) {
	h.reset(OpAsync, false, bitFinal)
	h.putLUN(x.LUN)
	h.putU32(16, NoTag)
	h[36] = byte(x.Event)
	h[37] = x.VendorCode
	h.putU16(38, x.Param1)
	h.putU16(40, x.Param2)
	h.putU16(42, x.Param3)
}
