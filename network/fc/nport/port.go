package nport

import (
	"context"
	"fmt"
	"hash/maphash"
	"sync"
	"sync/atomic"
	"time"

	"github.com/lunette-io/lunette/internal/ratelog"
	"github.com/lunette-io/lunette/network/fc"
)

// A Port is an N_Port at work.
//
// Who has the turn changes logins and calls the upper layer; everything that comes from the network is done in it. Locks come in this order: turn,
// mu, tables.mu, Exchange.mu, those of answers and of the network. None is held when the upper layer is called.
type Port struct {
	config Config
	link   atomic.Pointer[fc.Link] // nil until the network has given it
	epoch  time.Time
	sums   maphash.Seed // of first frames
	// E_D_TOV and R_A_TOV.
	errorDetect, resource atomic.Int64
	dropped               atomic.Int64 // frames of nobody

	turn    turn
	tables  tables
	answers answers

	// The following are changed by who has the turn, with mu held: each of both is enough to read them.
	mu      sync.Mutex
	at      fc.Attachment
	up      bool
	closing bool
	peers   map[fc.ID]*peer
	changed chan struct{} // closed, and made anew, when any of it changes

	// The following belong to who has the turn.
	requests map[*request]struct{}
	fabric   registration
	pieces   pieces
	refusals bucket
	crowded  ratelog.Paced // neighbours for which there was no room

	// The clock's.
	wake    chan struct{}
	stop    chan struct{}
	stopped chan struct{}

	closed atomic.Bool // Close was called; it has returned once when ended is closed
	ended  chan struct{}
}

// Open makes a port of the network.
func Open(n fc.Network, c Config) (*Port, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	p := &Port{
		config: c, epoch: time.Now(), sums: maphash.MakeSeed(), peers: make(map[fc.ID]*peer), changed: make(chan struct{}), requests: make(map[*request]struct{}),
		wake: make(chan struct{}, 1), stop: make(chan struct{}), stopped: make(chan struct{}), ended: make(chan struct{}),
		refusals: bucket{most: few, interval: 100 * time.Millisecond},
	}
	p.errorDetect.Store(int64(defaultErrorDetect))
	p.resource.Store(int64(defaultResourceAllocation))
	t := &p.tables
	t.max, t.keep, t.aborts = c.MaxExchanges, max(few, c.MaxExchanges/8), make(map[uint16]*abort)
	// As many identifiers again may be at rest.
	t.theirs.init(2*c.MaxExchanges, true)
	ours := 2*c.MaxRemotes + 4*few
	if c.initiator() {
		ours += c.MaxExchanges
	}
	t.ours.init(ours, false)
	p.answers.init()
	link, err := n.Attach(fc.PortConfig{Node: c.Node, Port: c.Port, Types: []fc.Type{c.Protocol}, Features: c.Features}, handler{p})
	if err != nil {
		return nil, fmt.Errorf("nport: %w", err)
	}
	p.link.Store(&link)
	go p.clock()
	p.wakeUp()
	return p, nil
}

// Attachment is the port's place in the network, and whether it has one.
func (p *Port) Attachment() (fc.Attachment, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.at, p.up
}

// Remotes are the ports that are logged in (PRLI) with this one.
func (p *Port) Remotes() []*Remote {
	p.mu.Lock()
	defer p.mu.Unlock()
	var all []*Remote
	for _, o := range p.peers {
		if o.remote != nil {
			all = append(all, o.remote)
		}
	}
	return all
}

// Reconsider has the port log in with those whom [Config.Admits] lets in now, and did not before. Logins that there are stay.
func (p *Port) Reconsider() {
	p.turn.leave(func() {
		for _, o := range p.peers {
			p.later(o, 0)
		}
	})
	p.wakeUp()
}

// Connect waits until the port of the name is there and both are logged in with each other (PLOGI and PRLI),
// and does what is due for it: for initiators.
func (p *Port) Connect(ctx context.Context, name fc.Name) (*Remote, error) {
	for {
		p.mu.Lock()
		closing, changed := p.closing, p.changed
		var found *peer
		var r *Remote
		for _, o := range p.peers {
			if o.port == name {
				found, r = o, o.remote
			}
			if r != nil {
				break
			}
		}
		why := "it is not there"
		switch {
		case !p.up:
			why = "the link is down"
		case found != nil && found.in:
			why = "it does not log in (PRLI)"
		case found != nil:
			why = "it does not log in (PLOGI)"
		}
		if found != nil && found.failed != nil {
			why = found.failed.Error()
		}
		p.mu.Unlock()
		if closing {
			return nil, fmt.Errorf("nport: connect to %v: %w", name, fc.ErrClosed)
		}
		if r != nil {
			return r, nil
		}
		again := time.NewTimer(time.Duration(p.errorDetect.Load()))
		select {
		case <-changed:
		case <-again.C:
			if found == nil {
				p.turn.leave(p.fabric.ask)
				p.wakeUp()
			}
		case <-ctx.Done():
			again.Stop()
			return nil, fmt.Errorf("nport: connect to %v: %s: %w", name, why, ctx.Err())
		}
		again.Stop()
	}
}

// Flush sends what Exchange.Post has queued; see [fc.Link].
func (p *Port) Flush() {
	if l := p.link.Load(); l != nil {
		(*l).Flush()
	}
}

// Stats is what the link has done.
func (p *Port) Stats() fc.Stats {
	var s fc.Stats
	if l := p.link.Load(); l != nil {
		s = (*l).Stats()
	}
	s.Dropped += p.dropped.Load()
	return s
}

// Close logs out of all ports (LOGO), waits for the answers until ctx is done, and takes the port out of
// the network. Every process login has ended by Upper.LoggedOut then, and every sequence is given back. Exchanges may be closed later. It is not
// called from methods of the upper layer. A second call waits for the first.
func (p *Port) Close(ctx context.Context) {
	if p.closed.CompareAndSwap(false, true) {
		p.close(ctx)
		close(p.ended)
		return
	}
	<-p.ended
}

func (p *Port) close(ctx context.Context) {
	p.turn.take(func() {
		p.mu.Lock()
		p.closing = true
		p.mu.Unlock()
		for q := range p.requests {
			p.finish(q, nil, errClosing)
		}
		for _, o := range p.peers {
			in := o.in
			p.logOut(o, errClosing)
			if in {
				p.sendLogout(o.id)
			}
		}
		p.tell()
	})
	p.Flush()
	for waiting := true; waiting; {
		p.mu.Lock()
		changed := p.changed
		p.mu.Unlock()
		p.turn.take(func() { waiting = len(p.requests) > 0 })
		if waiting {
			select {
			case <-changed:
			case <-ctx.Done():
				waiting = false
			}
		}
	}
	close(p.stop)
	<-p.stopped
	p.turn.take(func() { p.lose(errClosing) })
	if l := p.link.Load(); l != nil {
		(*l).Close()
	}
	p.turn.take(p.verdicts)
}

// now is the time since the port was opened.
func (p *Port) now() time.Duration { return time.Since(p.epoch) }

func (p *Port) resourceAllocation() time.Duration { return time.Duration(p.resource.Load()) }

// tell wakes those that wait for a change. It is called by who has the turn.
func (p *Port) tell() {
	p.mu.Lock()
	close(p.changed)
	p.changed = make(chan struct{})
	p.mu.Unlock()
}

// post gives s to the link.
func (p *Port) post(s *fc.Sequence) bool {
	l := p.link.Load()
	return l != nil && (*l).Post(s)
}

// sent gives back a sequence of the upper layer, of an answer or of a request.
func (p *Port) sent(s *fc.Sequence, err error) {
	switch o := s.Owner.(type) {
	case *answer:
		p.answers.give(o)
		return
	case *request:
		return
	}
	// Its exchange is not closed while it is posted, so that it is at its place in the table.
	t := &p.tables
	t.mu.Lock()
	var x *Exchange
	if s.Header.FCtl&fc.FCtlResponder != 0 {
		if i := int(s.Header.RX); i < len(t.theirs.slots) {
			x = t.theirs.slots[i].x
		}
	} else if i := int(s.Header.OX); i < len(t.ours.slots) {
		x = t.ours.slots[i].x
	}
	t.mu.Unlock()
	if x == nil {
		return
	}
	x.mu.Lock()
	if x.newest == s {
		x.newest = nil
	}
	x.posted--
	x.mu.Unlock()
	p.config.Upper.Sent(x, s, err)
}

// A handler is the port towards the network.
type handler struct{ p *Port }

func (h handler) Up(a fc.Attachment)           { h.p.turn.take(func() { h.p.linkUp(a) }) }
func (h handler) Down(why error)               { h.p.turn.take(func() { h.p.linkDown(why) }) }
func (h handler) Found(n fc.Neighbour)         { h.p.turn.take(func() { h.p.found(n) }) }
func (h handler) Gone(id fc.ID, why error)     { h.p.turn.take(func() { h.p.gone(id, why) }) }
func (h handler) Sent(s *fc.Sequence, e error) { h.p.sent(s, e) }

// Received has the turn as take does, without making a function for it.
func (h handler) Received(f *fc.Frame) {
	t := &h.p.turn
	t.mu.Lock()
	h.p.received(f)
	t.rest()
	t.mu.Unlock()
	t.again()
}
