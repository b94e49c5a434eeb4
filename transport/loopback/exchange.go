package loopback

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/lunette-io/lunette/buffer"
	"github.com/lunette-io/lunette/target"
)

// exchange is the transport's state around a task, recycled.
type exchange struct {
	target.Task
	s   *Session
	cmd Command

	lentIn, lentOut loan // with Options.Lend

	mu      sync.Mutex
	pending *buffer.Lease // ReceiveDataOut that has not ended
	off     int64
	have    int64 // bytes of pending that are there
	moving  bool  // a goroutine copies into pending
	stopped bool  // TerminateTransfers was called
	idle    sync.Cond
	in      int64

	result    Result
	refs      atomic.Int32 // 0: Wait may return
	withdrawn bool         // the response was taken back
	done      chan struct{}
	next      *exchange
}

// Reclaim is for First, which is never released by anybody.
func (e *exchange) Reclaim(*buffer.Lease) {}

// A Pending is a command under way.
type Pending struct {
	e   *exchange
	tag uint64
}

// Tag names the task for [Session.Manage].
func (p Pending) Tag() uint64 { return p.tag }

// Start starts a command. Wait must follow.
func (s *Session) Start(c Command) Pending {
	s.mu.Lock()
	e := s.free
	if e != nil {
		s.free = e.next
	}
	s.live++
	if c.Tag == 0 {
		s.tags++
		c.Tag = s.tags
	}
	s.mu.Unlock()
	if e == nil {
		e = &exchange{s: s, done: make(chan struct{}, 1)}
		e.idle.L = &e.mu
		e.Private = e
	}
	if c.HaveOut == 0 {
		c.HaveOut = int64(len(c.Out))
	}
	if c.WantIn == 0 {
		c.WantIn = int64(len(c.In))
	}
	e.cmd, e.pending, e.stopped, e.in, e.result, e.withdrawn = c, nil, false, 0, Result{}, false
	e.Tag, e.LUN, e.Attr, e.CDB = c.Tag, c.LUN, c.Attr, c.CDB
	e.HaveOut, e.WantIn = c.HaveOut, c.WantIn
	e.Work = target.Work{}
	first := s.opt.First
	if first < 0 || first > int64(len(c.Out)) {
		first = int64(len(c.Out))
	}
	e.First = buffer.Lease{}
	e.Unasked = first
	if first > 0 {
		e.First.Init(e, buffer.Segment{Mem: c.Out[:first]})
	}
	e.refs.Store(2) // the target's, and that of First
	s.channel.Execute(&e.Task)
	s.drop(e)
	return Pending{e, c.Tag}
}

// Wait waits for the end of the command. If ctx ends first the task is aborted.
func (p Pending) Wait(ctx context.Context) (Result, error) {
	e := p.e
	select {
	case <-e.done:
	case <-ctx.Done():
		e.s.Nexus.Manage(target.AbortTask, e.cmd.LUN, p.tag, func(target.FunctionResult) {})
		<-e.done
	}
	r, err := e.result, error(nil)
	if e.Aborted() || e.withdrawn {
		err = ErrDropped
	}
	s := e.s
	s.mu.Lock()
	e.next, s.free = s.free, e
	s.mu.Unlock()
	return r, err
}

func of(t *target.Task) *exchange { return t.Private.(*exchange) }

// SendDataIn copies to the initiator's buffer, so there is always room for more; unless the
// options say otherwise.
func (s *Session) SendDataIn(t *target.Task, off int64, data *buffer.Lease) {
	e := of(t)
	if !s.copyIn(e, off, data) {
		s.gone()
	}
	if !s.opt.Pace && !s.opt.Untaken {
		t.DataInSent()
		return
	}
	e.refs.Add(1)
	s.late.Go(func() {
		if s.opt.Untaken {
			<-s.taken
		} else if s.opt.Delay > 0 {
			time.Sleep(s.opt.Delay)
		}
		t.DataInSent()
		s.drop(e)
	})
}

// copyIn copies to the initiator's buffer, unless that is where the data is. It reports false if the buffer is gone. It takes the lease.
func (s *Session) copyIn(e *exchange, off int64, data *buffer.Lease) bool {
	if s.opt.Lend && s.filled(e, off, data) {
		return true
	}
	defer data.Release()
	e.mu.Lock()
	defer e.mu.Unlock()
	if off < 0 || off+data.Len() > e.cmd.WantIn {
		s.broken("data-in of %d bytes at %d, there is room for %d", data.Len(), off, e.cmd.WantIn)
		return true
	}
	if e.stopped {
		return true
	}
	if off < int64(len(e.cmd.In)) {
		if !s.opt.Lend {
			data.Read(0, e.cmd.In[off:])
		} else if !s.guardedIn(e.cmd.In[off:], data) {
			return false
		}
	}
	e.in = max(e.in, off+data.Len())
	return true
}

// ReceiveDataOut copies from the initiator's buffer as the options say.
func (s *Session) ReceiveDataOut(t *target.Task, off int64, into *buffer.Lease, have int64) {
	e := of(t)
	if off < 0 || off+into.Len() > e.cmd.HaveOut {
		s.broken("data-out of %d bytes at %d, there are %d", into.Len(), off, e.cmd.HaveOut)
	}
	e.mu.Lock()
	switch {
	case e.pending != nil:
		e.mu.Unlock()
		s.broken("a second ReceiveDataOut before the first has ended")
		t.DataOutReceived(target.ErrAborted)
		return
	case e.stopped:
		e.mu.Unlock()
		t.DataOutReceived(target.ErrAborted)
		return
	}
	if s.opt.Never {
		e.pending, e.off, e.have = into, off, have
		e.mu.Unlock()
		return
	}
	if s.opt.FailDataOut != nil {
		e.mu.Unlock()
		t.DataOutReceived(s.opt.FailDataOut)
		return
	}
	if !s.opt.Later {
		err := e.copyOut(off, into, have, into.Len()-have)
		e.mu.Unlock()
		t.DataOutReceived(err)
		return
	}
	e.pending, e.off, e.have, e.moving = into, off, have, true
	e.mu.Unlock()
	s.late.Go(func() { e.move(t) })
}

// copyOut copies n bytes from at on; bytes that the initiator does not have are zeros.
func (e *exchange) copyOut(off int64, into *buffer.Lease, at, n int64) error {
	have := int64(len(e.cmd.Out))
	from := min(off+at, have)
	out := e.cmd.Out[from:min(off+at+n, have)]
	if e.s.opt.Lend {
		if err := e.s.guardedOut(into, at, out); err != nil {
			return err
		}
	} else {
		into.Copy(at, out)
	}
	got := int64(len(out))
	into.Clear(at+got, n-got)
	return nil
}

// move is data-out that comes later, in pieces.
func (e *exchange) move(t *target.Task) {
	piece := int64(e.s.opt.Piece)
	var err error
	e.mu.Lock()
	into := e.pending
	if piece <= 0 {
		piece = into.Len()
	}
	for at := e.have; at < into.Len(); at += piece {
		if e.stopped {
			err = target.ErrAborted
			break
		}
		if err = e.copyOut(e.off, into, at, min(piece, into.Len()-at)); err != nil {
			break
		}
		e.mu.Unlock() // an abort may come in between
		e.mu.Lock()
	}
	e.pending = nil
	if err != target.ErrAborted {
		// The device server may end the task inside the call: nothing touches e after.
		e.moving = false
		e.idle.Broadcast()
		e.mu.Unlock()
		t.DataOutReceived(err)
		return
	}
	// TerminateTransfers waits, and with it the end of the task.
	e.mu.Unlock()
	t.DataOutReceived(err)
	e.mu.Lock()
	e.moving = false
	e.idle.Broadcast()
	e.mu.Unlock()
}

// TerminateTransfers ends a pending ReceiveDataOut.
func (s *Session) TerminateTransfers(t *target.Task) {
	e := of(t)
	e.mu.Lock()
	e.stopped = true
	for e.moving {
		e.idle.Wait()
	}
	ended := e.pending != nil
	e.pending = nil
	e.mu.Unlock()
	if ended {
		t.DataOutReceived(target.ErrAborted)
	}
	s.withdraw(e)
}

// SendResponse copies the last data-in. With the option HoldResponse the response has its place
// only when Release is called.
func (s *Session) SendResponse(t *target.Task, r *target.Response) bool {
	e := of(t)
	arrived := r.DataIn == nil || s.copyIn(e, r.At, r.DataIn)
	if !arrived {
		s.gone()
	}
	e.mu.Lock()
	e.withdrawn = e.withdrawn || !arrived
	if e.pending != nil {
		s.broken("a response while data-out is pending")
	}
	e.result = Result{Status: r.Status, Sense: r.Sense, Descriptor: r.Descriptor, SenseData: slices.Clone(r.SenseData), Residual: r.Residual, In: e.in}
	e.mu.Unlock()
	if s.opt.HoldResponse && s.hold(e) {
		return false
	}
	if r.Batch == nil {
		return true
	}
	e.refs.Add(1)
	s.mu.Lock()
	e.next, s.queued = s.queued, e
	s.mu.Unlock()
	r.Batch.Add(s, e.in)
	return true
}

// hold keeps the response of e back, unless it is not wanted any more.
func (s *Session) hold(e *exchange) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.stopped {
		e.withdrawn = true
		return false
	}
	s.mu.Lock()
	s.responses = append(s.responses, e)
	s.mu.Unlock()
	return true
}

// Release lets the responses go that HoldResponse holds.
func (s *Session) Release() {
	s.mu.Lock()
	all := s.responses
	s.responses = nil
	s.mu.Unlock()
	for _, e := range all {
		e.Responded()
	}
}

// withdraw takes the response of e back, if it is held.
func (s *Session) withdraw(e *exchange) {
	s.mu.Lock()
	i := slices.Index(s.responses, e)
	if i >= 0 {
		s.responses = slices.Delete(s.responses, i, i+1)
		e.withdrawn = true
	}
	s.mu.Unlock()
	if i >= 0 {
		e.Responded()
	}
}

// Flush lets Wait return for commands that have ended with others.
func (s *Session) Flush() {
	s.mu.Lock()
	first := s.queued
	s.queued = nil
	s.mu.Unlock()
	for e := first; e != nil; {
		next := e.next // e may be another command's when Wait has returned
		s.drop(e)
		e = next
	}
}

// drop ends a reference to e; with the last of them Wait returns. The command counts as ended
// before its nexus can be.
func (s *Session) drop(e *exchange) {
	if e.refs.Add(-1) == 0 {
		e.done <- struct{}{}
	}
}

// Ended ends a command, answered or aborted.
func (s *Session) Ended(t *target.Task) {
	if s.opt.Lend {
		of(t).returned()
	}
	s.mu.Lock()
	s.live--
	s.mu.Unlock()
	s.drop(of(t))
}

// Overdue ends the session's connection: its tasks are aborted.
func (s *Session) Overdue(*target.Task, error) {
	s.overdue.Add(1)
	s.take()
	s.late.Go(func() { s.channel.Lost(func() {}) })
}
