package verbs

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math"
	"net"
	"net/netip"
	"slices"
	"sync"

	"github.com/lunette-io/lunette/buffer"
	"github.com/lunette-io/lunette/network/rdma"
)

// A Device is the rdma.Device of verbs.
type Device struct {
	conf    Config
	log     *slog.Logger
	manager manager
	copies  *buffer.Arena // for what is copied
	inbox   *buffer.Arena // for messages that come, and for heads
	manages sync.WaitGroup
	ends    sync.WaitGroup // ends of connections that are under way

	mu       sync.Mutex // guards what follows; comes after all other locks of this package
	subjects map[uint64]subject
	tokens   uint64
	cards    map[string]*card
	lost     []*card // that have failed; an adapter that comes again under their name is another one
	closed   bool
}

// A subject is told of the events of identifiers with its token, by one goroutine, which waits for it.
type subject interface {
	happened(e event)
}

func start(c Config, l driver) (*Device, error) {
	if c.Depth == 0 {
		c.Depth = defaultDepth
	}
	if c.Copies == 0 {
		c.Copies = defaultCopies
	}
	d := &Device{
		conf: c, log: c.Log, copies: buffer.NewArena(c.Copies), inbox: buffer.NewArena(math.MaxInt64 / 2),
		subjects: make(map[uint64]subject), cards: make(map[string]*card),
	}
	if d.log == nil {
		d.log = slog.New(slog.DiscardHandler)
	}
	var err error
	if d.manager, err = l.manager(); err != nil {
		return nil, errors.Join(err, d.copies.Close(), d.inbox.Close())
	}
	d.manages.Go(d.manage)
	return d, nil
}

// LogTo has d say what happens to its adapters. It is called before anything is made of d.
func (d *Device) LogTo(log *slog.Logger) { d.log = log }

// Register has adapters reach the memory of a list, each region when it is first used. It is called before anything is made of d; the list is
// there until Close.
func (d *Device) Register(all *buffer.Regions) { d.conf.Memory = all }

// An Adapter says how an adapter is used.
type Adapter struct {
	Name        string
	Connections int
	Registered  int64 // bytes
	Shared      bool  // connections share receive buffers
}

// Adapters are those that have been used.
func (d *Device) Adapters() []Adapter {
	d.mu.Lock()
	cards := maps.Clone(d.cards)
	d.mu.Unlock()
	var all []Adapter
	for _, name := range slices.Sorted(maps.Keys(cards)) {
		all = append(all, cards[name].describe())
	}
	return all
}

// manage hands events of the connection manager to those whom they concern.
func (d *Device) manage() {
	for {
		e, err := d.manager.next()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			d.log.Error("verbs: the connection manager has failed: no connection is made or ended any more", "err", err)
			return
		}
		d.mu.Lock()
		s := d.subjects[e.token]
		d.mu.Unlock()
		switch {
		case s != nil:
			s.happened(e)
		case e.kind == requested: // its listener has just been closed
			_ = e.id.refuse(nil)
			e.id.destroy()
		}
	}
}

// identify makes an identifier whose events s gets.
func (d *Device) identify(s subject) (identifier, uint64, error) {
	token := d.token(s)
	if token == 0 {
		return nil, 0, fmt.Errorf("verbs: the device is closed: %w", net.ErrClosed)
	}
	id, err := d.manager.create(token)
	if err != nil {
		d.forget(token)
		return nil, 0, err
	}
	return id, token, nil
}

// token makes a token for events that s gets; 0: the device is closed.
func (d *Device) token(s subject) uint64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return 0
	}
	d.tokens++
	d.subjects[d.tokens] = s
	return d.tokens
}

// pass has events of a token go to s from now on.
func (d *Device) pass(token uint64, s subject) {
	d.mu.Lock()
	d.subjects[token] = s
	d.mu.Unlock()
}

func (d *Device) forget(token uint64) {
	d.mu.Lock()
	delete(d.subjects, token)
	d.mu.Unlock()
}

// card is the card of the adapter that id is on.
func (d *Device) card(id identifier) (*card, error) {
	name := id.name()
	if d.conf.Adapter != "" && name != d.conf.Adapter {
		return nil, fmt.Errorf("verbs: the address is one of adapter %s, and %s is to be used", name, d.conf.Adapter)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if c := d.cards[name]; c != nil {
		return c, nil
	}
	if d.closed {
		return nil, net.ErrClosed
	}
	a, err := id.adapter()
	if err != nil {
		return nil, err
	}
	c := newCard(d, name, a)
	d.cards[name] = c
	return c, nil
}

// retire has an adapter of the name of c that comes from now on be another card. What c has registered is taken back when its connections have ended.
func (d *Device) retire(c *card) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.cards[c.name] != c || d.closed {
		return
	}
	delete(d.cards, c.name)
	d.lost = append(d.lost, c)
	d.ends.Go(func() {
		c.each(func(x *conn) { <-x.ended })
		c.mem.close()
	})
}

// Close implements rdma.Device.
func (d *Device) Close() error {
	d.mu.Lock()
	if d.closed {
		d.mu.Unlock()
		return nil
	}
	d.closed = true
	d.mu.Unlock()
	d.ends.Wait()
	d.mu.Lock()
	left := len(d.subjects)
	cards := append(slices.Collect(maps.Values(d.cards)), d.lost...)
	d.mu.Unlock()
	if left > 0 {
		return fmt.Errorf("verbs: device closed with %d connections or listeners", left)
	}
	d.manager.interrupt()
	d.manages.Wait()
	for _, c := range cards {
		c.close()
	}
	d.manager.close()
	return errors.Join(d.copies.Close(), d.inbox.Close())
}

// addrPort reads HOST:PORT; a host that is empty is every address of IPv4 here, since one service point has one family.
func addrPort(ctx context.Context, addr string, listens bool) (netip.AddrPort, error) {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return netip.AddrPort{}, fmt.Errorf("verbs: %w", err)
	}
	number, err := net.DefaultResolver.LookupPort(ctx, "tcp", port)
	if err != nil {
		return netip.AddrPort{}, fmt.Errorf("verbs: %w", err)
	}
	if host == "" && listens {
		return netip.AddrPortFrom(netip.IPv4Unspecified(), uint16(number)), nil
	}
	if a, err := netip.ParseAddr(host); err == nil {
		return netip.AddrPortFrom(a.Unmap(), uint16(number)), nil
	}
	all, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	if err != nil {
		return netip.AddrPort{}, fmt.Errorf("verbs: %w", err)
	}
	return netip.AddrPortFrom(all[0].Unmap(), uint16(number)), nil
}

var _ rdma.Device = (*Device)(nil)
