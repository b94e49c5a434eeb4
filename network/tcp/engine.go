package tcp

import "errors"

// ErrDetached: the connection was taken off its engine.
var ErrDetached = errors.New("tcp: the connection was taken off its engine")

// An Engine waits for sockets, and calls their handlers when there is something to
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
	// Start lets the engine call h, until h has ended. It is called once.
	Start(h Handler)
	// Try calls f with the descriptor, now; f must not block. An error says that the socket
	// is closed, and f was not called.
	Try(f func(fd uintptr)) error
	// AwaitRoom lets the engine call w.Writable when there is room to send. It is not called
	// again before w.WriteDone.
	AwaitRoom(w WriteHandler)
	// Resume ends a pause that [Pause] has begun or is just beginning.
	Resume()
	// Detach takes the connection off its engine when nothing of it is in flight: to go on with it
	// on another engine, or in another process. It is called once, after Start.
	//
	// may is called as Handler.Receive is, between two calls of it: soon, and, as long as it returns
	// false, after each that follows. It must not wait. When it has returned true the Handler is not
	// called any more; who awaits room is told [ErrDetached]; and then takes the connection, on a
	// goroutine where it may wait. By then Try fails too, with ErrDetached, and so do all others.
	// What the Handler has received and not handled is still the Handler's; what the Sender has not
	// sent is what Sender.Detach returns.
	//
	// If the connection ends first, Handler.Ended is called, and then never is.
	Detach(may func() bool, then func(c *Conn))
	// CloseWrite ends our direction of the stream after what has been sent.
	CloseWrite() error
	// Close closes the connection: nothing is sent any more, and the handler ends soon.
	// A socket that was never started is gone when Close returns.
	Close() error
}

// A Handler handles what a socket receives, when its engine says that there may be something.
// One goroutine at a time calls its methods.
type Handler interface {
	// MayBlock reports that the next Receive may wait for the end of another connection. Else
	// Receive does not wait.
	MayBlock() bool
	// Receive receives once and handles what has come.
	Receive(fd uintptr) Next
	// Idle gives back what a connection does not need until there is something to receive. It
	// does not wait.
	Idle()
	// Ended is the last call, after [End] or because the socket was closed: then err says
	// so. It may wait. The descriptor is closed when it has returned.
	Ended(err error)
}

// A WriteHandler goes on with sending after [Socket.AwaitRoom]; a [Sender] is one. One goroutine
// at a time calls its methods, which may be another than the one that calls the Handler. They do
// not wait.
type WriteHandler interface {
	// Writable sends, and returns false when the socket is full: then it is called again.
	Writable(fd uintptr) bool
	// WriteDone ends what AwaitRoom has begun: Writable has returned true, or the socket is
	// closed or detached, as err says.
	WriteDone(err error)
}

// Next is what an engine does after a call of Handler.Receive.
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

// A detachment is what [Socket.Detach] was called with.
type detachment struct {
	may  func() bool
	then func(c *Conn)
}
