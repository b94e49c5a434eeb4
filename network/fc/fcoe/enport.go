package fcoe

import (
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"github.com/lunette-io/lunette/network/ethernet"
	"github.com/lunette-io/lunette/network/fc"
	"github.com/lunette-io/lunette/network/fc/els"
	"github.com/lunette-io/lunette/network/fc/fip"
)

// An enPort is a port of an ENode. But for way all of it is by line.turn.
type enPort struct {
	*link
	n *enode
	c fc.PortConfig

	// way is where the port is, while it is logged in.
	way   atomic.Pointer[way]
	asked time.Time // when FLOGI or FDISC was sent that is not answered; zero: there is none
	again time.Time // when it is sent again
	first bool      // it was FLOGI
	x     uint16    // its identifier
	alive time.Time // when the next keep-alive of the port is due
}

// A way is that of frames from and to a port.
type way struct {
	id       fc.ID
	from, to ethernet.MAC
}

// snapshot are the ports now, for the sender.
func (n *enode) snapshot() []*enPort {
	if all := n.routes.Load(); all != nil {
		return *all
	}
	return nil
}

// publish lets the sender know the ports. n.l.turn is held.
func (n *enode) publish() {
	all := slices.Clone(n.ports)
	n.routes.Store(&all)
}

// ask sends FLOGI or FDISC. p.l.turn is held.
func (p *enPort) ask(first bool, now time.Time) {
	c := els.FDISC
	if first {
		c = els.FLOGI
	}
	p.x, p.asked, p.again, p.first = p.n.ox, now, now.Add(loginWait), first
	p.n.ox = (p.n.ox + 1) & 0x7fff
	l := els.FabricLogin(c, p.c.Port, p.c.Node, p.n.payload())
	p.request(0, l.Append(nil))
	p.l.at(p.again)
}

// request sends a link service to the fabric. p.l.turn is held.
func (p *enPort) request(s fc.ID, payload []byte) {
	f := linkFrame(fip.LinkRequest, typeOf(els.CommandOf(payload)), requestHeader(fc.FabricPort, s, p.x), payload)
	f.Flags = fip.FPMA
	f.Has |= fip.SetOf(fip.TypeMAC)
	if w := p.way.Load(); w != nil {
		f.MAC = w.from
	}
	p.l.send.control(fipFrame(p.n.chosen.mac, p.n.mac, f, 0))
}

// tick does what is due, and returns when the next thing is. p.l.turn is held.
func (p *enPort) tick(now time.Time) time.Time {
	w := p.way.Load()
	if w == nil {
		if !p.asked.IsZero() && !now.Before(p.again) {
			p.asked, p.again = time.Time{}, time.Time{}
			p.n.loginNext(now)
		}
		return p.again
	}
	if p.n.chosen.silent {
		return time.Time{}
	}
	if !now.Before(p.alive) {
		p.alive = now.Add(portAlive)
		p.l.send.control(fipFrame(w.to, w.from, &fip.Frame{
			Kind: fip.KeepAlive, Flags: fip.FPMA, Has: fip.SetOf(fip.TypeMAC, fip.TypeVNPort), MAC: p.n.mac,
			VNPorts: []fip.VNPort{{MAC: w.from, ID: w.id, Port: p.c.Port}},
		}, 0))
	}
	return p.alive
}

// granted has the answer to FLOGI or FDISC. p.l.turn is held.
func (p *enPort) granted(f *fip.Frame, now time.Time) {
	chosen := p.n.chosen
	l, err := els.ParseLogin(f.Link.Payload)
	payload, id := min(l.ReceiveSize(), p.n.payload()), f.Link.Header.D
	mac := fip.PortMAC(chosen.fabric.Map, id)
	switch {
	case err != nil:
		err = refusedBy(f.Link.Payload, err)
		p.l.log.Warn("the fabric refuses a port", "port", p.c.Port, "error", err)
		if r := (els.Reject{}); !p.first && errors.As(err, &r) && r.Explanation == els.ExplanationLogin {
			// It has forgotten the port that FLOGI was for: all begin anew.
			p.n.lose(fmt.Errorf("%w: the fabric knows nothing of the first login", fc.ErrDown))
			p.n.seek(now)
		}
		return // and ask again
	case f.MAC != mac || id == 0 || payload < fc.MinPayload || p.n.has(id):
		p.l.log.Warn("the fabric grants what a port cannot use", "port", p.c.Port, "mac", f.MAC, "id", id, "payload", payload)
		return
	}
	if err := p.l.wire.Join(mac); err != nil {
		p.l.log.Error("the interface does not take the address of a port", "mac", mac, "error", err)
		return
	}
	to := chosen.mac
	if f.Forwarded {
		to = f.Forward
	}
	p.way.Store(&way{id: id, from: mac, to: to})
	p.asked, p.again, p.alive = time.Time{}, time.Time{}, now.Add(portAlive)
	p.l.at(p.alive)
	p.out.up(payload)
	a := fc.Attachment{
		ID: id, Fabric: true, FabricName: chosen.fabric.Name, MaxPayload: payload, Receives: p.l.room(),
		ErrorDetect: l.ErrorDetectTime(), ResourceAllocation: l.ResourceAllocationTime(),
	}
	if a.ErrorDetect == 0 {
		a.ErrorDetect = errorDetect
	}
	if a.ResourceAllocation == 0 {
		a.ResourceAllocation = resourceAllocation
	}
	p.h.Up(a)
	p.n.loginNext(now)
}

// has reports that a port of ours has an address. n.l.turn is held.
func (n *enode) has(id fc.ID) bool {
	return slices.ContainsFunc(n.ports, func(p *enPort) bool { w := p.way.Load(); return w != nil && w.id == id })
}

// refusedBy is why a login was refused.
func refusedBy(payload []byte, err error) error {
	if r, bad := els.ParseReject(payload); bad == nil {
		return r
	}
	return err
}

// lose ends the login. p.l.turn is held.
func (p *enPort) lose(why error) {
	p.asked, p.again = time.Time{}, time.Time{}
	w := p.way.Swap(nil)
	if w == nil {
		return
	}
	if err := p.l.wire.Leave(w.from); err != nil {
		p.l.log.Warn("an address is not left", "mac", w.from, "error", err)
	}
	p.out.down(why)
	if !p.closed {
		p.h.Down(why)
	}
}

// Close implements [fc.Link].
func (p *enPort) Close() {
	p.l.turn.Lock()
	if !p.closed {
		p.closed = true
		if w := p.way.Load(); w != nil {
			p.x = p.n.ox
			p.n.ox = (p.n.ox + 1) & 0x7fff
			p.request(w.id, els.Logout{ID: w.id, Port: p.c.Port}.Append(nil))
		}
		p.lose(fc.ErrClosed)
		p.n.ports = slices.DeleteFunc(p.n.ports, func(x *enPort) bool { return x == p })
		p.n.publish()
	}
	p.l.turn.Unlock()
	p.out.down(fc.ErrClosed)
	p.l.send.flush()
}

// fip implements [machine]. n.l.turn is held.
func (n *enode) fip(dst, src ethernet.MAC, f *fip.Frame) {
	now := time.Now()
	switch {
	case !n.running:
	case f.Kind == fip.Advertisement:
		n.heardOf(src, f, now)
	case n.chosen == nil || src != n.chosen.mac:
	case f.Kind == fip.LinkReply && dst == n.mac:
		for _, p := range n.ports {
			if p.way.Load() == nil && !p.asked.IsZero() && p.x == f.Link.Header.OX && f.Type() != fip.TypeLOGO {
				p.granted(f, now)
				return
			}
		}
	case f.Kind == fip.ClearVirtualLinks:
		n.clearedBy(f, now)
	}
}

// clearedBy has Clear Virtual Links of the switch. n.l.turn is held.
func (n *enode) clearedBy(f *fip.Frame, now time.Time) {
	if f.MAC != n.chosen.mac || f.Name != n.chosen.name {
		return
	}
	why := fmt.Errorf("%w: the switch has ended the login", fc.ErrDown)
	if len(f.VNPorts) == 0 {
		n.lose(why)
		n.seek(now.Add(random(n.soon(probeWait))))
		return
	}
	for _, v := range f.VNPorts {
		for _, p := range n.ports {
			if w := p.way.Load(); w != nil && w.id == v.ID && w.from == v.MAC && p.c.Port == v.Port {
				p.lose(why)
			}
		}
	}
	n.loginNext(now)
}

// ask sends a solicitation. n.l.turn is held.
func (n *enode) ask(to ethernet.MAC) {
	var node fc.Name
	if len(n.ports) > 0 {
		node = n.ports[0].c.Node
	}
	n.l.send.control(fipFrame(to, n.mac, &fip.Frame{
		Kind: fip.Solicitation, Flags: fip.FPMA, Has: fip.SetOf(fip.TypeMAC, fip.TypeName, fip.TypeMaxSize),
		MAC: n.mac, Name: node, MaxSize: fip.MaxSizeOf(n.payload()),
	}, 0))
}

// keepAlive says that the ENode is there. n.l.turn is held.
func (n *enode) keepAlive() {
	n.l.send.control(fipFrame(n.chosen.mac, n.mac, &fip.Frame{Kind: fip.KeepAlive, Flags: fip.FPMA, Has: fip.SetOf(fip.TypeMAC), MAC: n.mac}, 0))
}
