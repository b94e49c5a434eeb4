package tcp

import (
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// A Sender decides who sends what a connection has queued. Whoever flushes while nobody
// sends does, and goes on until the queue is empty: batch by batch, each with one system
// call if the socket takes it. While the owner of the socket handles what it has received
// the queue is held, so that all answers leave together at the end. When the socket is full
// the engine says when there is room again, and goes on.
//
// The queue is the user's, which embeds the Sender in it; the lock of the Sender guards it. A
// method that wants the lock held says so.
type Sender struct {
	sync.Mutex

	q       Queue
	sock    Socket
	idle    sync.Cond // with the lock: nobody sends any more
	queued  int       // bytes
	busy    bool      // somebody sends, or awaits room
	blocked bool      // it awaits room
	ends    bool      // the connection ends with the queue
	hard    bool      // or when the socket is full
	failed  bool      // the socket is broken

	held atomic.Bool // what is queued waits for Release
	much atomic.Bool // muchQueued bytes or more are queued: it does not

	// Of the one who sends.
	left []unix.Iovec // of the batch, not sent
	full bool         // the socket has not taken all
	err  error
	try  func(fd uintptr)

	calls, bytes, blocks atomic.Int64
}

// A Queue is what a [Sender] sends. One goroutine at a time calls its methods, and all with
// the Sender's lock held but for Send and Done.
type Queue interface {
	// Ready reports that Batch would have something.
	Ready() bool
	// Batch takes what the next call shall send from the front of the queue. The vectors are
	// the Sender's, which edits them, until Done or Failed. None: there is nothing to send.
	// It may let the lock go in between.
	Batch() []unix.Iovec
	// Send is Sender.Send, or that with what the queue has to do before or after.
	Send(fd uintptr) bool
	// Done says that the batch was sent. The lock is not held: it may call out.
	Done()
	// Failed says that what is queued, and the rest of the batch, will not be sent: the socket
	// is broken, as err says, or it is full where that ends the connection, and err is nil.
	Failed(err error)
	// Rest says that nobody sends: the buffers of batches may be given back.
	Rest()
}

// muchQueued is how many bytes are sent while the queue is held: it keeps little memory in flight.
const muchQueued = 256 << 10

// Init makes s send what q has to sock. The owner of sock passes its calls of Send and Sent on.
func (s *Sender) Init(q Queue, sock Socket) {
	s.q, s.sock = q, sock
	s.idle.L = &s.Mutex
	s.try = func(fd uintptr) { q.Send(fd) }
}

// Grow says that n bytes more are queued, or fewer if n is negative. The lock is held.
func (s *Sender) Grow(n int) {
	s.queued += n
	if much := s.queued >= muchQueued; much != s.much.Load() {
		s.much.Store(much)
	}
}

// Queued is how many bytes that is. The lock is held.
func (s *Sender) Queued() int { return s.queued }

// Broken reports that nothing can be sent any more. The lock is held.
func (s *Sender) Broken() bool { return s.failed }

// Hold makes the queue collect, until Release.
func (s *Sender) Hold() { s.held.Store(true) }

// Held reports that it does.
func (s *Sender) Held() bool { return s.held.Load() }

// Release ends Hold, and sends. What was queued before is in the queue that it sees; whoever
// queues after it, and so takes the lock after it, sees that nothing is held.
func (s *Sender) Release() {
	s.Lock()
	s.held.Store(false)
	s.start()
}

// Flush sends what is queued, unless it is held and not much. It is called after something was
// queued: so one that finds the queue held comes before a Release that finds what was queued.
func (s *Sender) Flush() {
	if s.held.Load() && !s.much.Load() {
		return
	}
	s.Lock()
	s.start()
}

// start makes the caller the one who sends, if there is something to send and nobody does. It
// is called with the lock held and returns without.
func (s *Sender) start() {
	if s.busy || s.failed || !s.q.Ready() {
		s.Unlock()
		return
	}
	s.busy = true
	s.run()
}

// End ends our direction of the stream when what is queued has been sent; or, if hard, the
// whole connection, and then it does not wait for room. It ends Hold. It is called with the
// lock held and returns without.
func (s *Sender) End(hard bool) {
	s.held.Store(false)
	s.ends, s.hard = true, hard
	switch {
	case s.failed, s.blocked && hard: // nothing more is sent
		s.end()
		s.Unlock()
	case s.busy: // whoever sends will see it
		s.Unlock()
	default:
		s.busy = true
		s.run()
	}
}

// reset is for an end where something was not sent: the peer must not take it for an orderly one.
func (s *Sender) reset() {
	_ = s.sock.Try(Reset) // it may be closed already
}

// end does what End has asked for. The lock is held.
func (s *Sender) end() {
	if s.failed || s.blocked {
		s.reset()
	}
	if s.hard || s.failed || s.sock.CloseWrite() != nil {
		_ = s.sock.Close() // it may be closed already
	}
}

// run sends: it is called with the lock held and busy set, and returns without the lock. When
// the socket is full it returns too, and Sent goes on.
func (s *Sender) run() {
	for {
		if s.left = s.q.Batch(); len(s.left) == 0 {
			s.rest()
			return
		}
		s.Unlock()
		if err := s.sock.Try(s.try); err != nil {
			s.err = err
		}
		if s.err == nil && s.full {
			s.Lock()
			if s.hard {
				s.fail()
				return
			}
			s.blocks.Add(1)
			s.blocked = true
			s.Unlock()
			s.sock.AwaitRoom()
			return
		}
		if !s.sent() {
			return
		}
	}
}

// Send sends what is left of the batch. It returns false when the socket is full.
func (s *Sender) Send(fd uintptr) bool { return s.SendBy(fd, SendMsg) }

// SendBy is Send with something else than SendMsg.
func (s *Sender) SendBy(fd uintptr, send func(fd uintptr, iov []unix.Iovec, more bool) (int, error)) bool {
	s.err, s.full = nil, false
	for len(s.left) > 0 {
		n, err := send(fd, s.left, false)
		s.calls.Add(1)
		if Again(err) {
			s.full = true
			return false
		}
		if err != nil {
			s.err = err
			return true
		}
		s.bytes.Add(int64(n))
		s.left = Advance(s.left, n)
	}
	return true
}

// Sent goes on when the engine says that Send has returned true, or that it never will.
func (s *Sender) Sent(err error) {
	if err != nil {
		s.err = err
	}
	if s.sent() {
		s.blocked = false
		s.run()
	}
}

// sent ends a batch. If all of it was sent it returns true, with the lock held.
func (s *Sender) sent() bool {
	if s.err == nil {
		s.q.Done()
		s.Lock()
		return true
	}
	s.Lock()
	s.fail()
	return false
}

// Left is what was not sent of the batch. The lock is held, and no Send runs.
func (s *Sender) Left() []unix.Iovec { return s.left }

// Instead makes v, the same bytes, what is left of the batch. The lock is held, and no Send runs.
func (s *Sender) Instead(v []unix.Iovec) { s.left = v }

// rest ends sending: there is nothing. It is called with the lock held and returns without.
func (s *Sender) rest() {
	s.busy, s.blocked = false, false
	s.q.Rest()
	s.idle.Broadcast()
	if s.ends {
		s.end()
	}
	s.Unlock()
}

// fail ends sending, for ever. It is called with the lock held and returns without.
func (s *Sender) fail() {
	s.failed, s.left = true, nil
	if s.ends {
		s.reset() // before the user closes the socket, if it does
	}
	s.q.Failed(s.err)
	s.rest()
}

// Halt, called after the socket was closed, waits until nobody sends, and nobody will. The lock
// is held, but while it waits.
func (s *Sender) Halt() {
	s.ends, s.hard = true, true
	for s.busy {
		s.idle.Wait()
	}
	s.failed = true
}

// SenderStats say what a Sender has done.
type SenderStats struct {
	Calls   int64 // of the system, with those that found the socket full
	Bytes   int64 // that the socket has taken
	Blocked int64 // batches that awaited room
}

// Stats returns that.
func (s *Sender) Stats() SenderStats {
	return SenderStats{Calls: s.calls.Load(), Bytes: s.bytes.Load(), Blocked: s.blocks.Load()}
}
