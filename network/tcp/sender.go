package tcp

import (
	"net"
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// A Sender decides which goroutine sends what a connection has queued. Whoever flushes while
// nobody sends does, and goes on until the queue is empty: batch by batch, each with one call of
// the system if the socket takes it. While the handler of the socket handles what it has
// received, the queue is held, so that all answers leave together at the end. When the socket is
// full the engine says when there is room again, and goes on.
//
// The queue is the [Source]'s, and so is the lock that guards it. The Sender has no lock: its
// state is one atomic word, and whoever sets the bit sending in it is the one who sends, until
// they clear it.
type Sender struct {
	conf SenderConfig

	state atomic.Uint32
	held  atomic.Bool   // what is queued waits for Release
	bytes atomic.Int64  // that are queued
	gone  chan struct{} // the one who sends has handed sending over to Halt or Detach

	// Of the one who sends.
	b      *Batch // nil while nothing is sent
	more   bool   // there may be something behind the batch
	full   bool   // the socket has not taken all of the batch
	err    error  // what sending the batch ended with
	try    func(fd uintptr)
	unsent int // bytes in the batch that are not the source's, but of SenderConfig.Unsent

	calls, sent, blocks atomic.Int64
}

// The state of a Sender.
const (
	sending  uint32 = 1 << iota // a goroutine sends, or awaits room
	queued                      // something was queued since the source was last asked
	blocked                     // room is awaited
	ending                      // End was called: the connection ends with the queue
	hard                        // or when the socket is full
	failed                      // the socket is broken: nothing is sent any more
	detached                    // the socket is gone, and the batch is kept for Detach
	halting                     // Halt or Detach waits for the one who sends
)

// A Source has what a [Sender] sends. One goroutine at a time calls its methods, which may call
// out; nothing of the Sender is locked meanwhile.
type Source interface {
	// Next appends to b, which is empty, what the next call of the system shall send, and
	// reports whether more is queued behind that. If it appends nothing, there is nothing to
	// send now. It may keep b until Sent or Failed, if it has appended something.
	Next(b *Batch) (more bool)
	// Sent says that the batch has been sent, and that what it led to is free. The first may be
	// for [SenderConfig.Unsent], of which Next knows nothing.
	Sent()
	// Failed says, once, that neither the batch, if there is one, nor what is queued will be
	// sent: the socket is broken, as err says, or it is full where that ends the connection, and
	// err is nil.
	Failed(err error)
}

// A SendFunc is [SendMsg], or acts like it.
type SendFunc func(fd uintptr, iov []unix.Iovec) (int, error)

// SenderConfig says what a [Sender] works with. All of it is borrowed.
type SenderConfig struct {
	Source Source
	Socket Socket
	// Batches is where batches are taken from while something is sent.
	Batches *Batches
	// Guard, if not nil, is locked while a batch is being sent. Whoever holds it may call
	// Batch.Own.
	Guard sync.Locker
	// Send, if not nil, is called instead of SendMsg.
	Send SendFunc
	// Unsent is sent before all that the Source has: what [Sender.Detach] of the Sender has
	// returned that had the connection before.
	Unsent []byte
}

// muchQueued is how many bytes are sent while the queue is held: so little memory is in flight.
const muchQueued = 256 << 10

// Init makes s send what c.Source has to c.Socket.
func (s *Sender) Init(c SenderConfig) {
	if c.Send == nil {
		c.Send = SendMsg
	}
	s.conf = c
	s.gone = make(chan struct{})
	s.try = func(fd uintptr) { s.Writable(fd) }
	if len(c.Unsent) > 0 {
		s.Queued(len(c.Unsent))
	}
}

// Queued says that the source has n bytes more to send, or that what it has to send may be sent
// now. It comes after that is so for Source.Next, and sends nothing: Flush and Release do.
func (s *Sender) Queued(n int) {
	if n != 0 {
		s.bytes.Add(int64(n))
	}
	if s.state.Load()&queued == 0 { // else Next will be called after this
		s.state.Or(queued)
	}
}

// Dequeued says that n bytes are not queued any more: they were sent, or never will be.
func (s *Sender) Dequeued(n int) { s.bytes.Add(int64(-n)) }

// Backlog is how many bytes are queued, or in the batch that is being sent.
func (s *Sender) Backlog() int { return int(s.bytes.Load()) }

// Broken reports that nothing can be sent any more.
func (s *Sender) Broken() bool { return s.state.Load()&failed != 0 }

// Hold makes the queue collect, until Release.
func (s *Sender) Hold() { s.held.Store(true) }

// Held reports that it does.
func (s *Sender) Held() bool { return s.held.Load() }

// Release ends Hold, and sends. Whoever calls Queued and then Flush either finds that nothing is
// held any more, or has called Queued before Release looks for that.
func (s *Sender) Release() {
	s.held.Store(false)
	s.flush()
}

// Flush sends what is queued, unless it is held and not much.
func (s *Sender) Flush() {
	if !s.held.Load() || s.bytes.Load() >= muchQueued {
		s.flush()
	}
}

func (s *Sender) flush() {
	if s.state.Load()&queued != 0 { // else another has taken all, or is just about to
		s.start(0)
	}
}

// End ends our direction of the stream when what is queued has been sent; or, if now, the whole
// connection, and then it does not wait for room. It ends Hold.
func (s *Sender) End(now bool) {
	s.held.Store(false)
	how := ending
	if now {
		how |= hard
	}
	// Whoever awaits room looks for hard after it has set blocked.
	if was := s.start(how); now && was&blocked != 0 {
		s.end()
	}
}

// start makes the caller the one who sends, if nobody is, with more bits of the state set. It
// returns what the state was.
func (s *Sender) start(bits uint32) (was uint32) {
	if was = s.state.Or(sending | queued | bits); was&sending == 0 {
		s.more = true
		s.run()
	}
	return was
}

// run sends, until nothing is queued any more or the socket is full: then it returns, and the
// engine calls WriteDone. The caller is the one who sends.
func (s *Sender) run() {
	for s.more || !s.rest() {
		if !s.next() {
			continue
		}
		if err := s.conf.Socket.Try(s.try); err != nil {
			s.err = err
		}
		if s.err == nil && s.full && s.await() {
			return
		}
		s.finish()
	}
}

// next asks the source for a batch. false: there is none.
func (s *Sender) next() bool {
	s.more, s.full, s.err = false, false, nil
	if s.state.And(^queued)&(failed|detached) != 0 {
		return false
	}
	s.fill()
	return !s.b.Empty()
}

// fill puts into the batch what comes next.
func (s *Sender) fill() {
	if s.b == nil {
		s.b = s.conf.Batches.get()
	}
	s.b.reset()
	if s.unsent = len(s.conf.Unsent); s.unsent > 0 {
		s.b.Append(s.conf.Unsent)
		s.conf.Unsent = nil
		s.more = true
		return
	}
	s.more = s.conf.Source.Next(s.b) && !s.b.Empty()
}

// Writable implements [WriteHandler]: it sends what is left of the batch, and returns false when
// the socket is full.
func (s *Sender) Writable(fd uintptr) bool {
	if s.conf.Guard != nil {
		s.conf.Guard.Lock()
		defer s.conf.Guard.Unlock()
	}
	s.err, s.full = nil, false
	b := s.b
	for left := b.iov[b.first:b.n]; len(left) > 0; b.first = b.n - len(left) {
		n, err := s.conf.Send(fd, left)
		s.calls.Add(1)
		if Again(err) {
			s.full = true
			return false
		}
		if err != nil {
			s.err = err
			return true
		}
		s.sent.Add(int64(n))
		left = Advance(left, n)
	}
	return true
}

// await lets the engine go on when there is room. false: the connection has to end instead.
func (s *Sender) await() bool {
	if s.state.Or(blocked)&hard != 0 {
		return false
	}
	s.blocks.Add(1)
	s.conf.Socket.AwaitRoom(s)
	return true
}

// WriteDone implements [WriteHandler]: it goes on when Writable has returned true, or never will.
func (s *Sender) WriteDone(err error) {
	if err != nil {
		s.err = err
	}
	s.state.And(^blocked)
	s.finish()
	s.run()
}

// finish ends a batch: it was sent, or sending has ended for ever.
func (s *Sender) finish() {
	if s.err == nil && !s.full {
		s.done()
		return
	}
	s.more = false
	if s.err == ErrDetached {
		s.state.Or(detached)
		return
	}
	if s.state.Or(failed)&ending != 0 {
		s.reset() // before the source closes the socket, if it does
	}
	s.conf.Source.Failed(s.err)
}

// done gives back what a batch has sent.
func (s *Sender) done() {
	s.Dequeued(s.unsent)
	s.conf.Source.Sent() // even if nothing was the source's: it may wait for a shorter queue
}

// rest ends sending, unless something was queued meanwhile: then it returns false.
func (s *Sender) rest() bool {
	if s.state.Load()&detached == 0 {
		s.giveBack()
	}
	for ended := false; ; {
		now := s.state.Load()
		switch {
		case now&queued != 0: // or End was called
			return false
		case now&ending != 0 && !ended:
			s.end()
			ended = true
		case now&halting != 0:
			close(s.gone) // Halt is the one who sends from now on
			return true
		case s.state.CompareAndSwap(now, now&^(sending|blocked)):
			return true
		}
	}
}

// giveBack gives the batch back.
func (s *Sender) giveBack() {
	if s.b != nil {
		s.conf.Batches.put(s.b)
		s.b = nil
	}
}

// reset is for an end where something was not sent: the peer must not take it for an orderly one.
func (s *Sender) reset() {
	_ = s.conf.Socket.Try(Reset) // it may be closed already
}

// end does what End has asked for.
func (s *Sender) end() {
	now := s.state.Load()
	if now&(failed|blocked) != 0 {
		s.reset()
	}
	if now&(failed|hard) != 0 || s.conf.Socket.CloseWrite() != nil {
		_ = s.conf.Socket.Close() // it may be closed already
	}
}

// Halt waits until nobody sends. Nobody will, since Halt stays the one who does. It is called
// once, after the socket was closed.
func (s *Sender) Halt() {
	s.halt(ending | hard)
	s.giveBack()
	s.state.Or(failed)
}

// halt makes the caller the one who sends, for ever, with more bits of the state set.
func (s *Sender) halt(bits uint32) {
	if s.state.Or(sending|halting|bits)&sending == 0 {
		close(s.gone)
		return
	}
	<-s.gone
}

// Detach waits until nobody sends, as Halt does, and returns all that is queued and was not sent,
// in the order of the wire; the source is told that it was sent. It is called once, instead of
// Halt, where [Socket.Detach] hands the connection over. It fails if the connection was to end, or
// has failed: what is queued stays with the source, and Halt may follow.
func (s *Sender) Detach() (unsent []byte, err error) {
	s.halt(0)
	defer s.giveBack()
	if s.state.Or(detached)&(failed|ending) != 0 {
		return nil, net.ErrClosed
	}
	if s.b == nil { // else it was begun
		s.fill()
	}
	for ; !s.b.Empty(); s.fill() {
		unsent = s.copyTo(unsent)
		s.done()
	}
	return unsent, nil
}

// copyTo appends what is left of the batch to mem.
func (s *Sender) copyTo(mem []byte) []byte {
	if s.conf.Guard != nil {
		s.conf.Guard.Lock()
		defer s.conf.Guard.Unlock()
	}
	return s.b.bytes(mem)
}

// SenderStats say what a Sender has done.
type SenderStats struct {
	Calls   int64 // of the system, with those that found the socket full
	Bytes   int64 // that the socket has taken
	Blocked int64 // batches that awaited room
}

// Stats returns that.
func (s *Sender) Stats() SenderStats {
	return SenderStats{Calls: s.calls.Load(), Bytes: s.sent.Load(), Blocked: s.blocks.Load()}
}
