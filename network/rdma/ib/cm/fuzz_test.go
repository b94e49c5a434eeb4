package cm

import (
	"encoding/binary"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lunette-io/lunette/network/rdma/ib"
	"github.com/lunette-io/lunette/network/rdma/ib/mad"
)

// A hostile is a peer, and a user, that do what a string of bytes says.
type hostile struct {
	t     *testing.T
	h     *hand
	s     *server
	text  []byte
	seen  [][]byte // datagrams of the manager
	given [][]byte // and of the peer, to be replayed
	at    []netip.Addr
	conns []*Connection
	owner []*record
	came  int // datagrams
	sent  int // in answer to them
}

func (x *hostile) next() byte {
	if len(x.text) == 0 {
		return 0
	}
	b := x.text[0]
	x.text = x.text[1:]
	return b
}

// take notes what the manager has sent.
func (x *hostile) take() (n int) {
	all := x.h.take()
	x.seen = append(x.seen, all...)
	if n := len(x.seen) - 64; n > 0 {
		x.seen = x.seen[n:]
	}
	return len(all)
}

// ids are a pair that the manager knows, or does not.
func (x *hostile) ids() (local, remote uint32) {
	k := x.next()
	local, remote = uint32(k&7), uint32(k>>3)
	if n := len(x.seen); n > 0 && k&0x80 == 0 {
		b := x.seen[int(k)%n]
		remote, local = binary.BigEndian.Uint32(b[24:]), binary.BigEndian.Uint32(b[28:])
	}
	return local, remote
}

// message is one that the text says.
func (x *hostile) message(k byte) (mad.Attribute, message) {
	switch k % 9 {
	case 0, 1:
		b := x.next()
		return mad.AttrREQ, req(x.at[b&3], uint32(b>>2&3), ib.QPN(b>>4&3)+uint32QPN(b), 1)
	case 2:
		l, r := x.ids()
		return mad.AttrRTU, &mad.RTU{LocalID: l, RemoteID: r}
	case 3:
		l, r := x.ids()
		return mad.AttrDREQ, &mad.DREQ{LocalID: l, RemoteID: r, QPN: ib.QPN(100 + x.next()&7)}
	case 4:
		l, r := x.ids()
		return mad.AttrDREP, &mad.DREP{LocalID: l, RemoteID: r}
	case 5:
		l, r := x.ids()
		return mad.AttrREJ, &mad.REJ{LocalID: l, RemoteID: r, Subject: mad.Subject(x.next() & 3), Reason: mad.Reason(x.next() & 31), InfoLen: x.next() & 127}
	case 6:
		l, r := x.ids()
		return mad.AttrREP, &mad.REP{LocalID: l, RemoteID: r, QPN: ib.QPN(x.next() & 7), GUID: 0xA11CE}
	case 7:
		l, r := x.ids()
		return mad.AttrMRA, &mad.MRA{LocalID: l, RemoteID: r, Subject: mad.Subject(x.next() & 3), Timeout: ib.Timeout(x.next() & 31)}
	default:
		l, r := x.ids()
		return mad.AttrLAP, &mad.LAP{LocalID: l, RemoteID: r}
	}
}

func uint32QPN(b byte) ib.QPN { return ib.QPN(b>>6) * 100 }

// give hands a datagram to the manager: it is answered by one at the most, of all that came.
func (x *hostile) give(from netip.Addr, b []byte) {
	x.given = append(x.given, b)
	x.came++
	x.take()
	x.h.m.Received(path(hostB, from), b)
	x.sent += x.take()
	if x.sent > x.came {
		x.t.Fatalf("%d answers to %d datagrams", x.sent, x.came)
	}
}

func (x *hostile) step() {
	k := x.next()
	from := x.at[x.next()&3]
	switch k >> 4 {
	case 0: // again, from somewhere
		if n := len(x.given); n > 0 {
			x.give(from, x.given[int(x.next())%n])
		}
	case 1: // its own, back
		if n := len(x.seen); n > 0 {
			x.give(from, x.seen[int(x.next())%n])
		}
	case 2: // damaged
		if n := len(x.given); n > 0 {
			b := append([]byte(nil), x.given[int(x.next())%n]...)
			if len(b) > 0 {
				b[int(x.next())%len(b)] ^= x.next()
			}
			x.give(from, b)
		}
	case 3: // cut
		if n := len(x.given); n > 0 {
			b := x.given[int(x.next())%n]
			x.give(from, b[:int(x.next())%(len(b)+1)])
		}
	case 4:
		time.Sleep(time.Duration(x.next()) * 50 * time.Millisecond)
		x.take()
	case 5:
		x.answer()
	case 6:
		if n := len(x.conns); n > 0 {
			c := x.conns[int(x.next())%n]
			c.Heard()
			if k&1 != 0 {
				c.Disconnect([]byte("bye"), func() {})
			}
			x.take()
		}
	default:
		a, msg := x.message(k)
		head := mad.CM(a, uint64(x.next()))
		x.give(from, msg.Append(head.Append(nil)))
	}
}

// answer has the user answer a request, which counts as an answer to the datagram that it came by.
func (x *hostile) answer() {
	n := len(x.s.requests)
	if n == 0 {
		return
	}
	r := x.s.requests[int(x.next())%n]
	if x.next()&7 == 0 {
		_ = r.Reject(nil)
	} else {
		o := new(record)
		if c, err := r.Accept(Terms{QPN: ib.QPN(100 + len(x.conns)&7)}, o); err == nil {
			x.conns, x.owner = append(x.conns, c), append(x.owner, o)
		}
	}
	x.sent += x.take()
}

// FuzzManager: whatever comes, in whatever order: tables stay as small as they have to, no message has more than one answer, users are told what is so.
func FuzzManager(f *testing.F) {
	f.Add([]byte{0x70, 0, 0, 1, 0x50, 0, 0, 1, 0x72, 0, 0, 0, 0x60, 0, 0, 0x73, 0, 0, 0})
	f.Add([]byte{0x70, 0, 0, 1, 0x00, 0, 0, 0x20, 0, 0, 30, 255, 0x10, 0, 0, 0x40, 0, 255, 0x40, 0, 255, 0x50, 0, 0, 9, 0x61, 0, 0, 0x74, 0, 0, 0})
	f.Fuzz(func(t *testing.T, text []byte) {
		if len(text) > 4096 {
			return
		}
		synctest.Test(t, func(t *testing.T) { fuzzed(t, text) })
	})
}

func fuzzed(t *testing.T, text []byte) {
	x := &hostile{t: t, h: newHand(t, Config{HalfOpen: 4}), s: new(server), text: text}
	x.at = []netip.Addr{hostA, netip.MustParseAddr("10.0.0.7"), netip.MustParseAddr("2001:db8::1"), hostB}
	listen(t, x.h.m, 1, x.s)
	for len(x.text) > 0 {
		x.step()
		if s := x.h.m.Stats(); s.HalfOpen > 4 || s.Connections > 4+len(x.conns) {
			t.Fatalf("%+v", s)
		}
	}
	time.Sleep(time.Hour)
	open := 0
	for _, o := range x.owner {
		est, ends, _ := o.got()
		if est > 1 || ends > 1 {
			t.Fatalf("established %d times, ended %d", est, ends)
		}
		if ends == 0 {
			open++
		}
	}
	for _, c := range x.conns {
		c.Disconnect(nil, func() {})
	}
	time.Sleep(time.Hour)
	m := x.h.m
	if s := m.Stats(); s.HalfOpen != 0 || s.Connections != 0 {
		t.Fatalf("%+v of %d is left", s, open)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.byPeer)+len(m.byQP)+len(m.houses) != 0 {
		t.Fatal("tables are not empty")
	}
}
