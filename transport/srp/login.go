package srp

import (
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/lunette-io/lunette/internal/share"
	"github.com/lunette-io/lunette/network/rdma"
	"github.com/lunette-io/lunette/transport/srp/iu"
)

// formats are what commands may come with.
const formats = iu.FormatsDirect | iu.FormatsIndirect

// A rejection is why a login is rejected.
type rejection struct {
	reason iu.RejectReason
	why    string
}

var (
	nodeCloses = &rejection{iu.RejectResources, "the node is closing"}
)

// beginLogin counts a login of an address, or says why there is none.
func (n *Node) beginLogin(address string) *rejection {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.closing {
		return nodeCloses
	}
	if p := n.doors.logins; !p.Take(address, 1) {
		return crowded(p, address, "address", "limits.logins", "SRP logins under way")
	}
	return nil
}

func (n *Node) endLogin(address string) {
	n.mu.Lock()
	n.doors.logins.Give(address, 1)
	n.changed.Broadcast()
	n.mu.Unlock()
}

// reject answers that there will be no channel.
func (n *Node) reject(r rdma.Request, tag uint64, why *rejection) {
	remote := r.Info().Remote
	n.doors.refused.Warn(n.log, "SRP login refused", share.Address(remote), "remote", remote, "why", why.why)
	_ = r.Reject(iu.LoginReject{Reason: why.reason, Tag: tag, Formats: formats}.Append(nil)) // the peer may be gone
}

// login answers a request for a channel that came to the portal p, and ends what beginLogin began.
func (n *Node) login(p *Portal, r rdma.Request) {
	defer n.endLogin(share.Address(r.Info().Remote))
	b := r.Private()
	parse := iu.ParseCMLoginRequest
	if len(b) >= iu.LoginRequestLen {
		parse = iu.ParseLoginRequest
	}
	x, err := parse(b)
	if err != nil {
		n.reject(r, 0, &rejection{iu.RejectUnable, err.Error()})
		return
	}
	info := r.Info()
	c, result, why := n.admit(p, &x, &info)
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
	n.log.Info("logged in by SRP", "remote", info.Remote, "initiator", c.nexus.port, "target", c.nexus.target.SCSI.Name,
		"channel", c.number, "immediate", c.offset > 0)
	c.link.begin(conn, c)
}

// spare is how many messages a channel takes beyond its requests: the responses to ours, a
// logout, and one with which the initiator breaks the rules and is told so.
const spare = 4

// admit makes a channel, and its nexus or its place in one. The checks are in the order of Linux's
// target. A login that is alone in its nexus waits for the end of the connections that it
// terminates, and not for that of their tasks: a unit at which some are left answers BUSY.
func (n *Node) admit(p *Portal, x *iu.LoginRequest, info *rdma.Info) (*channel, iu.Result, *rejection) {
	addr := addressOf(info.Remote)
	port := portOf(x.Initiator, addr)
	n.mu.Lock()
	t, refused := n.lets(p, x, port, addr)
	timeout := n.timeout
	n.mu.Unlock()
	switch {
	case x.MaxIU < iu.LoginRequestLen || int64(x.MaxIU) > int64(n.cfg.MaxIU):
		return nil, 0, &rejection{iu.RejectIULength, fmt.Sprintf("IUs of %d bytes", x.MaxIU)}
	case refused != nil:
		return nil, 0, refused
	case x.Needs&^formats != 0:
		return nil, 0, &rejection{iu.RejectFormats, fmt.Sprintf("data buffer descriptor formats %#x", uint16(x.Needs))}
	case x.Action != iu.Single && x.Action != iu.Multi:
		return nil, 0, &rejection{iu.RejectMultichannel, fmt.Sprintf("multi-channel action %d", x.Action)}
	}
	c := newChannel(n, x, info)
	key := nexusKey{initiator: port, target: t.id, addr: addr}
	late := time.NewTimer(timeout)
	defer late.Stop()
	result := iu.NoChannels
	for {
		old, res, why := n.enter(c, key, p, x)
		if why != nil {
			return nil, 0, why
		}
		if old == nil {
			return c, max(result, res), nil
		}
		if x.Action == iu.Single {
			result = iu.Terminated
			// Nothing waits for the initiator: it has said itself that it does not use them any more.
			old.end(iu.LogoutReplaced, errReplaced, false)
		}
		select {
		case <-old.connected:
		case <-late.C:
			return nil, 0, &rejection{iu.RejectResources, "the channels of the nexus do not end"}
		}
	}
}

// lets is the target that a login by the portal p is for, or why it is not let in. n.mu is held.
func (n *Node) lets(p *Portal, x *iu.LoginRequest, port iu.PortID, addr netip.Addr) (*servedTarget, *rejection) {
	t := n.targets[x.Target]
	switch {
	case t == nil || !p.shows(t.SCSI.Name):
		return nil, noTarget(x.Target)
	case !t.access.admits(x.Initiator, port, addr): // which targets there are is nobody's business
		return nil, &rejection{iu.RejectTarget, fmt.Sprintf("%v at %v may not use target %v", x.Initiator, addr, x.Target)}
	case t.Away:
		return nil, &rejection{iu.RejectResources, fmt.Sprintf("the target %s is under maintenance", t.SCSI.Name)}
	}
	return t, nil
}

func noTarget(id iu.PortID) *rejection {
	return &rejection{iu.RejectTarget, fmt.Sprintf("there is no target %v", id)}
}

var errReplaced = errors.New("replaced by a login")

// enter puts c into its nexus, or makes one. What it returns, if not nil, is the nexus whose
// connections must end first. Whether the login is let in is looked at again: it may have waited.
func (n *Node) enter(c *channel, key nexusKey, p *Portal, x *iu.LoginRequest) (*nexus, iu.Result, *rejection) {
	n.mu.Lock()
	defer n.mu.Unlock()
	t, refused := n.lets(p, x, key.initiator, key.addr)
	if refused != nil {
		return nil, 0, refused
	}
	a, nx := x.Action, n.nexuses[key]
	switch {
	case n.closing:
		return nil, 0, nodeCloses
	case nx != nil && (nx.ending || a == iu.Single):
		return nx, 0, nil
	case nx != nil && len(nx.channels) >= n.cfg.MaxNexusChannels:
		return nil, 0, &rejection{iu.RejectChannels, fmt.Sprintf("the nexus has %d channels", len(nx.channels))}
	}
	if why := n.book(c); why != nil {
		return nil, 0, why
	}
	result := iu.Maintained
	if nx == nil {
		var err error
		if nx, err = newNexus(n, key, t, c.place.address); err != nil { // the target has been removed in the meantime
			n.unbook(c)
			return nil, 0, noTarget(t.id)
		}
		nx.id = n.numbers + 1 // the number of its first channel
		n.nexuses[key] = nx
		n.all[nx] = struct{}{}
		result = iu.NoChannels
	}
	n.numbers++
	c.number = n.numbers
	nx.join(c)
	n.channels[c] = struct{}{}
	return nil, result, nil
}
