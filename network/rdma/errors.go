package rdma

import "errors"

// What a connection or a work ends with. Errors of providers wrap one of these and say more:
// which layer found it, and on which side.
var (
	// ErrFlushed: the connection ended before the work was done.
	ErrFlushed = errors.New("rdma: work flushed")
	// ErrClosed: this side has ended the connection.
	ErrClosed = errors.New("rdma: connection closed")
	// ErrLost: the network below has given up the connection, or the peer is gone.
	ErrLost = errors.New("rdma: connection lost")
	// ErrAccess: the peer has used memory that it may not use, or not so. Nothing of it was
	// touched.
	ErrAccess = errors.New("rdma: access violation by the peer")
	// ErrRemoteAccess: the peer says that of us.
	ErrRemoteAccess = errors.New("rdma: remote access error")
	// ErrLength: a message is longer than its receiver takes.
	ErrLength = errors.New("rdma: message too long")
	// ErrProtocol: the peer has broken the rules of the protocol.
	ErrProtocol = errors.New("rdma: protocol error")
	// ErrRemote: the peer has ended the connection because of an error of another kind.
	ErrRemote = errors.New("rdma: ended by the peer")
	// ErrExhausted: there is no room for more windows or connections.
	ErrExhausted = errors.New("rdma: out of resources")
)

// A RejectedError is a peer that did not accept a connection.
type RejectedError struct {
	Private []byte // of its answer
}

func (e *RejectedError) Error() string { return "rdma: connection rejected by the peer" }
