package fcoe

import (
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"github.com/lunette-io/lunette/network/ethernet"
	"github.com/lunette-io/lunette/network/fc"
	"github.com/lunette-io/lunette/network/fc/fip"
)

// Times of an ENode.
const (
	solicitEvery = 3 * time.Second        // as long as there is no fabric
	selectWait   = 300 * time.Millisecond // from the first usable advertisement to the choice
	loginWait    = 2 * time.Second        // for the answer to FLOGI, and after a refusal
	leastPeriod  = 250 * time.Millisecond // FKA_ADV_PERIOD is taken for no less, and for no more than maxAdvertise
)

// maxForwarders bounds the FCFs among which one is chosen.
const maxForwarders = 20

// A forwarder is an FCF as its advertisements have it.
type forwarder struct {
	mac      ethernet.MAC
	name     fc.Name // of the switch
	fabric   fip.Fabric
	priority uint8
	period   time.Duration
	silent   bool // it wants no keep-alives
	usable   bool // it has answered a solicitation, so that long frames arrive, and takes logins
	heard    time.Time
}

// An enode has ports in the fabric of somebody else (FC-BB-6 "ENode").
type enode struct {
	base

	// All of it by l.turn.
	mac        ethernet.MAC // of the interface
	running    bool
	took       int // how much payload frames had when the interface was looked at last
	forwarders []*forwarder
	chosen     *forwarder // nil: none yet
	solicit    time.Time  // when that is due; zero: it is not
	choose     time.Time
	alive      time.Time // when the next keep-alive is due
	ports      []*enPort
	ox         uint16
	closed     bool

	// routes are ports, for the sender, which takes no lock.
	routes atomic.Pointer[[]*enPort]
}

func newENode(b base, w ethernet.Wire) *enode {
	n := &enode{base: b, mac: w.State().MAC}
	n.l = newLine(w, n.route, n, b.log)
	return n
}

// route is where frames of a port go: to the switch, whoever they are for. A port can be granted addresses by one FC-MAP only, which it keeps.
func (n *enode) route(_, s fc.ID) (dst, src ethernet.MAC, ok bool) {
	// The ports of an outlet that is up have way, and nobody changes it as long as it is.
	for _, p := range n.snapshot() {
		if w := p.way.Load(); w != nil && w.id == s {
			return w.to, w.from, true
		}
	}
	return dst, src, false
}

// changed implements [machine]. n.l.turn is held.
func (n *enode) changed(s ethernet.State) {
	why := ready(n.a, s)
	if why == nil && n.running && s.MAC != n.mac {
		n.stop(fmt.Errorf("%w: the interface %s has another address", fc.ErrDown, n.a.Place()))
	}
	n.mac = s.MAC
	switch {
	case why != nil:
		n.stop(why)
	case !n.running:
		n.running = true
		n.seek(time.Now().Add(random(n.soon(probeWait))))
	case n.payload() != n.took: // the fabric learns of that by a login alone
		n.lose(fmt.Errorf("%w: the interface %s has another MTU", fc.ErrDown, n.a.Place()))
		n.seek(time.Now().Add(random(n.soon(probeWait))))
	}
	n.took = n.payload()
}

// stop ends all logins: the interface carries nothing any more. n.l.turn is held.
func (n *enode) stop(why error) {
	n.running, n.solicit, n.choose = false, time.Time{}, time.Time{}
	n.lose(why)
}

// lose ends all logins. n.l.turn is held.
func (n *enode) lose(why error) {
	n.chosen, n.forwarders = nil, nil
	for _, p := range n.ports {
		p.lose(why)
	}
}

// seek looks for a fabric, from a time on. n.l.turn is held.
func (n *enode) seek(at time.Time) {
	n.solicit, n.choose = at, time.Time{}
	n.l.at(at)
}

// tick implements [machine]. n.l.turn is held.
func (n *enode) tick(now time.Time) time.Time {
	due := func(t time.Time) bool { return !t.IsZero() && !now.Before(t) }
	n.forwarders = slices.DeleteFunc(n.forwarders, func(f *forwarder) bool {
		return f != n.chosen && !now.Before(f.heard.Add(missed(f.period)))
	})
	if f := n.chosen; f != nil && !now.Before(f.heard.Add(missed(f.period))) {
		n.lose(fmt.Errorf("%w: the switch %v has not said for %v that it is there", fc.ErrDown, f.mac, missed(f.period)))
		n.seek(now)
	}
	if due(n.choose) {
		n.choose = time.Time{}
		n.take(now)
	}
	if due(n.solicit) && len(n.ports) > 0 {
		n.ask(fip.AllFCF)
		n.solicit = now.Add(n.soon(solicitEvery))
	}
	next := n.choose
	if len(n.ports) > 0 {
		next = sooner(next, n.solicit)
	}
	if f := n.chosen; f != nil {
		next = sooner(next, f.heard.Add(missed(f.period)))
		if !f.silent {
			if due(n.alive) {
				n.keepAlive()
				n.alive = now.Add(f.period)
			}
			next = sooner(next, n.alive)
		}
		for _, p := range n.ports {
			next = sooner(next, p.tick(now))
		}
	}
	return next
}

// heardOf has an advertisement. n.l.turn is held.
func (n *enode) heardOf(src ethernet.MAC, f *fip.Frame, now time.Time) {
	if f.MAC != src || f.Fabric.Map == 0 || f.Fabric.Map&0x10000 != 0 || f.Name == 0 || f.Flags&fip.FPMA == 0 {
		return
	}
	i := slices.IndexFunc(n.forwarders, func(x *forwarder) bool { return x.mac == src && x.name == f.Name && x.fabric == f.Fabric })
	var x *forwarder
	switch {
	case i >= 0:
		x = n.forwarders[i]
	case len(n.forwarders) == maxForwarders:
		return
	default:
		x = &forwarder{mac: src, name: f.Name, fabric: f.Fabric}
		n.forwarders = append(n.forwarders, x)
	}
	x.heard, x.priority, x.silent = now, f.Priority, f.Advertise.NoKeepAlive
	x.period = min(max(f.Advertise.Time(), leastPeriod), maxAdvertise)
	if f.Flags&fip.Solicited != 0 {
		x.usable = f.Flags&fip.Available != 0
	} else if !x.usable {
		n.ask(src)
	}
	if x.usable && n.chosen == nil && n.choose.IsZero() {
		n.choose = now.Add(n.soon(selectWait))
	}
	n.l.at(sooner(n.choose, now.Add(missed(x.period))))
}

// take chooses a switch: of those with the lowest priority the one with the lowest name. n.l.turn is held.
func (n *enode) take(now time.Time) {
	for _, f := range n.forwarders {
		if best := n.chosen; f.usable && (best == nil || f.priority < best.priority || f.priority == best.priority && f.name < best.name) {
			n.chosen = f
		}
	}
	if n.chosen == nil {
		return
	}
	n.solicit, n.alive = time.Time{}, now.Add(n.chosen.period)
	n.loginNext(now)
}

// loginNext logs the next port in: the first by FLOGI, and when that is in the others by FDISC. n.l.turn is held.
func (n *enode) loginNext(now time.Time) {
	if n.chosen == nil {
		return
	}
	first := !slices.ContainsFunc(n.ports, func(p *enPort) bool { return p.way.Load() != nil || !p.asked.IsZero() })
	for _, p := range n.ports {
		if p.way.Load() != nil || !p.asked.IsZero() {
			continue
		}
		p.ask(first, now)
		if first {
			return
		}
	}
}

// deliver implements [machine]. n.l.turn is held.
func (n *enode) deliver(dst, src ethernet.MAC, f *fc.Frame) bool {
	for _, p := range n.ports {
		if w := p.way.Load(); w != nil && w.id == f.D {
			if dst != w.from || src != w.to {
				return false
			}
			p.receive(f)
			return true
		}
	}
	return false
}

// batch implements [machine].
func (n *enode) batch() {}

// Attach implements [fc.Network].
func (n *enode) Attach(c fc.PortConfig, h fc.Handler) (fc.Link, error) {
	n.l.turn.Lock()
	defer n.l.turn.Unlock()
	switch {
	case n.closed:
		return nil, fc.ErrClosed
	case len(n.ports) == maxVNPorts:
		return nil, fmt.Errorf("there are %d ports on %s already", len(n.ports), n.a.Place())
	case slices.ContainsFunc(n.ports, func(p *enPort) bool { return p.c.Port == c.Port }):
		return nil, fmt.Errorf("there is a port %v on %s already", c.Port, n.a.Place())
	}
	p := &enPort{link: newLink(n.l, h), n: n, c: c}
	n.ports = append(n.ports, p)
	n.publish()
	n.loginNext(time.Now())
	n.l.at(n.solicit)
	return p, nil
}

// Close implements [fc.Network].
func (n *enode) Close() error {
	n.l.turn.Lock()
	again, left := n.closed, len(n.ports)
	if left == 0 {
		n.closed = true
	}
	n.l.turn.Unlock()
	switch {
	case left > 0:
		return errors.New("fcoe: there are ports on the network")
	case again:
		return nil
	}
	err := n.l.close()
	n.gone()
	return err
}

// Info implements [fc.Network].
func (n *enode) Info() fc.NetworkInfo {
	n.l.turn.Lock()
	defer n.l.turn.Unlock()
	i := n.info()
	if n.running && n.chosen == nil {
		i.State = "no fabric: no switch has answered"
	}
	for _, f := range n.forwarders {
		i.Lines = append(i.Lines, fmt.Sprintf("switch %v at %v, fabric %v%s", f.name, f.mac, f.fabric.Name, unless(f != n.chosen, ", which is used")))
	}
	for _, p := range n.ports {
		where := "not logged in"
		if w := p.way.Load(); w != nil {
			where = w.id.String()
		}
		i.Lines = append(i.Lines, fmt.Sprintf("port %v: %s", p.c.Port, where))
	}
	return i
}
