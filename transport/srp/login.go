package srp

import (
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/lunette-io/lunette/network/rdma"
	"github.com/lunette-io/lunette/transport/srp/iu"
)

// formats are what commands may come with.
const formats = iu.FormatsDirect | iu.FormatsIndirect

// A refusal is why a login is rejected.
type refusal struct {
	reason iu.RejectReason
	why    string
}

func (r *refusal) Error() string { return r.why }

var (
	tooManyLogins = &refusal{iu.RejectResources, "too many logins are under way"}
	nodeCloses    = &refusal{iu.RejectResources, "the node is closing"}
)

// beginLogin counts a login, or says why there is none.
func (n *Node) beginLogin() *refusal {
	n.mu.Lock()
	defer n.mu.Unlock()
	switch {
	case n.closing:
		return nodeCloses
	case n.logins >= n.cfg.MaxLogins:
		return tooManyLogins
	}
	n.logins++
	return nil
}

func (n *Node) endLogin() {
	n.mu.Lock()
	n.logins--
	n.changed.Broadcast()
	n.mu.Unlock()
}

// reject answers that there will be no channel.
func (n *Node) reject(r rdma.Request, tag uint64, why *refusal) {
	n.refused.Warn(n.log, "SRP login refused", "remote", r.Info().Remote, "why", why.why)
	_ = r.Reject(iu.LoginReject{Reason: why.reason, Tag: tag, Formats: formats}.Append(nil)) // the peer may be gone
}

// login answers a request for a channel, and ends what beginLogin began. The checks are in the order
// of Linux's target.
func (n *Node) login(r rdma.Request) {
	defer n.endLogin()
	b := r.Private()
	parse := iu.ParseCMLoginRequest
	if len(b) >= iu.LoginRequestLen {
		parse = iu.ParseLoginRequest
	}
	x, err := parse(b)
	if err != nil {
		n.reject(r, 0, &refusal{iu.RejectUnable, err.Error()})
		return
	}
	info := r.Info()
	c, result, why := n.admit(&x, &info)
	if why != nil {
		n.reject(r, x.Tag, why)
		return
	}
	answer := iu.LoginResponse{
		Delta: int32(n.cfg.Credits), Tag: x.Tag, MaxIn: uint32(n.cfg.MaxIU), MaxOut: maxOut,
		Formats: formats, Result: result, Immediate: c.offset > 0,
	}
	conn, err := r.Accept(rdma.Options{
		Private: answer.Append(nil), Reads: n.cfg.Reads, Serves: 1, // for the one Read that can make a connection
		MaxMessage: n.cfg.MaxIU, Messages: n.cfg.Credits + spare,
	})
	if err != nil {
		c.Closed(err)
		return
	}
	n.log.Info("logged in by SRP", "remote", info.Remote, "initiator", c.nx.port, "target", c.nx.target.SCSI.Name,
		"channel", c.number, "immediate", c.offset > 0)
	c.begin(conn)
}

// spare is how many messages a channel takes beyond its requests: the responses to ours, a
// logout, and one with which the initiator breaks the rules and is told so.
const spare = 4

// admit makes a channel, and its nexus or its place in one.
func (n *Node) admit(x *iu.LoginRequest, info *rdma.Info) (*channel, iu.Result, *refusal) {
	addr := addressOf(info.Remote)
	n.mu.Lock()
	t := n.targets[x.Target]
	n.mu.Unlock()
	port := portOf(x.Initiator, addr)
	switch {
	case x.MaxIU < iu.LoginRequestLen || int64(x.MaxIU) > int64(n.cfg.MaxIU):
		return nil, 0, &refusal{iu.RejectIULength, fmt.Sprintf("IUs of %d bytes", x.MaxIU)}
	case t == nil:
		return nil, 0, &refusal{iu.RejectTarget, fmt.Sprintf("there is no target %v", x.Target)}
	case !t.access.admits(x.Initiator, port, addr): // which targets there are is nobody's business
		return nil, 0, &refusal{iu.RejectTarget, fmt.Sprintf("%v at %v may not use target %v", x.Initiator, addr, x.Target)}
	case x.Needs&^formats != 0:
		return nil, 0, &refusal{iu.RejectFormats, fmt.Sprintf("data buffer descriptor formats %#x", uint16(x.Needs))}
	case x.Action != iu.Single && x.Action != iu.Multi:
		return nil, 0, &refusal{iu.RejectMultichannel, fmt.Sprintf("multi-channel action %d", x.Action)}
	}
	c := newChannel(n, x, info)
	key := nexusKey{initiator: port, target: t.id, addr: addr}
	late := time.NewTimer(n.cfg.LoginTimeout)
	defer late.Stop()
	result := iu.NoChannels
	for {
		old, res, why := n.enter(c, key, t, x.Action)
		if why != nil {
			return nil, 0, why
		}
		if old == nil {
			return c, max(result, res), nil
		}
		if x.Action == iu.Single {
			result = iu.Terminated
			old.end(errReplaced)
		}
		select {
		case <-old.gone:
		case <-late.C:
			return nil, 0, &refusal{iu.RejectResources, "the channels of the nexus do not end"}
		}
	}
}

var errReplaced = errors.New("replaced by a login")

// enter puts c into its nexus, or makes one. What it returns, if not nil, is the nexus that must
// end first.
func (n *Node) enter(c *channel, key nexusKey, t *Target, a iu.Action) (*nexus, iu.Result, *refusal) {
	n.mu.Lock()
	defer n.mu.Unlock()
	old := n.nexuses[key]
	switch {
	case n.closing:
		return nil, 0, nodeCloses
	case len(n.channels) >= n.cfg.MaxChannels:
		return nil, 0, &refusal{iu.RejectResources, fmt.Sprintf("there are %d channels", len(n.channels))}
	case old != nil && (old.ended || a == iu.Single):
		return old, 0, nil
	case old != nil && len(old.channels) >= n.cfg.MaxNexusChannels:
		return nil, 0, &refusal{iu.RejectChannels, fmt.Sprintf("the nexus has %d channels", len(old.channels))}
	}
	result := iu.Maintained
	if old == nil {
		old = newNexus(n, key, t)
		n.nexuses[key] = old
		result = iu.NoChannels
	}
	n.numbers++
	c.number = n.numbers
	c.nx = old
	old.channels = append(old.channels, c)
	n.channels[c] = struct{}{}
	return nil, result, nil
}

// A nexusKey names an I_T nexus. Initiators by software iWARP send no identifier, so that their
// address tells them apart, without the port, which is another for every channel.
type nexusKey struct {
	initiator, target iu.PortID
	addr              netip.Addr
}
