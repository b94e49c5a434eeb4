// Package fc is Fibre Channel's levels FC-2 and below as a SCSI transport needs them: names and addresses,
// frames, and what every network of N_Ports does, whoever provides it. Each provider is a package below, and
// passes the suite fctest. docs/design/fc.md draws it.
//
// A network carries sequences of frames for ports, and finds addresses for them. What exchanges and logins
// are is the business of package nport, for all providers.
package fc

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/lunette-io/lunette/buffer"
)

// Errors of networks; what they return wraps one of them.
var (
	// ErrClosed reports a port that has been detached, or a network that is closed.
	ErrClosed = errors.New("fc: closed")
	// ErrDown reports that the port has no address now: the link is down, or it is not logged in.
	ErrDown = errors.New("fc: link down")
	// ErrCancelled is what a sequence ends with that was cancelled.
	ErrCancelled = errors.New("fc: sequence cancelled")
)

// A Provider opens networks of one kind.
type Provider interface {
	// Open opens the network at address, as the provider writes addresses. The same address may be
	// open once.
	Open(ctx context.Context, address string) (Network, error)
	// Close ends the provider, after all of its networks are closed.
	Close() error
}

// A Network has N_Ports: a fabric, or ports that are neighbours of each other.
type Network interface {
	// Attach makes an N_Port. The network finds an address for it, now or when it can, and tells h.
	Attach(c PortConfig, h Handler) (Link, error)
	// Info says what is known of the network.
	Info() NetworkInfo
	// Close ends the network, after all links are closed.
	Close() error
}

// A Zoned network has a fabric that asks who may see whom.
type Zoned interface {
	// Zone lets the fabric ask z from now on. It is called before the first Attach, if at all.
	Zone(z Zoning)
	// Rezone tells that z answers otherwise than before: who has asked for state changes is told. No lock is held.
	Rezone()
}

// A Zoning says who may see whom: whether the port inside lets the port outside see it. It waits for nobody, takes no lock, and is
// called with locks held.
type Zoning interface {
	Sees(inside, outside Name) bool
}

// NetworkInfo says what is known of a network.
type NetworkInfo struct {
	Provider string // "fcoe", "sim"
	Address  string // as it was opened
	State    string // what it is doing, in words for people: "up", "no carrier", "the MTU 1400 is too small"
	Lines    []string
}

// A PortConfig says what is attached.
type PortConfig struct {
	Node, Port Name
	// Types are the FC-4 types that the port has, and Features of FCP those of GS-7's registration.
	Types    []Type
	Features Features
}

// Features are what a port is by FCP (GS-7, "FC-4 Features").
type Features uint8

// Features.
const (
	FeatureTarget    Features = 1 << 0
	FeatureInitiator Features = 1 << 1
)

// An Attachment is the place of a port in a network.
type Attachment struct {
	ID ID
	// Fabric says that there is a fabric, with its services at the well-known addresses; else the ports
	// of the network are neighbours, and Handler.Found tells of each.
	Fabric bool
	// FabricName is that of the fabric, if there is one.
	FabricName Name
	// MaxPayload is how much payload a frame may have that goes this way, in bytes: 256 to 2112.
	MaxPayload int
	// ErrorDetect and ResourceAllocation are E_D_TOV and R_A_TOV.
	ErrorDetect, ResourceAllocation time.Duration
	// Receives is how many bytes of payload may be on the way to all ports of the network, so that none is
	// lost here: a port asks for no more at a time than its share of it.
	Receives int64
}

// A Neighbour is another port of a network without a fabric, which has logged in at the link.
type Neighbour struct {
	ID         ID
	Node, Port Name
	MaxPayload int
}

// A Link is a port's way to its network. Its methods may be called from any goroutine, with locks held,
// but for Flush and Close.
type Link interface {
	// Post queues s, which it takes until [Handler].Sent. false: the port has no address (any more), s is
	// not taken. Sequences to one address leave in the order of the calls, and the frames of two addresses
	// take turns.
	Post(s *Sequence) bool
	// Flush sends what is queued and waits for nobody: what the network does not take now goes later. No lock may be held:
	// Sent is called from it. While the network hands over a batch of what it has received it does nothing, since
	// it flushes at the end.
	Flush()
	// Cancel lets nothing more of s leave. Sent follows as ever. s must be taken and not given back.
	Cancel(s *Sequence)
	// Close takes the port out of the network: it logs out there. When it returns every sequence has been given
	// back, and no call to the handler is under way or comes. It is not called from the handler. A second
	// call does nothing.
	Close()
	// Stats is what the link has done.
	Stats() Stats
}

// A Handler is the user of a link. The network holds no lock when it calls it. All calls but Sent come one at
// a time; none may wait.
type Handler interface {
	// Up tells that the port has an address, or that what belongs to it has changed.
	Up(a Attachment)
	// Down tells that it has none any more: no login of it counts.
	Down(why error)
	// Found tells of a neighbour that has logged in at the link (again: its logins at this port do not count any
	// more), and Gone that it is not there any more.
	Found(n Neighbour)
	Gone(id ID, why error)
	// Received delivers a frame to the port's address, in the order in which the network has them. It borrows f and
	// all that it names. The network has checked CRC, delimiters, length, and that whoever owns S_ID on its side of the network
	// has sent it.
	Received(f *Frame)
	// Sent gives s back, on any goroutine: its memory is free. nil: all of it has been handed to the network.
	Sent(s *Sequence, err error)
}

// A Frame is one that has come, without its delimiters, fill bytes and CRC.
type Frame struct {
	Header
	// First and Last say that it begins a sequence (SOFi3), and that it ends one (EOFt).
	First, Last bool
	Payload     []byte
}

// A Sequence is one that is to be sent (FS-5 "sequence"): a network makes frames of it. Whoever posts it owns it, and lends it with
// everything that it names, from Post to Sent.
type Sequence struct {
	// Header is that of the last frame. In those before it END_SEQUENCE, LAST_SEQUENCE, SEQUENCE INITIATIVE and fill are not set.
	// SEQ_CNT and, with RELATIVE OFFSET PRESENT, the parameter are those of the first frame, and go on from there.
	Header Header
	// Head is payload that goes before Data: it fits in the first frame.
	Head []byte
	// Data is borrowed: Len bytes of it, from At on. nil if Len is 0.
	Data    *buffer.Lease
	At, Len int64
	// MaxPayload is what the other port takes in a frame; the network's own limit counts too.
	MaxPayload int

	Owner any // the poster's

	// The provider's.
	Next  *Sequence
	Moved int64
	State uint32
	left  uint32 // atomic
}

// Queued is for providers: s has been posted, and has not left.
func (s *Sequence) Queued() { atomic.StoreUint32(&s.left, 0) }

// Leaves is for providers: the last frame of s is about to be handed to the network. It is told before that is done.
func (s *Sequence) Leaves() { atomic.StoreUint32(&s.left, 1) }

// Left says whether the other port may have all of s: its answer may come before Sent does. It may be asked from Post to Sent.
func (s *Sequence) Left() bool { return atomic.LoadUint32(&s.left) != 0 }

// Stats count what a link has done.
type Stats struct {
	FramesIn, FramesOut int64
	BytesIn, BytesOut   int64 // payload of frames
	Receives, Sends     int64 // system calls
	Blocked             int64 // sends that the network did not take at once
	Copied              int64 // bytes of payload copied in user space
	Dropped             int64 // frames that came and were thrown away: damaged, of nobody, of somebody else
	BytesQueued         int64 // waiting to be sent
}
