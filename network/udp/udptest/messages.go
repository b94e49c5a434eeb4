package udptest

import (
	"bytes"
	"fmt"
	"net/netip"
	"testing"

	"github.com/lunette-io/lunette/network/udp"
)

func thereAndBack(t *testing.T, p *Pair) {
	a := use(t, p, 0, nil)
	b := use(t, p, 1, nil)
	for i := range 20 {
		there, back := fmt.Sprintf("number %d", i), fmt.Sprintf("answer %d", i)
		a.send(a.to(b, there))
		got := b.take(1)[0]
		b.check(got, a, 0)
		b.send(b.to(a, back[:3], back[3:]))
		answer := a.take(1)[0]
		a.check(answer, b, 0)
		if string(got.Data) != there || string(answer.Data) != back {
			t.Errorf("%q, %q", got.Data, answer.Data)
		}
	}
	a.send(a.to(b))
	if got := b.take(1)[0]; len(got.Data) != 0 {
		t.Errorf("an empty datagram has %d bytes", len(got.Data))
	}
	if s := a.socket.Stats(); s.PacketsOut != 21 || s.PacketsIn != 20 || s.Lost != 0 {
		t.Errorf("%+v", s)
	}
}

func batches(t *testing.T, p *Pair) {
	a, b := use(t, p, 0, nil), use(t, p, 1, nil)
	var all []udp.Message
	for i := range 300 {
		x := pattern(uint32(i), 10+i)
		m := a.to(b)
		for len(x) > 0 { // in pieces
			n := min(len(x), 1+i)
			m.Vec = append(m.Vec, x[:n:n])
			x = x[n:]
		}
		all = append(all, m)
	}
	a.send(all...)
	for i, got := range b.take(len(all)) {
		b.check(got, a, 0)
		if !bytes.Equal(got.Data, pattern(uint32(i), 10+i)) {
			t.Fatalf("datagram %d is another one: %d bytes", i, len(got.Data))
		}
	}
	a.send()
	b.none(a)
}

func segments(t *testing.T, p *Pair) {
	a, b := use(t, p, 0, nil), use(t, p, 1, nil)
	const size = 1000
	if b.knows && b.inside {
		a.prime(b)
	}
	for round := range 3 {
		whole := pattern(uint32(round), 40*size+round*17)
		m := a.to(b)
		m.Vec, m.Segment = [][]byte{whole[:1500], whole[1500:1501], whole[1501:]}, size
		a.send(m)
		n := (len(whole) + size - 1) / size
		for i, got := range b.take(n) {
			b.check(got, a, i)
			if want := whole[:min(size, len(whole))]; !bytes.Equal(got.Data, want) {
				t.Fatalf("datagram %d of a message is another one: %d bytes", i, len(got.Data))
			}
			whole = whole[min(size, len(whole)):]
		}
	}
	b.none(a)
}

func segmentsOfAllKinds(t *testing.T, p *Pair) {
	a, b := use(t, p, 0, nil), use(t, p, 1, nil)
	var all []udp.Message
	var want []int
	for _, x := range []struct{ size, whole int }{
		{1, 64}, {1, 1}, {1400, 1400}, {1400, 1401}, {1000, 64000}, {1000, 63001}, {40, 130}, {1023, 64 * 1023}, {1400, 46 * 1400}, {100, 90},
	} {
		m := a.to(b)
		m.Vec, m.Segment = [][]byte{pattern(uint32(len(all)), x.whole)}, x.size
		all = append(all, m, a.to(b, "between"))
		for left := x.whole; left > 0; left -= x.size {
			want = append(want, min(x.size, left))
		}
		want = append(want, len("between"))
	}
	a.send(all...)
	for i, got := range b.take(len(want)) {
		if len(got.Data) != want[i] {
			t.Fatalf("datagram %d has %d bytes, not %d", i, len(got.Data), want[i])
		}
	}
	b.none(a)
}

func allAddresses(t *testing.T, p *Pair) {
	all := netip.IPv4Unspecified()
	if p.Addr[0].Is6() {
		all = netip.IPv6Unspecified()
	}
	a := use(t, p, 0, nil)
	b := use(t, p, 1, func(c *udp.Config, _ *user) { c.Local = netip.AddrPortFrom(all, 0) })
	if got := b.socket.Local(); got.Addr() != all || got.Port() == 0 {
		t.Errorf("it is bound to %v", got)
	}
	a.send(a.to(b, "there"))
	b.check(b.take(1)[0], a, 0)
	b.send(b.to(a, "back"))
	a.check(a.take(1)[0], b, 0)
}

func tooLongToSend(t *testing.T, p *Pair) {
	a, b := use(t, p, 0, nil), use(t, p, 1, nil)
	headers := 28
	if p.Addr[0].Is6() {
		headers = 48
	}
	long, most := a.to(b, string(make([]byte, min(p.MTU-headers+1, 65500)))), min(longest, p.MTU-headers)
	if p.MTU < 60000 { // no way takes more than IP has
		fails(t, a.socket.Send([]udp.Message{a.to(b, "before"), long, a.to(b, "behind")}), udp.ErrTooLong)
		if got := b.take(2); string(got[0].Data) != "before" || string(got[1].Data) != "behind" {
			t.Errorf("%q, %q", got[0].Data, got[1].Data)
		}
		long.Segment = p.MTU - headers + 1
		long.Vec = [][]byte{make([]byte, 2*long.Segment)}
		fails(t, a.socket.Send([]udp.Message{long, a.to(b, "behind")}), udp.ErrTooLong)
		if got := b.take(1); string(got[0].Data) != "behind" {
			t.Errorf("%q", got[0].Data)
		}
	}
	a.send(a.to(b, string(make([]byte, most))))
	if got := b.take(1); len(got[0].Data) != most {
		t.Errorf("%d bytes", len(got[0].Data))
	}
}

func tooLongToReceive(t *testing.T, p *Pair) {
	a, b := use(t, p, 0, nil), use(t, p, 1, func(c *udp.Config, _ *user) { c.Longest = 100 })
	a.send(a.to(b, string(make([]byte, 101))), a.to(b, string(make([]byte, 100))), a.to(b, string(make([]byte, 400))))
	if got := b.take(1); len(got[0].Data) != 100 {
		t.Errorf("%d bytes", len(got[0].Data))
	}
	b.none(a)
	if s := b.socket.Stats(); s.TooLong != 2 || s.PacketsIn != 2 {
		t.Errorf("%+v", s)
	}
}
