package fcp

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/lunette-io/lunette/network/fc"
	"github.com/lunette-io/lunette/network/fc/nport"
)

// A Port is an initiator's port.
type Port struct {
	cfg  Config
	port *nport.Port
	link fc.Link // for frames of the test's own

	tick    atomic.Int64 // how often the clock has looked
	stop    chan struct{}
	stopped chan struct{}

	mu    sync.Mutex
	conns map[*nport.Remote]*Conn
	asks  map[*ask]struct{}

	counts counters
}

type counters struct {
	recs, srrs, again, aborts, doubled atomic.Int64
}

// Counts say what recovery has done.
type Counts struct {
	RECs, SRRs int64 // that were sent
	Again      int64 // commands that were sent again, since the target did not know them
	Aborts     int64 // ABTS for commands that were lost or took too long
	Doubled    int64 // bytes of data-in that came once more
}

// beat is how often the clock looks at what waits.
const beat = 100 * time.Millisecond

// Open makes an initiator's port of the network.
func Open(n fc.Network, c Config) (*Port, error) {
	c.defaults()
	p := &Port{
		cfg: c, stop: make(chan struct{}), stopped: make(chan struct{}),
		conns: make(map[*nport.Remote]*Conn), asks: make(map[*ask]struct{}),
	}
	port, err := nport.Open(&tap{Network: n, p: p}, nport.Config{
		Node: c.Node, Port: c.Port, Symbolic: "lunette", Protocol: fc.TypeFCP, Features: fc.FeatureInitiator,
		Params: c.Params, Upper: upper{p}, Log: c.Log,
	})
	if err != nil {
		return nil, err
	}
	p.port = port
	go p.clock()
	return p, nil
}

// Attachment is the port's place in the network, and whether it has one.
func (p *Port) Attachment() (fc.Attachment, bool) { return p.port.Attachment() }

// Stats is what the port's link has done.
func (p *Port) Stats() fc.Stats { return p.port.Stats() }

// Counts say what recovery has done.
func (p *Port) Counts() Counts {
	c := &p.counts
	return Counts{RECs: c.recs.Load(), SRRs: c.srrs.Load(), Again: c.again.Load(), Aborts: c.aborts.Load(), Doubled: c.doubled.Load()}
}

// Dial waits until the target port of the name is there and both are logged in with each other. One that is logged in already gets
// the same connection again.
func (p *Port) Dial(ctx context.Context, target fc.Name) (*Conn, error) {
	for {
		r, err := p.port.Connect(ctx, target)
		if err != nil {
			return nil, fmt.Errorf("fcp: login to %v: %w", target, err)
		}
		p.mu.Lock()
		c := p.conns[r]
		p.mu.Unlock()
		if c != nil {
			return c, nil
		}
		// It was logged out in between.
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("fcp: login to %v: %w", target, ctx.Err())
		case <-time.After(beat):
		}
	}
}

// Close logs out of all targets and takes the port out of the network. Commands end with ErrClosed.
func (p *Port) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	return p.CloseContext(ctx)
}

// CloseContext is Close, which waits for the answers of targets until ctx is done.
func (p *Port) CloseContext(ctx context.Context) error {
	p.port.Close(ctx)
	p.mu.Lock()
	select {
	case <-p.stop:
	default:
		close(p.stop)
	}
	p.mu.Unlock()
	<-p.stopped
	return nil
}

// clock looks at what waits until the port is closed.
func (p *Port) clock() {
	defer close(p.stopped)
	t := time.NewTicker(beat)
	defer t.Stop()
	var conns []*Conn
	var due []*Command
	var asks []*ask
	for {
		select {
		case <-p.stop:
			return
		case <-t.C:
		}
		now := p.tick.Add(1)
		conns, asks = conns[:0], asks[:0]
		p.mu.Lock()
		for _, c := range p.conns {
			conns = append(conns, c)
		}
		for a := range p.asks {
			if now-a.since >= p.patience() {
				asks = append(asks, a)
			}
		}
		p.mu.Unlock()
		for _, a := range asks {
			a.answer(answer{kind: unanswered})
		}
		for _, c := range conns {
			due = c.due(due[:0], now)
			for _, k := range due {
				k.overdue(now)
			}
		}
		p.port.Flush() // the network does it at the end of a batch, but what is posted from Sent has nobody else
		clear(due)
	}
}

// patience is after how many looks the target is asked about a command, and how many its answer may take.
func (p *Port) patience() int64 {
	d := p.cfg.Recovery
	if d == 0 {
		a, _ := p.port.Attachment()
		d = a.ErrorDetect + time.Second
	}
	return int64(d / beat)
}

// upper is the port as the FC-4 protocol above an N_Port.
type upper struct{ p *Port }

// Login implements nport.Upper.
func (u upper) Login(r *nport.Remote, _ uint32) (own uint32, response uint8) {
	c := newConn(u.p, r)
	u.p.mu.Lock()
	u.p.conns[r] = c
	u.p.mu.Unlock()
	return u.p.cfg.Params, 1
}

// LoggedOut implements nport.Upper.
func (u upper) LoggedOut(r *nport.Remote, why error) {
	p := u.p
	p.mu.Lock()
	c := p.conns[r]
	delete(p.conns, r)
	var asks []*ask
	for a := range p.asks {
		if a.c == c {
			asks = append(asks, a)
		}
	}
	p.mu.Unlock()
	for _, a := range asks {
		a.answer(answer{kind: unanswered})
	}
	if c != nil {
		c.end(why)
	}
}

// Command implements nport.Upper: nobody has commands for an initiator.
func (u upper) Command(*nport.Remote, *fc.Frame) {}

// Frame implements nport.Upper.
func (u upper) Frame(x *nport.Exchange, f *fc.Frame) {
	switch o := x.Owner.(type) {
	case *Command:
		o.frame(f)
	case *ask:
		o.frame(f)
	}
}

// Abort implements nport.Upper: the target ends an exchange of ours.
func (u upper) Abort(x *nport.Exchange, done func()) {
	if k, ok := x.Owner.(*Command); ok {
		k.lose(fmt.Errorf("%w by the target", ErrAborted))
	}
	done()
}

// Status implements nport.Upper: nobody asks about exchanges of others here.
func (u upper) Status(*nport.Exchange) nport.Status { return nport.Status{} }

// Retransmit implements nport.Upper.
func (u upper) Retransmit(*nport.Exchange, fc.RCtl, uint32) bool { return false }

// Forgotten implements nport.Upper: no exchange is kept here.
func (u upper) Forgotten(*nport.Exchange) {}

// Sent implements nport.Upper.
func (u upper) Sent(x *nport.Exchange, s *fc.Sequence, err error) {
	switch o := x.Owner.(type) {
	case *Command:
		o.sent(s, err)
	case *ask:
		o.sent()
	}
}
