// Package rdma is reliable connections with remote memory access, as InfiniBand, RoCE and
// iWARP have them, in hardware or in software (RFC 5040, RFC 5041). What every provider does
// is said here; each provider is a package below, and passes the suite rdmatest.
//
// A transport posts works to a connection and gets them back; it is told of messages. Nothing
// here waits for the network, but setting up does.
package rdma

import (
	"context"
	"errors"
	"os"

	"github.com/lunette-io/lunette/buffer"
	"github.com/lunette-io/lunette/internal/handed"
)

// A Device makes reliable connections of one provider.
type Device interface {
	// Listen makes a service point at addr, HOST:PORT.
	Listen(ctx context.Context, addr string) (Listener, error)
	// Dial connects to a service point. It returns the private data of the peer's answer; a
	// peer that refuses is a [RejectedError]. The connection is not started.
	Dial(ctx context.Context, addr string, o Options) (Conn, []byte, error)
	// Close ends the device, after all of its connections have ended and its listeners are
	// closed.
	Close() error
}

// A Listener is a service point.
type Listener interface {
	// Accept waits for the next peer that asks for a connection. A peer that is slow to ask
	// holds up no other. net.ErrClosed ends it.
	Accept() (Request, error)
	// Addr is the address that the listener is bound to, as ADDR:PORT.
	Addr() string
	// Close stops accepting, and gives up peers that have not been accepted. A second call
	// does nothing.
	Close() error
}

// Share is a duplicate of the socket of a listener, if it can hand that on (package handed).
func Share(l Listener) (*os.File, error) {
	if s, ok := l.(handed.Sharer); ok {
		return s.Share()
	}
	return nil, errors.ErrUnsupported
}

// An Evicter is a [Listener] that closes peers which have not asked for a connection, to make room for
// others.
type Evicter interface {
	// Evicted lets f know of each of them, by its address. It is called before Accept.
	Evicted(f func(remote string))
}

// A Request is a peer that asks for a connection. It ends with one call of Accept or Reject.
type Request interface {
	// Private is the private data that the peer sent along.
	Private() []byte
	// Info says what is known of the connection.
	Info() Info
	// Accept answers that the connection is made. It is not started.
	Accept(o Options) (Conn, error)
	// Reject answers that it is not, with private data.
	Reject(private []byte) error
}

// Options are what one side wants of a connection.
type Options struct {
	// Private is the private data of the request or the answer, up to [MaxPrivate] bytes.
	Private []byte
	// Reads is how many RDMA Reads this side wants to have outstanding (iWARP's ORD); the
	// peer may allow fewer: see [Info].
	Reads int
	// Serves is how many RDMA Reads of the peer this side serves at a time (iWARP's IRD).
	Serves int
	// MaxMessage is the longest message that is received, in bytes; a longer one ends the
	// connection.
	MaxMessage int
	// Messages is how many messages the peer may send before the first of them has been
	// handled: the depth of the receive queue, for providers that have one.
	Messages int
}

// MaxPrivate is how much private data an answer can have with every provider, in bytes: rdma_cm's limit for
// answers is the smallest. With those whose connections InfiniBand's communication manager makes a request has
// 56 bytes and a refusal 148, and what comes has zeros behind it up to its limit.
const MaxPrivate = 196

// A Conn is one reliable connection. All methods but Start may be called from any goroutine,
// with locks held, but for Flush and Close.
type Conn interface {
	// Start lets h have what comes, until the connection has ended. It is called once.
	Start(h Handler)

	// Post queues w, which it takes until [Handler].Done. false: the connection has ended, w is
	// not taken. Sends and Writes go out in the order of the calls (see [Work].Overtakes), and the peer is told of a
	// Send after all Writes that were posted before it have been placed. A Read waits while as
	// many are outstanding as Info says; what is posted after it may overtake it.
	Post(w *Work) bool

	// Flush sends what is queued. No lock may be held: Done is called from it. While the
	// connection hands over a batch of what it has received it does nothing, since the
	// connection flushes at the end.
	Flush()

	// Cancel takes a Read back that the peer has not been asked for yet. false: it has been, or
	// has ended, and Done gives it back.
	Cancel(w *Work) bool

	// Close ends the connection. With a nil error what was posted is still sent if the peer
	// takes it in time, and then our direction is closed; else the connection is broken off.
	// No lock may be held. Handler.Closed follows, unless the connection was not started:
	// then nothing of it is left when Close returns. A second call does nothing.
	Close(err error)

	Windows

	// Info says what is known of the connection, and Stats what it has done.
	Info() Info
	Stats() Stats
}

// Windows are the memory that the peer of a connection may reach.
type Windows interface {
	// Expose lets the peer reach data, all of it, under a key that it cannot guess. It borrows
	// data until Revoke, until the peer has invalidated the key, or until Handler.Closed.
	Expose(data *buffer.Lease, a Access) (Remote, error)
	// Revoke ends that. When it returns nothing touches the memory on behalf of the key.
	// false: there is no such key (any more). No lock may be held that Done takes.
	Revoke(k Key) bool
}

// A Handler is the user of a connection. The provider holds no lock when it calls it. Received and
// Done do not wait: they may run on a thread that serves many connections.
type Handler interface {
	// Received delivers a message, in order, one at a time. It borrows m.Data.
	Received(m Message)
	// Done gives w back, on any goroutine. After a Send or Write without an error its memory is
	// free, which does not mean that the peer has the data; after a Read the data is in place.
	// An error wraps one of this package's, and the connection ends.
	Done(w *Work, err error)
	// Closed is the last call: every work has been given back and no memory is in use. err is
	// nil after an orderly end by either side, else it wraps one of this package's.
	Closed(err error)
}

// A Message is what a peer has sent by a Send.
type Message struct {
	Data []byte
	// Invalidated is the key that the peer has invalidated with it (RFC 5040 5.3), if
	// Invalidates; it was exposed on this connection and is not any more.
	Invalidated Key
	Invalidates bool
}

// A Key names memory that is reached remotely: iWARP's STag, InfiniBand's R_Key. It is a
// capability, and not for logs.
type Key uint32

// Remote is a place in the memory of a peer.
type Remote struct {
	Key  Key
	Addr uint64 // tagged offset, or virtual address
}

// Access is what a peer may do with memory.
type Access uint8

// What a peer may do.
const (
	RemoteRead Access = 1 << iota
	RemoteWrite
)

// Op is what a [Work] does.
type Op uint8

// Operations.
const (
	Send           Op = iota
	SendInvalidate    // and invalidates a key of the peer
	Write             // from Data to Remote
	Read              // from Remote to Data
)

// A Work is one request to a connection. Who posts it owns it, and lends it, with everything
// that it names, from Post to Done.
type Work struct {
	Op Op
	// Solicited asks that the peer be woken for this Send (RFC 5040 5.3).
	Solicited bool
	// Overtakes: this Write may go out before what was posted before it and has not left yet. A provider that is quicker so may do it: packets of equal length leave with one call.
	Overtakes bool
	// Head goes before Data in a Send.
	Head []byte
	// Data is borrowed: Len bytes of it, from At on. nil if Len is 0.
	Data    *buffer.Lease
	At, Len int64
	// Remote is where a Write goes to or a Read comes from.
	Remote Remote
	// Invalidate is the peer's key that a SendInvalidate ends.
	Invalidate Key

	Owner any // the poster's

	// The provider's.
	Next  *Work
	Moved int64
	State uint32
}

// Info says what is known of a connection.
type Info struct {
	Provider      string // "iwarp", "sim"
	Local, Remote string // addresses, as ADDR:PORT
	// Reads is how many Reads may be outstanding: what both sides agreed on, or, for a
	// Request, what the peer offers to serve.
	Reads int
}

// Stats count what a connection has done.
type Stats struct {
	MessagesIn, MessagesOut int64 // Sends
	Writes, Reads           int64 // posted by this side
	BytesIn, BytesOut       int64 // on the wire
	Placed                  int64 // bytes of Reads, and of the peer's Writes, that came
	Receives, Sends         int64 // system calls
	ReceiveAgain            int64 // receives that found nothing
	Blocked                 int64 // sends that had to wait for the peer
	Copied                  int64 // bytes of payload copied in user space, in messages too
	CopiedPlaced            int64 // of these, bytes of Reads and of the peer's Writes
	Queued, BytesQueued     int64 // waiting to be sent now; Reads that wait for others are not
	Asked                   int64 // Reads that the peer has been asked for, and has not answered
	Unfinished              bool  // a part of something has come, and the rest has not
}
