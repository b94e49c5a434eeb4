package fcoe

import (
	"time"

	"github.com/lunette-io/lunette/network/ethernet"
	"github.com/lunette-io/lunette/network/fc"
	"github.com/lunette-io/lunette/network/fc/els"
	"github.com/lunette-io/lunette/network/fc/fip"
)

// fip implements [machine]. n.l.turn is held.
func (n *vn2vn) fip(dst, src ethernet.MAC, f *fip.Frame) {
	now := time.Now()
	switch f.Kind {
	case fip.LinkRequest, fip.LinkReply, fip.ClaimResponse, fip.ProbeReply:
		if dst.Group() {
			return
		}
	}
	switch f.Kind {
	case fip.LinkRequest:
		n.asked(src, &f.Link, now)
		return
	case fip.LinkReply:
		n.repliedTo(src, &f.Link, now)
		return
	case fip.ProbeRequest, fip.ProbeReply, fip.ClaimNotification, fip.ClaimResponse, fip.Beacon:
	default:
		return
	}
	s, ok := stationOf(src, f)
	if !ok || s.mac == n.l.now.MAC {
		n.l.ignored.Add(1)
		return
	}
	switch f.Kind {
	case fip.ProbeRequest:
		n.probed(&s, now)
	case fip.ProbeReply:
		n.defended(&s, now)
	case fip.ClaimNotification:
		n.claimedBy(&s, now)
	case fip.ClaimResponse:
		n.answered(&s, now)
	case fip.Beacon:
		n.beaconFrom(&s, now)
	}
}

// stationOf reads who has sent a frame of VN2VN; false: it contradicts itself.
func stationOf(src ethernet.MAC, f *fip.Frame) (station, bool) {
	v := f.VNPorts[0]
	s := station{mac: f.MAC, node: f.Name, port: v.Port, id: v.ID, size: int(f.MaxSize), recorded: f.Flags&fip.Recorded != 0}
	from := s.mac
	if f.Kind == fip.Beacon {
		from = v.MAC
	}
	return s, localID(s.id) && v.MAC == vnMAC(s.id) && src == from && !s.mac.Group() && s.port != 0
}

// send sends a frame of VN2VN, by which the port says who it is. p.l.turn is held.
func (p *vnPort) send(kind fip.Kind, to ethernet.MAC, atLeast int) {
	f := fip.Frame{
		Kind: kind, Has: fip.SetOf(fip.TypeMAC, fip.TypeName, fip.TypeVNPort), MAC: p.l.now.MAC, Name: p.c.Node,
		VNPorts: []fip.VNPort{{MAC: vnMAC(p.id), ID: p.id, Port: p.c.Port}},
	}
	src := p.l.now.MAC
	switch kind {
	case fip.Beacon:
		src = vnMAC(p.id)
	case fip.ClaimNotification, fip.ClaimResponse:
		f.Has |= fip.SetOf(fip.TypeFC4, fip.TypeMaxSize)
		f.MaxSize = fip.MaxSizeOf(p.n.payload())
		for _, t := range p.c.Types {
			var features fc.Features
			if t == fc.TypeFCP {
				features = p.c.Features
			}
			f.FC4.Set(t, features)
		}
	}
	p.l.send.control(fipFrame(to, src, &f, atLeast))
}

// probe asks whether somebody has the address. p.l.turn is held.
func (p *vnPort) probe() { p.send(fip.ProbeRequest, fip.AllVN2VN, 0) }

// defend says that the address is taken. p.l.turn is held.
func (p *vnPort) defend(to ethernet.MAC, now time.Time) {
	if p.n.defences.take(now) {
		p.send(fip.ProbeReply, to, 0)
	}
}

// claim says that the address is the port's. p.l.turn is held.
func (p *vnPort) claim(now time.Time) {
	p.claimed = now
	p.send(fip.ClaimNotification, fip.AllVN2VN, 0)
}

// claimAgain does so if it has not just been done. p.l.turn is held.
func (p *vnPort) claimAgain(now time.Time) {
	if now.Sub(p.claimed) >= p.n.soon(announce) {
		p.claim(now)
	}
}

// answer answers a claim, by a frame as long as both ends take: if it arrives, those of FC do. p.l.turn is held.
func (p *vnPort) answer(s *station) {
	p.send(fip.ClaimResponse, s.mac, min(s.size, int(fip.MaxSizeOf(p.n.payload()))))
}

// sendBeacon says that the port is still there. p.l.turn is held.
func (p *vnPort) sendBeacon(now time.Time) {
	p.beacon = now
	p.send(fip.Beacon, fip.AllVN2VN, 0)
}

// request asks a neighbour by FIP. p.l.turn is held.
func (p *vnPort) request(to ethernet.MAC, id fc.ID, ox uint16, payload []byte) {
	t := typeOf(els.CommandOf(payload))
	f := linkFrame(fip.LinkRequest, t, requestHeader(id, p.id, ox), payload)
	p.sendLink(to, f)
}

// reply answers a neighbour's request. p.l.turn is held.
func (p *vnPort) reply(to ethernet.MAC, asked *fip.Link, payload []byte) {
	t := typeOf(els.CommandOf(asked.Payload))
	if t == 0 {
		return // it cannot be answered: nothing says where the answer stands
	}
	f := linkFrame(fip.LinkReply, t, replyHeader(asked.Header.S, p.id, asked.Header.OX), payload)
	p.sendLink(to, f)
}

// sendLink sends a link service, which but for a refusal says what the port's MAC address is. p.l.turn is held.
func (p *vnPort) sendLink(to ethernet.MAC, f *fip.Frame) {
	if els.CommandOf(f.Link.Payload) != els.LSRjt {
		f.Has |= fip.SetOf(fip.TypeMAC)
		f.MAC = vnMAC(p.id)
	}
	p.l.send.control(fipFrame(to, p.l.now.MAC, f, 0))
}
