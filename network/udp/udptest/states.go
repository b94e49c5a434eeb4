package udptest

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/lunette-io/lunette/network/udp"
)

// fails says that an error is another one.
func fails(t *testing.T, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("the error is %v, not %v", err, want)
	}
}

func lanes(t *testing.T, p *Pair) {
	const many, at = 4, 8
	a := use(t, p, 0, nil)
	b := use(t, p, 1, func(c *udp.Config, _ *user) { c.Lanes, c.Word, c.Mask = many, at, 0x00ffffff })
	if b.knows && b.inside {
		a.prime(b)
	}
	numbered := func(number uint32, n int) udp.Message {
		x := pattern(number, n)
		binary.BigEndian.PutUint32(x[at:], 0xa5000000|number*3)
		m := a.to(b)
		m.Vec = [][]byte{x}
		return m
	}
	var all []udp.Message
	for i := range 200 {
		all = append(all, numbered(uint32(i), 12+i))
	}
	a.send(all...)
	for i := range 8 { // all datagrams of a message are for one lane
		m := numbered(uint32(i), 100)
		m.Vec = [][]byte{bytes.Repeat(m.Vec[0], 20)}
		m.Segment = 100
		a.send(m)
	}
	a.send(a.to(b, "too short"), a.to(b, "elevenbytes"), a.to(b))
	last := map[int]uint32{}
	short := 0
	for _, got := range b.take(200 + 8*20 + 3) {
		i := 0
		if len(got.Data) == 100 {
			i = int(got.ID) // any one of its message
		}
		b.check(got, a, i)
		if len(got.Data) < at+4 {
			short++
			if got.lane != 0 {
				t.Errorf("a short one is in lane %d", got.lane)
			}
			continue
		}
		number := binary.BigEndian.Uint32(got.Data)
		if want := int(number * 3 % many); got.lane != want {
			t.Fatalf("number %d is in lane %d, not %d", number, got.lane, want)
		}
		if len(got.Data) != 100 && number < last[got.lane] {
			t.Errorf("number %d is behind %d", number, last[got.lane])
		}
		last[got.lane] = number
	}
	if short != 3 {
		t.Errorf("%d short ones", short)
	}
}

func congestion(t *testing.T, p *Pair) {
	a := use(t, p, 0, func(c *udp.Config, _ *user) { c.Capable = true })
	b := use(t, p, 1, nil)
	a.send(a.to(b, "one"))
	b.check(b.take(1)[0], a, 0)
	p.Congest(b.local, []byte("two"))
	if got := b.take(1)[0]; string(got.Data) != "two" || !got.Congested {
		t.Errorf("%q: that it is marked is %v", got.Data, got.Congested)
	}
	a.send(a.to(b, "three"))
	b.check(b.take(1)[0], a, 0)
}

func noWay(t *testing.T, p *Pair) {
	a, b := use(t, p, 0, nil), use(t, p, 1, nil)
	m := a.to(b, "nowhere")
	m.Remote = netip.AddrPortFrom(p.Other, 9)
	fails(t, a.socket.Send([]udp.Message{m, a.to(b, "behind")}), udp.ErrUnreachable)
	if got := b.take(1)[0]; string(got.Data) != "behind" {
		t.Errorf("%q", got.Data)
	}
	_, _, err := p.Host[0].MTU(netip.Addr{}, p.Other)
	fails(t, err, udp.ErrUnreachable)
}

func nobodyThere(t *testing.T, p *Pair) {
	a, b := use(t, p, 0, nil), use(t, p, 1, nil)
	b.close()
	for range 10 {
		a.send(a.to(b, "nobody has it"))
	}
	c := use(t, p, 1, nil)
	a.send(a.to(c, "somebody has it"))
	c.check(c.take(1)[0], a, 0)
}

func portsAndAddresses(t *testing.T, p *Pair) {
	b := use(t, p, 1, func(c *udp.Config, _ *user) { c.Lanes = 2 })
	config := udp.Config{Local: b.local, Lanes: 2, Longest: longest}
	_, err := p.Host[1].Open(t.Context(), config)
	fails(t, err, syscall.EADDRINUSE)
	config.Local = netip.AddrPortFrom(p.Other, 0)
	_, err = p.Host[1].Open(t.Context(), config)
	fails(t, err, syscall.EADDRNOTAVAIL)
	b.close()
	config.Local = b.local
	s, err := p.Host[1].Open(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	if s.Local() != b.local {
		t.Errorf("bound to %v, not to %v", s.Local(), b.local)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

// What comes before Start waits.
func beforeTheStart(t *testing.T, p *Pair) {
	a := use(t, p, 0, nil)
	b := &user{t: t, calling: make([]atomic.Int32, 2)}
	b.changed.L = &b.mu
	s, err := p.Host[1].Open(t.Context(), udp.Config{Local: netip.AddrPortFrom(p.Addr[1], 0), Lanes: 2, Word: 0, Mask: 0xff, Longest: longest, Receives: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	b.socket, b.local = s, s.Local()
	t.Cleanup(b.close)
	for i := range 20 {
		a.send(a.to(b, fmt.Sprintf("%04d", i)))
	}
	s.Start(b)
	b.take(20)
}

func closing(t *testing.T, p *Pair) {
	a, b := use(t, p, 0, nil), use(t, p, 1, nil)
	a.send(a.to(b, "one"))
	b.take(1)
	b.close()
	b.close()
	fails(t, b.socket.Send([]udp.Message{b.to(a, "late")}), udp.ErrClosed)
	_ = b.socket.Stats()
	a.send(a.to(b, "nobody has it"))
	s, err := p.Host[1].Open(t.Context(), udp.Config{Local: netip.AddrPortFrom(p.Addr[1], 0), Lanes: 3, Longest: longest})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil { // it was never started
		t.Error(err)
	}
	s.Start(b)
}

// Close while both ends send and receive.
func closingUnderLoad(t *testing.T, p *Pair) {
	for range 5 {
		var got atomic.Int64
		some := make(chan struct{})
		on := func(c *udp.Config, u *user) {
			c.Lanes, c.Mask = 2, 0xff
			u.on = func(int, []udp.Packet) {
				if got.Add(1) == 20 {
					close(some)
				}
			}
		}
		a, b := use(t, p, 0, on), use(t, p, 1, on)
		var sending sync.WaitGroup
		for i := range 4 {
			from, to := a, b
			if i%2 == 1 {
				from, to = b, a
			}
			sending.Go(func() {
				m := from.to(to, string(pattern(uint32(i), 300)))
				for {
					if err := from.socket.Send([]udp.Message{m, m}); err != nil {
						if !errors.Is(err, udp.ErrClosed) {
							t.Error(err)
						}
						return
					}
				}
			})
		}
		<-some
		a.close()
		b.close()
		sending.Wait()
	}
}

func load(t *testing.T, p *Pair) {
	const senders, rounds, size = 4, 50, 1024
	const end = 1 << 31 // datagrams of that number and above are the last ones
	var wrong, answers, right atomic.Int64
	ended := [2]chan struct{}{make(chan struct{}, 1), make(chan struct{}, 1)}
	a := use(t, p, 0, func(_ *udp.Config, u *user) {
		u.on = func(_ int, batch []udp.Packet) { answers.Add(int64(len(batch))) }
	})
	b := use(t, p, 1, func(c *udp.Config, u *user) {
		c.Lanes, c.Mask = 2, 0xffffffff
		u.on = func(lane int, batch []udp.Packet) {
			var back []udp.Message
			for i := range batch {
				q := &batch[i]
				number := binary.BigEndian.Uint32(q.Data)
				if number >= end {
					select {
					case ended[number%2] <- struct{}{}:
					default:
					}
					continue
				}
				if len(q.Data) != size || !bytes.Equal(q.Data, pattern(number, size)) || int(number%2) != lane {
					wrong.Add(1)
				}
				right.Add(1)
				back = append(back, udp.Message{Local: q.Local, Remote: q.Remote, Vec: [][]byte{q.Data[:8]}})
			}
			if err := u.socket.Send(back); err != nil && !errors.Is(err, udp.ErrClosed) { // from the handler
				t.Error(err)
			}
		}
	})
	var sending sync.WaitGroup
	for i := range senders {
		sending.Go(func() {
			for r := range rounds {
				var whole []byte
				number := uint32(i*rounds + r)
				for range 16 {
					whole = append(whole, pattern(number, size)...)
				}
				m := a.to(b)
				m.Vec, m.Segment = [][]byte{whole}, size
				one := a.to(b)
				one.Vec = [][]byte{whole[:size]}
				if err := a.socket.Send([]udp.Message{one, m, one}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	sending.Wait()
	for i := range uint32(2) {
		for seen := false; !seen; {
			m := a.to(b)
			m.Vec = [][]byte{pattern(end+i, 4)}
			a.send(m)
			select {
			case <-ended[i]:
				seen = true
			case <-time.After(time.Millisecond): // it may be lost as well
			}
		}
	}
	if wrong.Load() > 0 {
		t.Errorf("%d datagrams are wrong", wrong.Load())
	}
	out, in := a.socket.Stats(), b.socket.Stats()
	if lost := senders*rounds*18 - right.Load(); lost > out.Lost+in.Overflowed+in.TooLong*udp.MaxSegments || lost < 0 && !(b.knows && b.inside) {
		t.Errorf("%d are not there: %+v, %+v", lost, out, in)
	}
	t.Logf("%d of %d have come, %d answers; %+v; %+v", right.Load(), senders*rounds*18, answers.Load(), out, in)
}

func theWay(t *testing.T, p *Pair) {
	for _, local := range []netip.Addr{{}, p.Addr[0], netip.IPv4Unspecified(), netip.IPv6Unspecified()} {
		if local.IsValid() && local.Is4() != p.Addr[0].Is4() {
			continue
		}
		from, mtu, err := p.Host[0].MTU(local, p.Addr[1])
		if err != nil || from != p.Addr[0] || mtu != p.MTU {
			t.Errorf("from %v: %v, %d, %v", local, from, mtu, err)
		}
	}
	if _, _, err := p.Host[0].MTU(p.Other, p.Addr[1]); err == nil {
		t.Error("there is a way from an address of somebody else")
	}
}
