// Package ethernet is frames of Ethernet as programs send and receive them beside the host's own protocols. What every
// provider of an interface does is said here: package packet has those of this host (AF_PACKET), package sim a network inside
// the process, with faults.
package ethernet

import "errors"

// Errors; what is returned wraps one of them.
var (
	// ErrDenied: the process lacks CAP_NET_RAW.
	ErrDenied = errors.New("ethernet: raw Ethernet takes CAP_NET_RAW")
	// ErrNoInterface: there is no such interface.
	ErrNoInterface = errors.New("ethernet: no such interface")
	// ErrDown: the interface is down, or gone.
	ErrDown = errors.New("ethernet: interface down")
	// ErrTooLong: a frame is longer than the interface takes.
	ErrTooLong = errors.New("ethernet: frame too long")
	// ErrClosed: the wire is closed.
	ErrClosed = errors.New("ethernet: closed")
)

// A Host has interfaces.
type Host interface {
	// Open opens an interface. It is [ErrDenied] or [ErrNoInterface]; one that is down can be opened.
	Open(c Config) (Wire, error)
}

// Config says what is opened.
type Config struct {
	Interface string
	// VLAN, 1 to 4094: if the host has an interface of the name IFACE.VLAN that one is opened. Else the wire has
	// frames of that VLAN alone, and those that it sends are tagged with it and the priority (802.1Q). 0: frames without
	// a tag, or with one that has a priority and no VLAN.
	VLAN     uint16
	Priority uint8 // 0 to 7: of the tag, and of the frames in the host
	Types    []Type
	// Longest is how many bytes behind the type the longest frame has that is received: longer ones are thrown away, and counted.
	Longest int
	// Receives is how many bytes of such frames may wait to be handed over: [Wire.Room] says how many may in fact.
	Receives int64
}

// A Wire is an open interface. Its methods may be called from any goroutine.
type Wire interface {
	// Start lets h have what comes. It is called once. The first call to h is Changed, with the state as it is.
	Start(h Handler)
	// Send hands frames to the interface, in order, without waiting for anybody, and returns how many it has taken. Their memory is free then,
	// and so is that of the others.
	// Less than all and no error: the rest is to come again after [Handler.Writable]. With an error it is about the first that was not
	// taken: [ErrTooLong] is about that frame alone, [ErrDown] and [ErrClosed] about all that follow. It is called by one goroutine at a time, and may be called from the handler.
	Send(batch []Frame) (int, error)
	// Join lets frames to another address come as well, of a group or of a single station; Leave ends that. Each address is joined
	// once. What is joined stays so when the interface goes and comes back.
	Join(m MAC) error
	Leave(m MAC) error
	// State is the interface now.
	State() State
	// Room is how many bytes of frames may wait to be handed over, if they are as long as frames may be: of shorter ones, fewer.
	Room() int64
	// Stats is what it has done.
	Stats() Stats
	// Close ends it: no call to the handler is under way or comes when it returns. It is not called from the handler. A second call
	// does nothing.
	Close() error
}

// A Handler is the user of a wire. Calls come one at a time. None may wait.
type Handler interface {
	// Received delivers a frame: destination, source, type and payload, without tag. It borrows b. It may be followed by padding.
	Received(b []byte)
	// Batch tells that a batch of frames has been delivered: what was put off since the first of them can be sent.
	Batch()
	// Writable tells that Send may take more.
	Writable()
	// Changed tells that the state is another: link up or down, another MTU or MAC, the interface gone or there again.
	Changed(s State)
}

// A State is what an interface is now.
type State struct {
	Name string // as the host calls it: IFACE, or IFACE.VLAN
	MAC  MAC
	MTU  int  // bytes behind the type
	Up   bool // administratively up, and it has a carrier
	Gone bool // there is no such interface now
}

// Stats count what a wire has done.
type Stats struct {
	FramesIn, FramesOut int64
	Receives, Sends     int64 // system calls
	Blocked             int64 // sends that did not take all
	Copied              int64 // bytes copied in user space
	Lost                int64 // frames for which there was no room here
	TooLong             int64 // frames that came and were longer than is received
}
