package iser

import (
	"cmp"
	"context"
	"errors"
	"os"
	"slices"
	"sync"

	"github.com/lunette-io/lunette/network/rdma"
	"github.com/lunette-io/lunette/transport/iscsi"
	"github.com/lunette-io/lunette/transport/iscsi/login"
	"github.com/lunette-io/lunette/transport/iscsi/pdu"
)

// Options say how the connections of a portal are. The zero value of a field means its
// default.
type Options struct {
	// TargetRecv is the longest data segment that is received, in bytes: the immediate data of
	// a write that needs no RDMA Read. Default 16 KiB.
	TargetRecv int
	// Reads is how many RDMA Reads a connection has outstanding, if the initiator serves as
	// many. Default 64.
	Reads int
	// Unsolicited, which is asked for each connection, lets commands have unsolicited Data-Outs
	// (InitialR2T=No), if the node's login does: then there are buffers for them. nil: never.
	Unsolicited func() bool
	// Network is what the portal is reached by: discovery tells of it to those who come by the
	// same. Default "iser"; with several providers of RDMA, one name for each.
	Network string
}

// Limits of what is received beside the commands of the window.
const (
	unexpected = 64  // requests that no window regulates, and that may be on their way
	maxAHS     = 256 // bytes of additional headers: enough for the longest CDB
)

// A Portal accepts connections for a node at one address.
type Portal struct {
	l       rdma.Listener
	node    *iscsi.Node
	portal  *iscsi.Portal
	network string
	options Options
	done    sync.WaitGroup
}

// Listen makes a portal at addr, HOST:PORT, of a device; it borrows the device until all
// connections have ended. Start lets it accept.
func Listen(ctx context.Context, d rdma.Device, addr string, node *iscsi.Node, o Options) (*Portal, error) {
	l, err := d.Listen(ctx, addr)
	if err != nil {
		return nil, err
	}
	o.TargetRecv, o.Reads, o.Network = cmp.Or(o.TargetRecv, 16<<10), cmp.Or(o.Reads, 64), cmp.Or(o.Network, Name)
	p := &Portal{l: l, node: node, network: o.Network, options: o}
	if e, ok := l.(rdma.Evicter); ok {
		e.Evicted(func(remote string) { node.Refused(remote, errEvicted) })
	}
	p.portal = node.NewPortal(o.Network, l.Addr())
	return p, nil
}

// wishes are what the login of a connection that comes now shall negotiate, and how the connection is then.
func (p *Portal) wishes() (*login.Config, rdma.Options) {
	o := &p.options
	w := desired(p.node.Login(), o)
	conn := rdma.Options{
		Private:    ours.Append(nil),
		Reads:      o.Reads,
		Serves:     1, // none is sent to us
		MaxMessage: HeaderLen + pdu.HeaderLen + maxAHS + pdu.Padded(max(login.MaxLoginData, o.TargetRecv)),
		Messages:   p.node.Window() + unexpected,
	}
	if !w.InitialR2T {
		conn.Messages += p.node.Window() * dataOuts(w.FirstBurstLength)
	}
	return &w, conn
}

// dataOuts is how many unsolicited Data-Outs a command may have: an initiator may have agreed on
// segments of the least length that there is (RFC 7145 6.4), whatever ours is.
func dataOuts(firstBurst uint32) int { return (int(firstBurst) + 511) / 512 }

// ours is what we say when a connection is made.
var ours = Private{NoZeroBase: true}

// desired is what the login of a connection shall negotiate, if the node wants w.
func desired(w login.Config, o *Options) login.Config {
	w.HeaderDigest, w.DataDigest = login.None, login.None // RFC 7145 6.1
	w.MaxConnections = 1
	w.MaxRecvDataSegmentLength = uint32(o.TargetRecv) // for discovery sessions
	if o.Unsolicited == nil || !o.Unsolicited() {
		w.InitialR2T = true
	}
	if w.InitialR2T { // immediate data only: it comes in one PDU
		w.FirstBurstLength = min(w.FirstBurstLength, uint32(o.TargetRecv))
	}
	keys := login.RDMA{
		TargetRecv: uint32(o.TargetRecv), InitiatorRecv: login.DefaultMaxRecv, Unexpected: unexpected, MaxAHS: maxAHS,
	}.Keys()
	for _, k := range w.Keys {
		if !slices.ContainsFunc(keys, func(o login.Key) bool { return o.Name == k.Name }) {
			keys = append(keys, k)
		}
	}
	w.Keys = keys
	return w
}

// Start begins to accept, and to be one that discovery tells of. Connections end with the node's Shutdown.
func (p *Portal) Start() {
	p.portal.Add()
	p.done.Go(p.accept)
}

// Share implements handed.Sharer.
func (p *Portal) Share() (*os.File, error) { return rdma.Share(p.l) }

// Addr is the address that the portal is bound to, as ADDR:PORT.
func (p *Portal) Addr() string { return p.l.Addr() }

// Set says what the portal shows (iscsi.Portal.Set).
func (p *Portal) Set(s iscsi.Showing) { p.portal.Set(s) }

// Close stops accepting. Connections stay; see iscsi.Node.Shutdown.
func (p *Portal) Close() error {
	p.portal.Remove()
	err := p.l.Close()
	p.done.Wait()
	return err
}

func (p *Portal) accept() {
	for {
		r, err := p.l.Accept()
		if err != nil {
			return // closed: Accept waits out all else
		}
		theirs := ParsePrivate(r.Private())
		if err := p.refusal(r); err != nil {
			p.node.Refused(r.Info().Remote, err)
			_ = r.Reject(ours.Append(nil)) // the initiator may be gone already
			continue
		}
		wishes, options := p.wishes()
		c, err := r.Accept(options)
		if err != nil {
			continue // gone, or no room: the initiator will try again
		}
		m := New(c, p.network, ours, theirs, wishes)
		m.maxQueued = 2 * (p.node.Window() + unexpected)
		h, err := p.portal.Connect(m)
		if err != nil { // too many meanwhile, or going
			p.node.Refused(c.Info().Remote, err)
			c.Close(err)
			continue
		}
		m.Start(h)
	}
}

var errEvicted = errors.New("iser: it had asked for nothing yet, and its address has most of those: closed to make room")

var errNoReads = errors.New("iser: the initiator serves no RDMA Reads")

// refusal is why r is not accepted, if it is not: data-out is read, so who serves no RDMA Reads
// cannot write.
func (p *Portal) refusal(r rdma.Request) error {
	if r.Info().Reads == 0 {
		return errNoReads
	}
	return p.node.Room()
}
