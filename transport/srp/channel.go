package srp

import (
	"cmp"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/lunette-io/lunette/internal/share"
	"github.com/lunette-io/lunette/network/rdma"
	"github.com/lunette-io/lunette/target"
	"github.com/lunette-io/lunette/transport/srp/iu"
)

// A channel is an RDMA channel (SRP 4.3): one connection of an I_T nexus, with the requests that
// come by it. It is the connection's rdma.Handler and, in services.go, the target.Services of its
// commands. What it knows belongs to its parts, each of which guards itself:
//
//	link      the life of the connection                           link.mu
//	requests  credits, tags, and tasks that nobody uses            requests.mu
//	arrivals  requests that wait for a descriptor table            arrivals.mu
//	works     RDMA works that nobody uses                          works.mu
//	task      the transfers and the response of one command        task.mu
//
// Of these locks only task.mu is held while another is taken: requests.mu or works.mu. The
// target, and Flush and Close of the connection, are called with none of them.
type channel struct {
	node   *Node
	nexus  *nexus
	door   *target.Channel // by which its commands come to the target
	number int64
	since  time.Time
	offset int // where immediate data begins; 0: there is none
	place  place

	link     link
	requests requests
	arrivals arrivals
	works    works
	watch    watch // of the node's clock

	copied atomic.Int64 // bytes of immediate data that had to be retained here
}

func newChannel(n *Node, x *iu.LoginRequest, info *rdma.Info) *channel {
	c := &channel{node: n, since: time.Now(), place: place{address: share.Address(info.Remote)}}
	c.place.port = port{x.Initiator, c.place.address}
	c.link.init(x, info)
	c.requests.init(n.cfg.Credits, x.CreditSolicited)
	if x.Immediate && int(x.ImmediateOffset) > iu.CommandLen && int(x.ImmediateOffset) <= n.cfg.MaxIU {
		c.offset = int(x.ImmediateOffset)
	}
	return c
}

// What an initiator has done wrong, so that its channel ends.
var (
	errNoRequest = errors.New("a response to nothing")
	errUntaken   = errors.New("more requests than answers that the initiator takes")
	errOverrun   = errors.New("more requests than the limit")
	errTag       = errors.New("the tag of a request that has not been answered")
)

// Received implements rdma.Handler.
func (c *channel) Received(m rdma.Message) {
	if !c.link.received() {
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
		if _, err = iu.ParseCreditResponse(b); err == nil && !c.requests.confirm() {
			err, reason = errNoRequest, iu.LogoutNoRequest
		}
		c.giveCredits()
	case iu.Opcode(b[0]) == iu.OpEventResponse:
		err, reason = errNoRequest, iu.LogoutNoRequest
	case iu.Opcode(b[0]) == iu.OpILogout:
		if _, err = iu.ParseILogout(b); err == nil {
			c.link.suppressLogout()
			c.link.end(iu.LogoutNoReason, nil, true)
		}
	default:
		err = fmt.Errorf("%v from an initiator", iu.Opcode(b[0]))
	}
	if err != nil {
		c.link.end(reason, err, true)
	}
}

// Done implements rdma.Handler.
func (c *channel) Done(w *rdma.Work, err error) {
	switch o := w.Owner.(type) {
	case *work:
		o.done(err)
	case *task: // its response has been sent
		o.drop()
	case *remoteBuffer:
		o.fetched(err)
	case *note:
		if o.answers {
			c.requests.live.Add(-1)
		}
		if o.last {
			c.link.logoutSent()
			c.node.wake()
		}
	}
}

// errAsked is, in the log, the cause of an end that has no other.
var errAsked = errors.New("the initiator has asked for it")

// Closed implements rdma.Handler. It is the end of a channel whose login could not be answered as
// well.
func (c *channel) Closed(err error) {
	cause := c.link.closed(err)
	c.arrivals.close()
	c.node.log.Info("SRP channel ended", "remote", c.link.info.Remote, "initiator", c.nexus.port, "target", c.nexus.target.SCSI.Name,
		"channel", c.number, "cause", cmp.Or(cause, errAsked))
	c.nexus.left(c)
}

// Overdue implements target.Services: the initiator owes something for which others wait.
func (c *channel) Overdue(t *target.Task, why error) {
	c.endDebtor("SRP channel ended: others wait for the initiator", why, "lun", t.LUN)
}

// endDebtor ends the channel of an initiator that owes something, and names it in the log, once.
func (c *channel) endDebtor(what string, why error, more ...any) {
	if c.link.leaving.Load() {
		return // of its other tasks nothing more is to be said
	}
	c.node.doors.debts.Warn(c.node.log, what, c.place.address, append([]any{"remote", c.link.info.Remote,
		"initiator", c.nexus.port, "target", c.nexus.target.SCSI.Name, "channel", c.number, "why", why}, more...)...)
	c.link.end(iu.LogoutInactive, why, false)
}

// A note is a message that belongs to no command.
type note struct {
	rdma.Work      // a Send
	last      bool // T_LOGOUT
	answers   bool // a task management function
}

// sendNote posts an IU that belongs to no command. false: the connection has ended.
func sendNote(conn rdma.Conn, head []byte, solicited, last bool) bool {
	x := &note{last: last}
	x.Owner, x.Head, x.Solicited = x, head, solicited
	return conn.Post(&x.Work)
}
