// Package cm is InfiniBand's communication manager (IBTA volume 1, chapter 12) with the conventions of RDMA IP CM (annex A11): it asks for reliable connections, answers those
// who ask, and ends them. It has no sockets: messages come by [Manager.Received] and leave by [Config].Send; its clock is package time's.
package cm

import (
	"errors"
	"time"

	"github.com/lunette-io/lunette/network/rdma/ib"
	"github.com/lunette-io/lunette/network/rdma/ib/mad"
)

// Errors; what is returned, or told to an [Owner], wraps one of them or is a [RejectedError].
var (
	// ErrClosed: the manager, or the service point, is closed.
	ErrClosed = errors.New("cm: closed")
	// ErrTimeout: the peer has not answered.
	ErrTimeout = errors.New("cm: the peer does not answer")
	// ErrGone: the request was given up before it was answered, or the connection before the peer was ready, since others needed the room.
	ErrGone = errors.New("cm: the request has been given up")
	// ErrStale: the peer has asked for another connection with the queue pair of this one.
	ErrStale = errors.New("cm: the peer has forgotten the connection")
	// ErrProtocol: the peer's answer cannot be used.
	ErrProtocol = errors.New("cm: the peer violates the protocol")
	// ErrTerms: what the caller wants cannot be said in a message.
	ErrTerms = errors.New("cm: not possible")
)

// A RejectedError is a peer's REJ.
type RejectedError struct {
	Reason  mad.Reason
	Info    []byte // additional reject information: of mad.InvalidMTU one byte, the code of the largest possible
	Private []byte // 148 bytes, those of the peer's user with mad.ConsumerReject
}

func (e *RejectedError) Error() string {
	return "cm: the peer refuses the connection: " + e.Reason.String()
}

// Config says how a manager works.
type Config struct {
	// Send sends a management datagram (256 bytes, borrowed) to QP1 of the other end of a path. It is called with the lock of the manager held, does not wait, and
	// calls no method of the manager.
	Send func(p ib.Path, datagram []byte)
	// GUID is the identity of this channel adapter.
	GUID uint64
	// HalfOpen is how many connections may wait to be accepted, or for their RTU; 0: 256. When there is one more the oldest of the address with most goes.
	HalfOpen int
	// Limits bound what peers can make the manager do; 0: as [DefaultLimits].
	Limits Limits
}

// Terms are what one side says of its queue pair, and wants of a connection.
type Terms struct {
	QPN     ib.QPN
	PSN     ib.PSN        // what this side expects first from the other: the starting PSN of its message
	MTU     int           // bytes of payload: 256 to 4096, of REQ alone; the answer can refuse it
	Reads   int           // RDMA Reads that this side wants to have outstanding (initiator depth)
	Serves  int           // RDMA Reads of the peer that it serves (responder resources)
	Credits bool          // end to end flow control
	Timeout time.Duration // local ACK time-out: how long the other side waits for an acknowledgement. Of REP alone the delay of the target
	Retries int           // 0 to 7: how often the other side tries again. Of REQ alone
	RNR     int           // how often the other side tries again after RNR NAK, 0 to 7; 7: without end
	Private []byte        // up to 56 bytes in REQ behind the header of IP CM, up to 196 in REP. What comes is padded to that
}

// A Listener is the user of a service point. No lock is held, calls do not wait, and come one at a time.
type Listener interface {
	// Requested is told of a peer that asks for a connection. false: there is no room (REJ: no resources).
	Requested(r *Request) bool
	// Withdrawn: nobody waits for the answer to r any more, or it had to make room for others (evicted). Accept and Reject fail with [ErrGone].
	Withdrawn(r *Request, evicted bool)
}

// An Owner is the user of a connection. No lock is held, calls do not wait, and come one at a time. Disconnected or Failed is the last one; neither comes
// after Disconnect was called, but for one that was under way. They may come before Accept or Dial has returned.
type Owner interface {
	// Established: RTU has come, or a packet of the queue pair before it ([Connection.Heard]). It is not told of connections that were dialled.
	Established()
	// Disconnected: the peer has sent DREQ, with private data, which are lent; it was answered.
	Disconnected(private []byte)
	// Failed: the peer has not answered REP, or has rejected what was made, or has forgotten it; or others needed the room.
	Failed(err error)
}
