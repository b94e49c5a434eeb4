package fcoe

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/lunette-io/lunette/network/ethernet"
	"github.com/lunette-io/lunette/network/fc"
	"github.com/lunette-io/lunette/network/fc/fip"
)

// Times of VN2VN (FC-BB-6 "VN2VN_Port timers"); Linux has the same.
const (
	probeWait   = 100 * time.Millisecond // before the first probe at random up to this, and between both
	announce    = 400 * time.Millisecond // after the last probe, and between a claim and the first beacon
	beaconEvery = 8 * time.Second
	beaconFuzz  = 100 * time.Millisecond
	expiry      = beaconEvery * 5 / 2 // a neighbour without a beacon for so long is gone
	// conflicts is how many times a port looks for another address at once; then it waits between them.
	conflicts    = 10
	conflictWait = 10 * time.Second
)

// errorDetect and resourceAllocation are E_D_TOV and R_A_TOV: on one wire no frame is late for longer.
const (
	errorDetect        = 2 * time.Second
	resourceAllocation = 4 * time.Second
)

// vnMAC is the MAC address of a port among neighbours.
func vnMAC(id fc.ID) ethernet.MAC { return fip.PortMAC(fip.VN2VNMap, id) }

// maxVNPorts is how many ports a network has here.
const maxVNPorts = 256

// A vn2vn is a network of neighbours on a line.
type vn2vn struct {
	base

	// All of it by l.turn.
	ports      []*vnPort
	byID       map[fc.ID]*vnPort // those that have claimed one, or are about to
	neighbours map[fc.ID]*neighbour
	answers    bucket
	defences   bucket // of addresses: a bucket of their own, so that no flood of something else makes us lose them
	closed     bool
	mac        ethernet.MAC // of the interface
	refused    int64        // claims for which there was no room
	silent     int64        // beacons of ports that we do not know
}

func newVN2VN(b base, w ethernet.Wire) *vn2vn {
	n := &vn2vn{base: b, byID: make(map[fc.ID]*vnPort), neighbours: make(map[fc.ID]*neighbour), answers: newBucket(), defences: newBucket()}
	n.l = newLine(w, n.route, n, b.log)
	n.mac = n.l.now.MAC
	return n
}

// route is where the frames from s to d go.
func (n *vn2vn) route(d, s fc.ID) (dst, src ethernet.MAC, ok bool) {
	return vnMAC(d), vnMAC(s), localID(d) && localID(s)
}

// localID reports that an address is one that ports can claim.
func localID(id fc.ID) bool { return id > 0 && id < 0xffff }

// Attach implements [fc.Network].
func (n *vn2vn) Attach(c fc.PortConfig, h fc.Handler) (fc.Link, error) {
	n.l.turn.Lock()
	defer n.l.turn.Unlock()
	switch {
	case n.closed:
		return nil, fc.ErrClosed
	case len(n.ports) == maxVNPorts:
		return nil, fmt.Errorf("there are %d ports on %s already", len(n.ports), n.a.Place())
	case slices.ContainsFunc(n.ports, func(p *vnPort) bool { return p.c.Port == c.Port }):
		return nil, fmt.Errorf("there is a port %v on %s already", c.Port, n.a.Place())
	}
	p := &vnPort{link: newLink(n.l, h), n: n, c: c, logins: make(map[fc.ID]*login)}
	n.ports = append(n.ports, p)
	if ready(n.a, n.l.now) == nil {
		p.start(time.Now())
	}
	return p, nil
}

// changed implements [machine]. n.l.turn is held.
func (n *vn2vn) changed(s ethernet.State) {
	why := ready(n.a, s)
	moved := why == nil && n.mac != s.MAC
	n.mac = s.MAC
	if why != nil {
		clear(n.neighbours)
	}
	for _, p := range n.ports {
		switch {
		case why != nil:
			p.stop(why)
		case moved && p.state != vnDown:
			p.stop(fmt.Errorf("%w: the interface %s has another address", fc.ErrDown, n.a.Place()))
			p.start(time.Now())
		case p.state == vnDown:
			p.start(time.Now())
		case p.state == vnUp && p.payload != n.payload():
			p.announce() // another MTU
		}
	}
}

// batch implements [machine].
func (n *vn2vn) batch() {}

// tick implements [machine]. n.l.turn is held.
func (n *vn2vn) tick(now time.Time) time.Time {
	var next time.Time
	for _, p := range n.ports {
		next = sooner(next, p.tick(now))
	}
	for id, x := range n.neighbours {
		if at := x.heard.Add(expiry); now.Before(at) {
			next = sooner(next, at)
		} else {
			n.forget(id, fmt.Errorf("fcoe: no beacon from it for %v", expiry))
		}
	}
	return next
}

// sooner is the earlier of two times, of which the zero time is none.
func sooner(a, b time.Time) time.Time {
	if a.IsZero() || (!b.IsZero() && b.Before(a)) {
		return b
	}
	return a
}

// deliver implements [machine]. n.l.turn is held.
func (n *vn2vn) deliver(dst, src ethernet.MAC, f *fc.Frame) bool {
	p := n.byID[f.D]
	if p == nil || p.state != vnUp || src != vnMAC(f.S) || dst != vnMAC(f.D) {
		return false
	}
	g := p.logins[f.S]
	if g == nil || !g.found {
		return false
	}
	g.used = true
	p.receive(f)
	return true
}

// Close implements [fc.Network].
func (n *vn2vn) Close() error {
	n.l.turn.Lock()
	if len(n.ports) > 0 {
		n.l.turn.Unlock()
		return errors.New("fcoe: there are ports on the network")
	}
	again := n.closed
	n.closed = true
	n.l.turn.Unlock()
	if again {
		return nil
	}
	err := n.l.close()
	n.gone()
	return err
}

// Info implements [fc.Network].
func (n *vn2vn) Info() fc.NetworkInfo {
	n.l.turn.Lock()
	defer n.l.turn.Unlock()
	i := n.info()
	for _, p := range n.ports {
		i.Lines = append(i.Lines, fmt.Sprintf("port %v: %s", p.c.Port, p.words()))
	}
	for _, id := range sorted(n.neighbours) {
		x := n.neighbours[id]
		i.Lines = append(i.Lines, fmt.Sprintf("neighbour %v at %v: port %v, %s", id, x.mac, x.port, n.loginsOf(id)))
	}
	if n.refused > 0 {
		i.Lines = append(i.Lines, fmt.Sprintf("%d claims of neighbours for which there is no room: there are %d", n.refused, maxNeighbours))
	}
	return i
}

// A bucket bounds what is answered to those whom nobody knows: so many at once, and so many each second.
type bucket struct {
	left int
	at   time.Time
}

const bucketSize = 512

func newBucket() bucket { return bucket{left: bucketSize} }

// take reports that one more may be answered.
func (b *bucket) take(now time.Time) bool {
	if n := int(min(now.Sub(b.at), time.Second) * bucketSize / time.Second); n > 0 {
		b.left, b.at = min(b.left+n, bucketSize), now
	}
	if b.left == 0 {
		return false
	}
	b.left--
	return true
}

// random is a duration below d.
func random(d time.Duration) time.Duration { return time.Duration(rand.Int64N(int64(d))) }
