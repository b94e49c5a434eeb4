package udptest

import (
	"bytes"
	"context"
	"encoding/binary"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lunette-io/lunette/network/udp"
)

const (
	// patience is how long a test waits for what has to come; it is the end of a test that fails, and of no other.
	patience = 20 * time.Second
	// longest is how long datagrams may be that users receive if the test says nothing else.
	longest = 1400
)

// identified is a host whose sockets of IPv4 know identifications.
type identified struct{ udp.Host }

// Open binds a socket.
func (h identified) Open(ctx context.Context, c udp.Config) (udp.Socket, error) {
	c.Identified = true
	return h.Host.Open(ctx, c)
}

// A packet is what a user keeps of a datagram.
type packet struct {
	udp.Packet
	lane int
}

// A user is the handler of a socket. It keeps what comes.
type user struct {
	t      testing.TB
	socket udp.Socket
	local  netip.AddrPort
	knows  bool // identifications
	inside bool // the sender is on the same host

	mu      sync.Mutex
	changed sync.Cond
	packets []packet

	on      func(lane int, batch []udp.Packet) // called in Received, instead of keeping, if it is set before Start
	calling []atomic.Int32                     // for each lane
	closed  atomic.Bool
}

// Received keeps packets.
func (u *user) Received(lane int, batch []udp.Packet) {
	if u.calling[lane].Add(1) != 1 {
		u.t.Error("two calls for a lane at once")
	}
	if u.closed.Load() {
		u.t.Error("a call of the handler after Close")
	}
	if len(batch) == 0 {
		u.t.Error("an empty batch")
	}
	defer u.calling[lane].Add(-1)
	if u.on != nil {
		u.on(lane, batch)
		return
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	for _, p := range batch {
		p.Data = bytes.Clone(p.Data)
		u.packets = append(u.packets, packet{p, lane})
	}
	u.changed.Broadcast()
}

// use opens a socket at a side, with what f changes, and starts it.
func use(t testing.TB, p *Pair, side int, f func(*udp.Config, *user)) *user {
	t.Helper()
	u := &user{t: t}
	u.changed.L = &u.mu
	c := udp.Config{Local: netip.AddrPortFrom(p.Addr[side], 0), Lanes: 1, Longest: longest, Receives: 4 << 20}
	if f != nil {
		f(&c, u)
	}
	u.calling = make([]atomic.Int32, c.Lanes)
	s, err := p.Host[side].Open(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	_, u.knows = p.Host[side].(identified)
	u.knows, u.inside = u.knows && p.Addr[side].Is4(), p.Inside
	u.socket = s
	u.local = netip.AddrPortFrom(p.Addr[side], s.Local().Port())
	t.Cleanup(u.close)
	s.Start(u)
	return u
}

// close closes the socket.
func (u *user) close() {
	u.t.Helper()
	if err := u.socket.Close(); err != nil {
		u.t.Error(err)
	}
	u.closed.Store(true)
}

// wait waits until is says that it is so; it is called with the lock.
func (u *user) wait(what string, is func() bool) {
	u.t.Helper()
	late := false
	timer := time.AfterFunc(patience, func() {
		u.mu.Lock()
		late = true
		u.changed.Broadcast()
		u.mu.Unlock()
	})
	defer timer.Stop()
	u.mu.Lock()
	defer u.mu.Unlock()
	for !is() {
		if late {
			u.t.Fatalf("%s: has not come; there are %d datagrams; %+v", what, len(u.packets), u.socket.Stats())
		}
		u.changed.Wait()
	}
}

// take waits for n packets, and takes them.
func (u *user) take(n int) []packet {
	u.t.Helper()
	u.wait("datagrams", func() bool { return len(u.packets) >= n })
	u.mu.Lock()
	defer u.mu.Unlock()
	all := u.packets[:n:n]
	u.packets = u.packets[n:]
	return all
}

// none says that nothing more has come, which a last datagram from another user shows that comes behind it.
func (u *user) none(from *user) {
	u.t.Helper()
	from.send(from.to(u, "the last one"))
	if p := u.take(1)[0]; string(p.Data) != "the last one" {
		u.t.Errorf("%.40q has come, and was not to", p.Data)
	}
}

// to is a message to another user.
func (u *user) to(v *user, pieces ...string) udp.Message {
	m := udp.Message{Local: u.local, Remote: v.local}
	for _, p := range pieces {
		m.Vec = append(m.Vec, []byte(p))
	}
	return m
}

// send sends messages, which works.
func (u *user) send(messages ...udp.Message) {
	u.t.Helper()
	if err := u.socket.Send(messages); err != nil {
		u.t.Fatal(err)
	}
}

// check checks what is said of a packet from another user, which is the i-th of its message.
func (u *user) check(p packet, from *user, i int) {
	u.t.Helper()
	if p.Local != u.local || p.Remote != from.local {
		u.t.Errorf("from %v to %v; it was from %v to %v", p.Remote, p.Local, from.local, u.local)
	}
	if p.Congested {
		u.t.Error("it is marked, and nobody was there to mark it")
	}
	switch {
	case p.Identified && (p.ID != uint16(i) || p.Fragment != 0x4000):
		u.t.Errorf("datagram %d has the identification %d, and %#x as its fragment", i, p.ID, p.Fragment)
	case p.Identified != (u.knows && !u.inside):
		u.t.Errorf("that its identification is known is %v", p.Identified)
	}
}

// pattern is n bytes that depend on the number, which stands in the first four.
func pattern(number uint32, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(uint32(i)*31 + number*7)
	}
	if n >= 4 {
		binary.BigEndian.PutUint32(b, number)
	}
	return b
}

// prime sends messages of many datagrams, until some come to each of a socket's lanes, which are by the word at 8: one that knows identifications may lose
// the first ones ([udp.Packet]).
func (u *user) prime(v *user) {
	u.t.Helper()
	for lane := range v.calling {
		m := u.to(v)
		m.Vec, m.Segment = [][]byte{make([]byte, 60000)}, 1000
		for i := range 60 {
			binary.BigEndian.PutUint32(m.Vec[0][i*1000+8:], uint32(lane))
		}
		for there := false; !there; {
			u.send(m)
			time.Sleep(time.Millisecond)
			v.mu.Lock()
			there = slices.ContainsFunc(v.packets, func(p packet) bool { return p.lane == lane })
			v.mu.Unlock()
		}
		last := bytes.Clone(m.Vec[0][:1000])
		last[0] = 1
		u.send(udp.Message{Local: u.local, Remote: v.local, Vec: [][]byte{last}})
		v.wait("the last datagram", func() bool {
			return slices.ContainsFunc(v.packets, func(p packet) bool { return p.lane == lane && bytes.Equal(p.Data, last) })
		})
	}
	v.mu.Lock()
	v.packets = nil
	v.mu.Unlock()
}
