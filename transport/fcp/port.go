package fcp

import (
	"context"
	"sync/atomic"

	"github.com/lunette-io/lunette/network/fc"
	"github.com/lunette-io/lunette/network/fc/nport"
	"github.com/lunette-io/lunette/target"
	"github.com/lunette-io/lunette/transport/fcp/iu"
)

// A port is the N_Port of a target at a portal: the nport.Upper of its logins. What a login and its exchanges are is the business of
// their channel.
type port struct {
	node           *Node
	portal         *Portal
	name, nodeName fc.Name
	target         *target.Target
	scsi           *target.Port

	np atomic.Pointer[nport.Port] // nil until it is open

	// The node's mu guards it.
	going bool // it is closing: nobody is let in
}

// open makes the port of the network. The portal's keeper calls it, without locks.
func (p *port) open(network fc.Network) error {
	np, err := nport.Open(network, nport.Config{
		Node: p.nodeName, Port: p.name, Symbolic: symbolic(p.target.Name),
		Protocol: fc.TypeFCP, Features: fc.FeatureTarget, Upper: p, Admits: p.admits, Log: p.node.log,
	})
	if err != nil {
		return err
	}
	p.np.Store(np)
	p.attached()
	return nil
}

// admits says whether the port of that name may log in. It takes no lock.
func (p *port) admits(initiator fc.Name) bool { return p.portal.Sees(p.name, initiator) }

// reconsider has the port log in with those who may now, and might not before.
func (p *port) reconsider() {
	if np := p.np.Load(); np != nil {
		np.Reconsider()
	}
}

// symbolic is the symbolic name of the port of a target, which has room for 255 bytes.
func symbolic(target string) string {
	name := "lunette " + target
	return name[:min(len(name), 255)]
}

// close logs all initiators out, and takes the port out of the network. It is called once, after open.
func (p *port) close(ctx context.Context) { p.np.Load().Close(ctx) }

// attached takes what the network says of itself.
func (p *port) attached() {
	if np := p.np.Load(); np != nil {
		if a, ok := np.Attachment(); ok {
			p.portal.asks.set(a.Receives, a.ErrorDetect)
		}
	}
}

// Flush sends what was posted. A port that is just being opened sends it by itself.
func (p *port) Flush() {
	if np := p.np.Load(); np != nil {
		np.Flush()
	}
}

// describe adds what the port knows of itself.
func (p *port) describe(x *SessionInfo) {
	np := p.np.Load()
	if np == nil {
		return
	}
	if a, ok := np.Attachment(); ok {
		x.PortAddress = a.ID
	}
	x.Stats = np.Stats()
}

// params are our service parameters: a target, FCP_CONF, REC and SRR.
const params = iu.ParamTarget | iu.ParamReadReadyDisabled | iu.ParamConfirm | iu.ParamRetry

// Login implements nport.Upper.
func (p *port) Login(r *nport.Remote, theirs uint32) (own uint32, response uint8) {
	if theirs&iu.ParamInitiator == 0 {
		return params, precluded
	}
	p.attached()
	nx, why := p.node.login(p, r, theirs&params)
	if why != nil {
		return params, why.response
	}
	r.Private = nx
	return params, executed
}

// LoggedOut implements nport.Upper.
func (p *port) LoggedOut(r *nport.Remote, why error) {
	nx := r.Private.(*nexus)
	r.Private = nil
	p.node.log.Info("FCP session ended", "initiator", r.Port, "target", p.target.Name, "port", p.name, "network", p.portal.address, "cause", why)
	nx.lost()
}

// Command implements nport.Upper.
func (p *port) Command(r *nport.Remote, f *fc.Frame) { r.Private.(*nexus).channel.command(f) }

// Frame implements nport.Upper.
func (p *port) Frame(x *nport.Exchange, f *fc.Frame) { x.Owner.(*task).frame(f) }

// Abort implements nport.Upper.
func (p *port) Abort(x *nport.Exchange, done func()) { x.Owner.(*task).abort(done) }

// Status implements nport.Upper.
func (p *port) Status(x *nport.Exchange) nport.Status { return x.Owner.(*task).status() }

// Retransmit implements nport.Upper.
func (p *port) Retransmit(x *nport.Exchange, rctl fc.RCtl, offset uint32) bool {
	return x.Owner.(*task).retransmit(rctl, offset)
}

// Forgotten implements nport.Upper.
func (p *port) Forgotten(x *nport.Exchange) { x.Owner.(*task).forgotten() }

// Sent implements nport.Upper.
func (p *port) Sent(_ *nport.Exchange, s *fc.Sequence, err error) { s.Owner.(*sequence).returned(err) }
