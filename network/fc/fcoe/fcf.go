package fcoe

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/lunette-io/lunette/network/ethernet"
	"github.com/lunette-io/lunette/network/fc"
	"github.com/lunette-io/lunette/network/fc/fabric"
	"github.com/lunette-io/lunette/network/fc/fip"
)

// Times of a fabric (FC-BB-6 "FIP timers").
const (
	advertiseFuzz = 100 * time.Millisecond
	// portAlive is how often a port that is logged in says so, and missed how many times that (times 2) it may be silent.
	portAlive = 90 * time.Second
	// clearings is how often all links are cleared at the start, and clearWait the time between: hosts may be logged in at a program that was
	// here before.
	clearings = 2
	clearWait = 100 * time.Millisecond
)

// maxMembers is how many ports may be logged in.
const maxMembers = 1024

// missed is for how long who has to be heard every d may be silent.
func missed(d time.Duration) time.Duration { return d * 5 / 2 }

// A fcf is a fabric of ours on a line: its FCoE Forwarder. Ports of ours are inside the fabric, hosts are outside.
type fcf struct {
	base
	f    *fabric.Fabric
	out  *outlet
	name fc.Name // of the fabric, and of the switch
	told *teller // answers VLAN requests on the interface of which this is a VLAN; nil: nobody does

	// All of it by l.turn.
	mac     ethernet.MAC // of the interface, which is that of the FCF
	awake   bool         // there has been a port inside: without one nothing is said, so that a network that is only looked at clears no links
	running bool         // the interface is up
	cleared int          // how often all links have been cleared since it is up
	due     time.Time    // of the next advertisement, or clearing
	members map[fc.ID]*member
	enodes  map[ethernet.MAC]time.Time // when those of members were heard last
	answers bucket
	others  []other
	closed  bool

	// granted are the addresses of members, for the sender. mu guards it; nothing is called with it held.
	mu      sync.Mutex
	granted map[fc.ID]struct{}
	from    ethernet.MAC // mac, by mu
}

// A member is a port outside that is logged in.
type member struct {
	id    fc.ID
	port  fc.Name
	enode ethernet.MAC
	heard time.Time // its last keep-alive, or a frame
	seen  bool      // a frame has come since the last tick
}

// An other is an FCF beside us.
type other struct {
	mac    ethernet.MAC
	fabric fc.Name
	heard  time.Time
}

// maxOthers bounds how many of them are remembered.
const maxOthers = 16

func newFCF(b base, w ethernet.Wire) *fcf {
	s := w.State()
	n := &fcf{base: b, name: b.a.Name, mac: s.MAC, members: make(map[fc.ID]*member), enodes: make(map[ethernet.MAC]time.Time), answers: newBucket(), granted: make(map[fc.ID]struct{}), from: s.MAC}
	if n.name == 0 {
		n.name = switchName(s.MAC, b.a.VLAN)
	}
	n.l = newLine(w, n.route, n, b.log)
	n.out = n.l.send.outlet(func(s *fc.Sequence, err error) { n.f.Sent(s, err) })
	n.f = fabric.New(fabric.Config{
		Name: n.name, Domain: b.a.Domain, MaxPayload: payloadOf(b.a, s), ErrorDetect: errorDetect, ResourceAllocation: resourceAllocation,
		Receives: n.l.room(), Max: maxMembers, Provider: "fcoe", Address: b.text, Log: b.log,
	}, outside{n})
	return n
}

// switchName is the name of a switch at an interface, and at a VLAN of it: of NAA 2 (FC-FS "Name_Identifier formats"). Linux takes 1000 and
// 2000 for its own ports at the interface.
func switchName(m ethernet.MAC, vlan uint16) fc.Name {
	n := fc.Name(0x2fcf)
	if vlan != 0 {
		n = 0x2000 | fc.Name(vlan)
	}
	for _, b := range m {
		n = n<<8 | fc.Name(b)
	}
	return n
}

// outside is the way to hosts; it implements [fabric.Outside].
type outside struct{ n *fcf }

func (o outside) Post(s *fc.Sequence) bool { return o.n.out.post(s) }
func (o outside) Flush()                   { o.n.l.send.flush() }
func (o outside) Cancel(s *fc.Sequence)    { o.n.out.cancel(s) }

// route is where frames to d go: all that we send is from the FCF's address, whoever of ours it is from.
func (n *fcf) route(d, _ fc.ID) (dst, src ethernet.MAC, ok bool) {
	n.mu.Lock()
	_, ok = n.granted[d]
	src = n.from
	n.mu.Unlock()
	return fip.PortMAC(n.a.FCMap, d), src, ok
}

// changed implements [machine]. n.l.turn is held.
func (n *fcf) changed(s ethernet.State) {
	why := ready(n.a, s)
	if why == nil && n.running && s.MAC != n.mac {
		why = fmt.Errorf("%w: the interface %s has another address", fc.ErrDown, n.a.Place())
		n.stop(why)
		why = nil
	}
	if why != nil {
		n.stop(why)
		return
	}
	n.mac = s.MAC
	n.mu.Lock()
	n.from = s.MAC
	n.mu.Unlock()
	n.f.Change(n.payload(), n.l.room())
	n.out.up(n.payload())
	n.begin()
}

// begin lets hosts know that the fabric is there, if it is. n.l.turn is held.
func (n *fcf) begin() {
	if n.awake && !n.running && ready(n.a, n.l.now) == nil {
		n.running, n.cleared = true, 0
		n.next(time.Now())
	}
}

// stop logs all hosts out: the interface carries nothing any more. n.l.turn is held.
func (n *fcf) stop(why error) {
	n.running, n.due = false, time.Time{}
	for _, id := range sorted(n.members) {
		n.drop(id, why)
	}
	n.out.down(why)
}

// next says when there is something to do. n.l.turn is held.
func (n *fcf) next(at time.Time) {
	n.due = at
	n.l.at(at)
}

// tick implements [machine]. n.l.turn is held.
func (n *fcf) tick(now time.Time) time.Time {
	if !n.due.IsZero() && !now.Before(n.due) {
		switch {
		case n.cleared < clearings:
			n.cleared++
			n.clearAll()
			n.due = now.Add(n.soon(clearWait))
		default:
			n.advertise(fip.AllENode, 0, 0)
			n.due = now.Add(n.a.Advertise + random(advertiseFuzz))
		}
	}
	next := n.due
	for id, m := range n.members {
		if m.seen {
			m.heard, m.seen = now, false
			n.enodes[m.enode] = now
		}
		port, host := m.heard.Add(missed(portAlive)), n.enodes[m.enode].Add(missed(n.a.Advertise))
		if at := sooner(port, host); now.Before(at) {
			next = sooner(next, at)
			continue
		}
		n.clear(m)
		n.drop(id, fmt.Errorf("%w: it has not said for long that it is there", fc.ErrDown))
	}
	return next
}

// started reports that hosts may log in. n.l.turn is held.
func (n *fcf) started() bool { return n.running && n.cleared >= clearings && !n.closed }

// drop ends the login of a port. n.l.turn is held.
func (n *fcf) drop(id fc.ID, why error) {
	n.forget(id)
	n.f.Logout(id, why)
}

// forget takes a port out of the table. n.l.turn is held.
func (n *fcf) forget(id fc.ID) {
	m := n.members[id]
	if m == nil {
		return
	}
	delete(n.members, id)
	n.mu.Lock()
	delete(n.granted, id)
	n.mu.Unlock()
	for _, x := range n.members {
		if x.enode == m.enode {
			return
		}
	}
	delete(n.enodes, m.enode)
}

// deliver implements [machine]. n.l.turn is held.
func (n *fcf) deliver(dst, src ethernet.MAC, f *fc.Frame) bool {
	m := n.members[f.S]
	if m == nil || dst != n.mac || src != fip.PortMAC(n.a.FCMap, f.S) {
		return false
	}
	m.seen = true
	if n.f.Received(f) {
		n.forget(f.S)
	}
	return true
}

// batch implements [machine].
func (n *fcf) batch() { n.f.Batch() }

// Attach implements [fc.Network].
func (n *fcf) Attach(c fc.PortConfig, h fc.Handler) (fc.Link, error) {
	n.l.turn.Lock()
	closed := n.closed
	n.l.turn.Unlock()
	if closed {
		return nil, fc.ErrClosed
	}
	k, err := n.f.Attach(c, h)
	if err == nil {
		n.l.turn.Lock()
		n.awake = true
		n.begin()
		n.l.turn.Unlock()
		if n.told != nil {
			n.told.awake.Store(true)
		}
	}
	return k, err
}

// Zone and Rezone implement [fc.Zoned].
func (n *fcf) Zone(z fc.Zoning) { n.f.Zone(z) }

// Rezone implements [fc.Zoned].
func (n *fcf) Rezone() { n.f.Rezone() }

// Close implements [fc.Network]. Hosts are told, so that they do not wait for what does not come any more.
func (n *fcf) Close() error {
	n.l.turn.Lock()
	again := n.closed
	n.closed = true
	if n.running && !again {
		n.clearAll()
		n.stop(fc.ErrClosed)
	}
	n.l.turn.Unlock()
	if again {
		return nil
	}
	n.l.send.flush()
	if n.told != nil {
		n.told.close()
	}
	err := errors.Join(n.l.close(), n.f.Close())
	n.gone()
	return err
}

// Info implements [fc.Network].
func (n *fcf) Info() fc.NetworkInfo {
	inner := n.f.Info()
	n.l.turn.Lock()
	defer n.l.turn.Unlock()
	i := n.info()
	i.Lines = append(i.Lines, fmt.Sprintf("fabric %v, FC-MAP %06x, %d ports logged in", n.name, n.a.FCMap, len(n.members)))
	for _, o := range n.others {
		i.Lines = append(i.Lines, fmt.Sprintf("another switch is on the wire: %v with the fabric %v: Linux logs in nowhere when it sees two fabrics", o.mac, o.fabric))
	}
	i.Lines = append(i.Lines, inner.Lines...)
	return i
}

// beside remembers another FCF, by its advertisement. n.l.turn is held.
func (n *fcf) beside(f *fip.Frame, now time.Time) {
	o := other{f.MAC, f.Fabric.Name, now}
	if i := slices.IndexFunc(n.others, func(x other) bool { return x.mac == o.mac }); i >= 0 {
		n.others[i] = o
		return
	}
	if len(n.others) == maxOthers {
		oldest := 0
		for i, x := range n.others {
			if x.heard.Before(n.others[oldest].heard) {
				oldest = i
			}
		}
		n.others[oldest] = o
		return
	}
	n.log.Warn("another switch is on the wire: hosts that see two fabrics may log in nowhere", "mac", o.mac, "fabric", o.fabric)
	n.others = append(n.others, o)
}
