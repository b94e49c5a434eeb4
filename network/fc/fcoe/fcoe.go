// Package fcoe is Fibre Channel over Ethernet (FC-BB-6) as a provider of networks: as one of several neighbours
// (VN2VN), as a fabric of its own (FCF), or in the fabric of somebody else (ENode), with FIP for all of it. docs/design/fcoe.md says how it is made.
package fcoe

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/lunette-io/lunette/network/ethernet"
	"github.com/lunette-io/lunette/network/fc"
	"github.com/lunette-io/lunette/network/fc/fip"
)

// Errors of Open, beside those of [ethernet.Host].
var (
	// ErrMTU: frames of the interface are too short.
	ErrMTU = errors.New("fcoe: the MTU is too small")
	// ErrInUse: the provider has a network on the interface, and the VLAN, already.
	ErrInUse = errors.New("fcoe: there is a network already")
)

// Config is what a provider is made of.
type Config struct {
	Host ethernet.Host
	Log  *slog.Logger
	// Haste divides the times for which FC-BB-6 lets a port wait for objections before it has an address, and the like: for tests, on wires where
	// nobody objects late. 0 is 1.
	Haste int
}

// New makes a provider of networks at addresses such as "eth1.100?mode=fabric" (see [ParseAddress]).
func New(c Config) *Provider {
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return &Provider{c: c, open: make(map[string]place)}
}

// A Provider opens FCoE networks; it implements fc.Provider.
type Provider struct {
	c  Config
	mu sync.Mutex
	// open has the networks by their places. mu guards it.
	open map[string]place
}

// A place is one that a network has.
type place struct {
	address string
	n       fc.Network // nil: it is being opened
}

// Open implements [fc.Provider]. A place, which is an interface or a VLAN on it, has one network at a time.
func (p *Provider) Open(ctx context.Context, address string) (fc.Network, error) {
	a, err := ParseAddress(address)
	if err != nil {
		return nil, fmt.Errorf("fcoe: %w", err)
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	at := a.Place()
	p.mu.Lock()
	other, taken := p.open[at]
	if !taken {
		p.open[at] = place{address: address}
	}
	p.mu.Unlock()
	if taken {
		return nil, fmt.Errorf("%w on %s: %s", ErrInUse, at, other.address)
	}
	n, err := p.network(a, address)
	if err != nil {
		p.free(at)
		return nil, err
	}
	p.mu.Lock()
	p.open[at] = place{address, n}
	p.mu.Unlock()
	return n, nil
}

// Networks says what is known of the networks that are open, in the order of their addresses.
func (p *Provider) Networks() []fc.NetworkInfo {
	p.mu.Lock()
	var all []fc.Network
	for _, at := range slices.Sorted(maps.Keys(p.open)) {
		if n := p.open[at].n; n != nil {
			all = append(all, n)
		}
	}
	p.mu.Unlock()
	var infos []fc.NetworkInfo
	for _, n := range all {
		infos = append(infos, n.Info())
	}
	return infos
}

// free lets others have a place.
func (p *Provider) free(at string) {
	p.mu.Lock()
	delete(p.open, at)
	p.mu.Unlock()
}

// network opens the interface of an address, and starts what the mode says.
func (p *Provider) network(a Address, text string) (fc.Network, error) {
	w, err := p.c.Host.Open(ethernet.Config{
		Interface: a.Interface, VLAN: a.VLAN, Priority: a.Priority,
		Types: []ethernet.Type{fip.FCoEType, fip.EtherType}, Longest: longest, Receives: receives,
	})
	if err != nil {
		return nil, fmt.Errorf("fcoe: %s: %w", a.Place(), err)
	}
	if s := w.State(); payloadOf(a, s) == 0 && !s.Gone {
		return nil, errors.Join(tooSmall(a, s), w.Close())
	}
	works := false
	b := base{a: a, text: text, log: p.c.Log.With("fcoe", a.Place()), haste: time.Duration(max(p.c.Haste, 1)), gone: func() {
		if works { // else Open frees the place
			p.free(a.Place())
		}
	}}
	var n opened
	var groups []ethernet.MAC
	switch a.Mode {
	case Fabric:
		n, groups = newFCF(b, w), []ethernet.MAC{fip.AllFCF, fip.AllENode}
	case ENode:
		n, groups = newENode(b, w), []ethernet.MAC{fip.AllENode}
	default:
		n, groups = newVN2VN(b, w), []ethernet.MAC{fip.AllVN2VN}
	}
	if err := n.line().start(groups...); err != nil {
		return nil, errors.Join(fmt.Errorf("fcoe: %s: %w", a.Place(), err), n.Close())
	}
	works = true
	if f, ok := n.(*fcf); ok {
		f.tell(p.c.Host)
	}
	return n, nil
}

// Close implements [fc.Provider].
func (p *Provider) Close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.open) > 0 {
		return fmt.Errorf("fcoe: %d networks are open", len(p.open))
	}
	return nil
}

// An opened network is one of the modes.
type opened interface {
	fc.Network
	line() *line
}

// A base is what the networks of all modes have.
type base struct {
	a    Address
	text string // as it was opened
	log  *slog.Logger
	gone func() // tells the provider that it is closed
	l    *line

	haste time.Duration // see Config
}

// soon is a time that may be shorter.
func (b *base) soon(d time.Duration) time.Duration { return d / b.haste }

func (b *base) line() *line { return b.l }

// payload is how much of it frames have; 0: the interface takes too little. b.l.turn is held.
func (b *base) payload() int { return payloadOf(b.a, b.l.now) }

// payloadOf is how much payload frames have at an address; 0: the interface takes too little.
func payloadOf(a Address, s ethernet.State) int {
	p := payloadIn(s.MTU)
	if a.MaxPayload > 0 {
		p = min(p, a.MaxPayload)
	}
	if p < fc.MinPayload {
		return 0
	}
	return p
}

// ready says why nothing can be sent by an interface in a state; nil: it can.
func ready(a Address, s ethernet.State) error {
	switch {
	case s.Gone:
		return fmt.Errorf("%w: there is no interface %s now", fc.ErrDown, a.Place())
	case !s.Up:
		return fmt.Errorf("%w: the interface %s is down, or has no carrier", fc.ErrDown, a.Place())
	case payloadOf(a, s) == 0:
		return fmt.Errorf("%w: %w", fc.ErrDown, tooSmall(a, s))
	}
	return nil
}

// tooSmall is the error of an interface with too small an MTU.
func tooSmall(a Address, s ethernet.State) error {
	return fmt.Errorf("%w: that of %s is %d; %d is the least, and from %d on frames are as long as they can be", ErrMTU, a.Place(), s.MTU, fip.MaxSizeOf(fc.MinPayload), longest)
}

// info is what all modes say of themselves. b.l.turn is held.
func (b *base) info() fc.NetworkInfo {
	i := fc.NetworkInfo{Provider: "fcoe", Address: b.text, State: "up"}
	s := b.l.now
	if why := ready(b.a, s); why != nil {
		i.State = strings.TrimPrefix(strings.TrimPrefix(why.Error(), fc.ErrDown.Error()+": "), "fcoe: ")
	}
	name := s.Name
	if name == "" {
		name = b.a.Place()
	}
	i.Lines = append(i.Lines, fmt.Sprintf("interface %s, %v, MTU %d: frames of up to %d bytes of payload", name, s.MAC, s.MTU, b.payload()))
	w := b.l.wire.Stats()
	if n := w.Lost; n > 0 {
		i.Lines = append(i.Lines, fmt.Sprintf("%d frames came for which there was no room", n))
	}
	if n := b.l.recv.dropped() + b.l.ignored.Load() + w.TooLong; n > 0 {
		i.Lines = append(i.Lines, fmt.Sprintf("%d frames came that were thrown away: damaged, malformed, of nobody who is logged in, or too long", n))
	}
	return i
}
