package fcoe

import (
	"errors"
	"fmt"
	"time"

	"github.com/lunette-io/lunette/network/ethernet"
	"github.com/lunette-io/lunette/network/fc"
	"github.com/lunette-io/lunette/network/fc/els"
	"github.com/lunette-io/lunette/network/fc/fip"
)

// fcfFlags are those of all frames of an FCF.
const fcfFlags = fip.FPMA | fip.FromFCF

// fip implements [machine]. n.l.turn is held.
func (n *fcf) fip(dst, src ethernet.MAC, f *fip.Frame) {
	now := time.Now()
	switch {
	case !n.running || n.closed:
	case f.Kind == fip.Advertisement:
		if f.MAC == src && src != n.mac {
			n.beside(f, now)
		}
	case f.Kind == fip.VLANRequest:
		if f.MAC == src && n.answers.take(now) {
			n.l.send.control(vlanAnswer(src, n.mac, n.vlans()))
		}
	case !n.started():
	case f.Kind == fip.Solicitation:
		// One from another FCF is not for us: we are the only switch of our fabric.
		if f.MAC == src && f.Flags&fip.FromFCF == 0 && f.Flags&fip.FPMA != 0 && n.answers.take(now) {
			n.advertise(src, fip.Solicited, min(int(f.MaxSize), int(fip.MaxSizeOf(n.payload()))))
		}
	case f.Kind == fip.KeepAlive:
		n.alive(src, f, now)
	case f.Kind == fip.LinkRequest && dst == n.mac:
		n.asked(src, f, now)
	}
}

// vlans are those that hosts are told to use: 0 is none.
func (n *fcf) vlans() []uint16 {
	if n.a.VLANs != nil {
		return n.a.VLANs
	}
	return []uint16{n.a.VLAN}
}

// vlanAnswer tells a host which VLANs there are (FC-BB-6 "FIP VLAN discovery").
func vlanAnswer(to, mac ethernet.MAC, vlans []uint16) []byte {
	return fipFrame(to, mac, &fip.Frame{Kind: fip.VLANNotification, Flags: fcfFlags, Has: fip.SetOf(fip.TypeMAC, fip.TypeVLAN), MAC: mac, VLANs: vlans}, 0)
}

// advertise says that the fabric is there: to all, or to who has asked, by a frame of atLeast bytes, which shows that so long ones arrive. n.l.turn is held.
func (n *fcf) advertise(to ethernet.MAC, more fip.Flags, atLeast int) {
	n.l.send.control(fipFrame(to, n.mac, &fip.Frame{
		Kind: fip.Advertisement, Flags: fcfFlags | fip.Available | more,
		Has:      fip.SetOf(fip.TypePriority, fip.TypeMAC, fip.TypeName, fip.TypeFabric, fip.TypeAdvertise),
		Priority: n.a.FCFPriority, MAC: n.mac, Name: n.name, Fabric: fip.Fabric{Map: n.a.FCMap, Name: n.name},
		Advertise: fip.MakeAdvertise(n.a.Advertise),
	}, atLeast))
}

// clearAll tells all hosts that no login of theirs counts. n.l.turn is held.
func (n *fcf) clearAll() { n.clearLinks(fip.AllENode) }

// clear tells a port's host that its login has ended. n.l.turn is held.
func (n *fcf) clear(m *member) {
	n.clearLinks(m.enode, fip.VNPort{MAC: fip.PortMAC(n.a.FCMap, m.id), ID: m.id, Port: m.port})
}

// clearLinks sends Clear Virtual Links: for some ports, or for all of whom it is sent to. n.l.turn is held.
func (n *fcf) clearLinks(to ethernet.MAC, ports ...fip.VNPort) {
	has := fip.SetOf(fip.TypeMAC, fip.TypeName)
	if len(ports) > 0 {
		has |= fip.SetOf(fip.TypeVNPort)
	}
	n.l.send.control(fipFrame(to, n.mac, &fip.Frame{
		Kind: fip.ClearVirtualLinks, Flags: fcfFlags, Has: has, MAC: n.mac, Name: n.name, VNPorts: ports,
	}, 0))
}

// alive has a keep-alive, of an ENode or of a port of it. Who is not logged in, and thinks so, is told. n.l.turn is held.
func (n *fcf) alive(src ethernet.MAC, f *fip.Frame, now time.Time) {
	if len(f.VNPorts) == 0 {
		if f.MAC != src {
			return
		}
		if _, ok := n.enodes[src]; ok {
			n.enodes[src] = now
		} else if n.answers.take(now) {
			n.clearLinks(src)
		}
		return
	}
	v := f.VNPorts[0]
	if _, id := fip.MACID(src); v.MAC != src || id != v.ID || f.MAC.Group() {
		return
	}
	switch m := n.members[v.ID]; {
	case m != nil && m.enode == f.MAC:
		// What does not agree with the login is not that host's: nobody makes us end the link of another.
		if m.port == v.Port && src == fip.PortMAC(n.a.FCMap, m.id) {
			m.heard, n.enodes[m.enode] = now, now
		}
	case n.answers.take(now):
		n.clearLinks(f.MAC, v)
	}
}

// asked has FLOGI, FDISC or LOGO of a host. n.l.turn is held.
func (n *fcf) asked(src ethernet.MAC, f *fip.Frame, now time.Time) {
	h, t := f.Link.Header, f.Type()
	c := els.CommandOf(f.Link.Payload)
	if t != typeOf(c) || h.D != fc.FabricPort {
		if n.answers.take(now) {
			n.reply(src, f, els.Reject{Reason: els.ReasonProtocol}.Append(nil))
		}
		return
	}
	var refused els.Reject
	var err error
	if c == els.LOGO {
		err = n.logout(src, f)
	} else {
		err = n.login(src, f, now)
	}
	if errors.As(err, &refused) && n.answers.take(now) {
		n.reply(src, f, refused.Append(nil))
	}
}

// login logs a host's port in (FLOGI), or another one of it (FDISC). n.l.turn is held.
func (n *fcf) login(src ethernet.MAC, f *fip.Frame, now time.Time) error {
	l, err := els.ParseLogin(f.Link.Payload)
	switch {
	case err != nil:
		return refusalOf(err)
	case f.Flags&fip.FPMA == 0: // it has an address of its own in mind
		return els.Reject{Reason: els.ReasonFIP}
	case f.Link.Header.S != 0:
		return els.Reject{Reason: els.ReasonLogical, Explanation: els.ExplanationS}
	}
	g, err := n.f.Login(&l, macNumber(src))
	for _, id := range g.Ended {
		if m := n.members[id]; m != nil {
			if m.enode != src { // who logs in anew knows it
				n.clear(m)
			}
			n.forget(id)
		}
	}
	if err != nil {
		return err
	}
	n.forget(g.ID) // it may have come from elsewhere
	n.members[g.ID] = &member{id: g.ID, port: l.Port, enode: src, heard: now}
	n.enodes[src] = now
	n.mu.Lock()
	n.granted[g.ID] = struct{}{}
	n.mu.Unlock()
	n.l.at(now.Add(min(missed(n.a.Advertise), missed(portAlive))))
	n.grant(src, f, g.ID, g.Accept.Append(nil))
	return nil
}

// logout ends a login as its host wants it. n.l.turn is held.
func (n *fcf) logout(src ethernet.MAC, f *fip.Frame) error {
	id := f.Link.Header.S
	l, err := els.ParseLogout(f.Link.Payload)
	m := n.members[id]
	switch {
	case err != nil:
		return refusalOf(err)
	case m == nil || m.enode != src || m.port != l.Port:
		return els.Reject{Reason: els.ReasonUnable, Explanation: els.ExplanationLogin}
	}
	n.grant(src, f, id, els.AppendAccept(nil))
	n.drop(id, fmt.Errorf("%w: %w", fc.ErrDown, errLoggedOut))
	return nil
}

// grant answers a request that is granted: with the MAC address of the port. n.l.turn is held.
func (n *fcf) grant(to ethernet.MAC, asked *fip.Frame, id fc.ID, payload []byte) {
	f := n.answer(asked, id, payload)
	f.Has |= fip.SetOf(fip.TypeMAC)
	f.MAC = fip.PortMAC(n.a.FCMap, id)
	n.l.send.control(fipFrame(to, n.mac, f, 0))
}

// reply answers a request that is not. n.l.turn is held.
func (n *fcf) reply(to ethernet.MAC, asked *fip.Frame, payload []byte) {
	n.l.send.control(fipFrame(to, n.mac, n.answer(asked, asked.Link.Header.S, payload), 0))
}

// answer is one to a link service, from the address that was asked.
func (n *fcf) answer(asked *fip.Frame, d fc.ID, payload []byte) *fip.Frame {
	f := linkFrame(fip.LinkReply, asked.Type(), replyHeader(d, fc.FabricPort, asked.Link.Header.OX), payload)
	f.Flags = fcfFlags
	return f
}

// macNumber is a MAC address as a number.
func macNumber(m ethernet.MAC) (n uint64) {
	for _, b := range m {
		n = n<<8 | uint64(b)
	}
	return n
}
