package tcp

// An Engine waits for sockets, and calls those who own them when there is something to
// do. It decides on which threads the data path runs; the code of the data path is the
// same in all engines.
type Engine interface {
	// Attach makes of c, which it takes, a socket that the engine waits for. It frees what
	// c holds if it fails.
	Attach(c *Conn) (Socket, error)
	// Close ends the engine, after all of its sockets have ended.
	Close() error
}

// A Socket is a connection in the hands of an engine. All methods but Start may be called
// from any goroutine.
type Socket interface {
	// Start lets the engine call o, until o has ended. It is called once.
	Start(o Owner)
	// Try calls f with the descriptor, now; f must not block. An error says that the socket
	// is closed, and f was not called.
	Try(f func(fd uintptr)) error
	// AwaitRoom lets the engine call Owner.Send when there is room to send. It is not called
	// again before Owner.Sent.
	AwaitRoom()
	// Resume ends a pause that [Pause] has begun or is just beginning.
	Resume()
	// CloseWrite ends our direction of the stream after what has been sent.
	CloseWrite() error
	// Close closes the connection: nothing is sent any more, and the owner ends soon.
	// A socket that was never started is gone when Close returns.
	Close() error
}

// An Owner receives from a socket and sends to it, when its engine says that it can. None
// of Park, Send and Sent waits, and Receive only after Waits has said that it may. Waits,
// Receive and Park are called by one goroutine at a time, and Send by one that may be another.
type Owner interface {
	// Waits reports that the next Receive may wait for the end of another connection.
	Waits() bool
	// Receive receives once and handles what has come.
	Receive(fd uintptr) Next
	// Park gives back what a connection does not need until there is something to receive.
	Park()
	// Send goes on with sending, after AwaitRoom. It returns false when the socket is full.
	Send(fd uintptr) bool
	// Sent ends AwaitRoom: Send has returned true, or the socket is closed, as err says.
	Sent(err error)
	// Ended is the last call, after [End] or because the socket was closed: then err says
	// so. It may wait. The descriptor is closed when it has returned.
	Ended(err error)
}

// Next is what an engine does after a call of Owner.Receive.
type Next uint8

// What an engine can do next.
const (
	More    Next = iota // something was received: there may be more
	All                 // all was received that was there
	One                 // all that was there was one small thing: the peer waits for its answer
	Nothing             // nothing was there: wait for it
	Pause               // do not receive until Socket.Resume
	End                 // never receive again
)
