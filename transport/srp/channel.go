package srp

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/lunette-io/lunette/network/rdma"
	"github.com/lunette-io/lunette/transport/srp/iu"
)

// A channel is an RDMA channel (SRP 4.3): one connection, with its credits and its commands. It is
// the connection's rdma.Handler.
type channel struct {
	node      *Node
	nx        *nexus
	number    int64
	conn      rdma.Conn
	info      rdma.Info
	since     time.Time
	offset    int  // where immediate data begins; 0: there is none
	noteLogin bool // T_LOGOUT wakes the initiator
	noteLimit bool // CRED_REQ too

	mu      sync.Mutex
	started bool // the connection is
	heard   bool // something has come
	leaving bool // nothing is taken any more
	dead    bool // the connection has ended
	gentle  bool // what is posted may still be sent
	silent  bool // the initiator ends it: it is told nothing
	said    bool // what it is told has left
	reason  iu.LogoutReason
	cause   error

	// Requests. What the initiator has, what comes back to it, and what is open make up the limit.
	credits  int
	due      int
	open     int       // requests that are neither answered nor dropped
	managing []*manage // of these, task management
	asked    bool      // a CRED_REQ waits for its answer
	flush    bool      // one was posted

	tasks     taskTable
	all       []*task // every one that was made
	free      *task
	works     *work     // free
	idle      int       // how many
	spare     *transfer // free
	notes     *note     // free
	solicited int64
	waiting   []*task
	starting  int       // tasks that have waited and are on their way to the target
	ordered   int       // of these, ORDERED ones
	told      []*manage // whom to tell when mu is free
	copied    int64     // bytes of payload
	requests  int64
	aborted   int64

	// What look compares from second to second.
	sent, came, stalled int64
}

func newChannel(n *Node, x *iu.LoginRequest, info *rdma.Info) *channel {
	c := &channel{
		node: n, info: *info, since: time.Now(), credits: n.cfg.Credits,
		noteLogin: x.LogoutSolicited, noteLimit: x.CreditSolicited,
	}
	if x.Immediate && int(x.ImmediateOffset) > iu.CommandLen && int(x.ImmediateOffset) <= n.cfg.MaxIU {
		c.offset = int(x.ImmediateOffset)
	}
	c.tasks.init(n.cfg.Credits)
	return c
}

// begin starts the connection. If the channel was ended in the meantime that is done now.
func (c *channel) begin(conn rdma.Conn) {
	c.mu.Lock()
	c.conn = conn
	c.info = conn.Info()
	c.mu.Unlock()
	conn.Start(c)
	c.mu.Lock()
	c.started = true
	leaving := c.leaving
	if leaving {
		c.sayLogout()
	}
	c.mu.Unlock()
	if leaving {
		c.close()
	}
}

// end ends the channel from our side, with a word to the initiator. If it is not gentle nothing
// waits for it to hear that. No lock is held.
func (c *channel) end(r iu.LogoutReason, cause error, gentle bool) {
	if c.leave(r, cause, gentle) {
		c.close()
	}
}

// leave does all of it but the end of the connection, which is left to the caller if it is true.
func (c *channel) leave(r iu.LogoutReason, cause error, gentle bool) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.leaving {
		return false
	}
	c.leaving, c.gentle, c.reason, c.cause = true, gentle, r, cause
	if c.started {
		c.sayLogout()
	}
	return c.started
}

// sayLogout sends a T_LOGOUT. An initiator that has sent nothing yet may not be ready for one: with
// MPA its first message is what lets us send. c.mu is held.
func (c *channel) sayLogout() {
	if c.silent || !c.heard {
		c.said = true
		return
	}
	x := c.note()
	x.Head = iu.TLogout{Solicited: c.noteLogin, Reason: c.reason}.Append(x.head[:0])
	x.Solicited, x.last = c.noteLogin, true
	if !c.post(x) {
		c.said = true
	}
}

// hasSaid reports that the initiator has been told, or cannot be any more.
func (c *channel) hasSaid() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.said
}

// close ends the connection of a channel that is leaving.
func (c *channel) close() {
	if c.gentle {
		c.conn.Close(nil)
		return
	}
	c.conn.Flush()
	c.conn.Close(c.cause)
}

// Received implements rdma.Handler.
func (c *channel) Received(m rdma.Message) {
	c.mu.Lock()
	leaving := c.leaving
	c.heard = true
	c.mu.Unlock()
	if leaving {
		return
	}
	var err error
	reason := iu.LogoutInvalidIU
	switch b := m.Data; {
	case len(b) == 0:
		err = errors.New("an empty message")
	case iu.Opcode(b[0]) == iu.OpCommand:
		err = c.command(b)
	case iu.Opcode(b[0]) == iu.OpTaskManagement:
		err = c.manage(b)
	case iu.Opcode(b[0]) == iu.OpCreditResponse:
		if _, err = iu.ParseCreditResponse(b); err == nil {
			err, reason = c.creditTaken(), iu.LogoutNoRequest
		}
	case iu.Opcode(b[0]) == iu.OpEventResponse:
		err, reason = errNoRequest, iu.LogoutNoRequest
	case iu.Opcode(b[0]) == iu.OpILogout:
		if _, err = iu.ParseILogout(b); err == nil {
			c.logout()
		}
	default:
		err = fmt.Errorf("%v from an initiator", iu.Opcode(b[0]))
	}
	if err != nil {
		c.end(reason, err, true)
	}
}

// What an initiator has done wrong, so that its channel ends.
var (
	errNoRequest = errors.New("a response to nothing")
	errOverrun   = errors.New("more requests than the limit")
	errTag       = errors.New("the tag of a request that has not been answered")
)

// logout ends the channel as the initiator wishes (SRP 6.5).
func (c *channel) logout() {
	c.mu.Lock()
	c.silent = true
	c.mu.Unlock()
	c.end(iu.LogoutNoReason, nil, true)
}

// Closed implements rdma.Handler. It is the end of a channel that was never made as well.
func (c *channel) Closed(err error) {
	c.mu.Lock()
	c.dead, c.leaving, c.said = true, true, true
	if c.cause == nil {
		c.cause = err
	}
	cause := c.cause
	c.dropWaiting(func(*task) bool { return true }, nil)
	c.unlock()
	c.node.log.Info("SRP channel ended", "remote", c.info.Remote, "initiator", c.nx.port, "target", c.nx.target.SCSI.Name,
		"channel", c.number, "cause", cause)
	c.nx.left(c)
}

// unlock is mu.Unlock for those who may have freed tasks: somebody may wait for them, and their
// credits have to be sent.
func (c *channel) unlock() {
	told, flush := c.told, c.flush
	c.told, c.flush = nil, false
	c.mu.Unlock()
	if flush {
		c.conn.Flush()
	}
	for _, m := range told {
		m.done()
	}
}

// look is called every second: the time-out of a peer that takes nothing, or answers no Read.
func (c *channel) look() {
	c.mu.Lock()
	if !c.started || c.leaving {
		c.mu.Unlock()
		return
	}
	owes := false
	for _, k := range c.all {
		owes = owes || k.fetching > 0 || k.get.flying > 0
	}
	c.mu.Unlock()
	s := c.conn.Stats()
	// A Read behind data that the initiator takes, however slowly, may not have been asked for yet.
	moves := s.Placed != c.came || (s.Queued > 0 && s.BytesOut != c.sent)
	if (s.Queued > 0 || owes) && !moves {
		c.stalled++
	} else {
		c.stalled = 0
	}
	c.sent, c.came = s.BytesOut, s.Placed
	if c.stalled >= max(1, int64(c.node.cfg.StallTimeout/time.Second)) {
		c.end(iu.LogoutInactive, errStalled, false)
	}
}

var errStalled = errors.New("the initiator does not take or give data")

// A note is a message that belongs to no command. It is the connection's from Post to Done.
type note struct {
	rdma.Work
	head [64]byte
	last bool // T_LOGOUT
	next *note
}

// note takes one from the free list. c.mu is held.
func (c *channel) note() *note {
	x := c.notes
	if x == nil {
		x = new(note) // its Op is Send
		x.Owner = x
		return x
	}
	c.notes, x.next = x.next, nil
	x.Solicited, x.last = false, false
	return x
}

// post sends x. c.mu is held. false: the connection has ended.
func (c *channel) post(x *note) bool {
	if c.conn.Post(&x.Work) {
		return true
	}
	x.next, c.notes = c.notes, x
	return false
}

// Done implements rdma.Handler.
func (c *channel) Done(w *rdma.Work, err error) {
	switch o := w.Owner.(type) {
	case *work:
		c.moved(o, err)
	case *task:
		c.mu.Lock()
		o.drop()
		c.unlock()
	case *note:
		c.mu.Lock()
		o.next, c.notes = c.notes, o
		last := o.last
		c.said = c.said || last
		c.mu.Unlock()
		if last {
			c.node.wake()
		}
	}
}
