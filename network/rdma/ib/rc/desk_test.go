package rc

import (
	"bytes"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"testing"

	"github.com/lunette-io/lunette/buffer"
	"github.com/lunette-io/lunette/network/rdma"
	"github.com/lunette-io/lunette/network/rdma/ib"
)

// A desk is a queue pair whose peer is the test: it gets the packets that the test says, and the test reads those that it sends. Everything happens
// on the goroutine of the test.
type desk struct {
	t     testing.TB
	q     *QP
	h     *clerk
	psn   ib.PSN // the one that the queue pair expects first
	out   deskOutlet
	ended []error
}

// deskConf is what most tests have agreed on.
func deskConf() Config {
	return Config{Number: 0x12, Peer: 0x34, Sends: 0x100, Expects: 0xFFFFFE, MTU: 256, Reads: 2, Serves: 2, MaxMessage: 2000, Timeout: 1 << 40, Retries: 7, RNR: 7, MaxWindows: 100}
}

func newDesk(t testing.TB, c Config) *desk {
	d := &desk{t: t, h: &clerk{back: make(map[*rdma.Work]error)}, psn: c.Expects}
	c.Outlet = &d.out
	c.Ended = func(err error) { d.ended = append(d.ended, err) }
	d.q = New(c)
	d.q.alarm.at = 1 // it was armed, and never rings: there is no time here
	return d
}

// started is a desk whose queue pair has a handler.
func started(t testing.TB, c Config) *desk {
	d := newDesk(t, c)
	d.q.Start(d.h)
	return d
}

// A deskOutlet keeps packets. It looks at payload when it is flushed, as a socket does.
type deskOutlet struct {
	mu      sync.Mutex
	room    int // 0: as many as there are
	heads   [][]byte
	pieces  [][][]byte
	flushed [][]byte
	hook    func() // called by Flush, before payload is looked at
}

func (o *deskOutlet) Room() int {
	if o.room > 0 {
		return o.room - len(o.heads)
	}
	return 1000
}

func (o *deskOutlet) Packet(head []byte, payload ...[]byte) {
	o.heads = append(o.heads, bytes.Clone(head))
	o.pieces = append(o.pieces, slices.Clone(payload))
}

func (o *deskOutlet) Flush() {
	if o.hook != nil {
		o.hook()
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	for i, h := range o.heads {
		for _, p := range o.pieces[i] {
			h = append(h, p...)
		}
		o.flushed = append(o.flushed, h)
	}
	o.heads, o.pieces = nil, nil
}

// A clerk keeps what a handler is told.
type clerk struct {
	mu       sync.Mutex
	received func(m rdma.Message)
	messages []rdma.Message
	back     map[*rdma.Work]error
	closed   []error
}

func (h *clerk) Received(m rdma.Message) {
	if h.received != nil {
		h.received(m)
	}
	m.Data = bytes.Clone(m.Data)
	h.mu.Lock()
	h.messages = append(h.messages, m)
	h.mu.Unlock()
}

func (h *clerk) Done(w *rdma.Work, err error) {
	h.mu.Lock()
	h.back[w] = err
	h.mu.Unlock()
}

func (h *clerk) Closed(err error) {
	h.mu.Lock()
	h.closed = append(h.closed, err)
	h.mu.Unlock()
}

// A pkt is a packet of the peer. PSNs count from the one that is expected first.
type pkt struct {
	op   ib.Opcode
	psn  int
	ack  bool
	reth ib.RETH
	key  uint32 // of an IETH
	data []byte
}

// only is a message of one packet, which asks for an acknowledgement.
func only(psn, n int) pkt {
	return pkt{op: ib.SendOnly, psn: psn, ack: true, data: count(n, byte(psn))}
}

// count is n bytes that differ from their neighbours.
func count(n int, seed byte) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i) + byte(i>>8)*7 + seed
	}
	return b
}

// wire makes the packet.
func (d *desk) wire(p pkt) (ib.BTH, []byte) {
	h := ib.BTH{Opcode: p.op, PKey: ib.DefaultPKey, Dest: d.q.conf.Number, AckReq: p.ack, PSN: d.psn.Add(p.psn)}
	b := h.Append(nil)
	if p.op.Is(ib.HasRETH) {
		b = p.reth.Append(b)
	}
	if p.op.Is(ib.HasAtomicETH) {
		b = append(b, make([]byte, ib.AtomicETHLen)...)
	}
	if p.op.Is(ib.HasImmediate) {
		b = ib.AppendImmediate(b, 7)
	}
	if p.op.Is(ib.HasIETH) {
		b = ib.AppendIETH(b, p.key)
	}
	return h, append(b, p.data...)
}

// feed has the queue pair receive packets, in one batch. What is lent is overwritten afterwards.
func (d *desk) feed(ps ...pkt) {
	for _, p := range ps {
		h, b := d.wire(p)
		d.q.Received(h, b)
		for i := range b {
			b[i] = 0xEE
		}
	}
	d.q.Batch()
}

// sent is what the queue pair has sent since, a word or two a packet; payload is checked by who wants it with data.
func (d *desk) sent() (all []string) {
	for _, b := range d.take() {
		h, ok := ib.ParseBTH(b)
		if !ok || h.Dest != d.q.conf.Peer || h.PKey != ib.DefaultPKey || len(b) < h.Opcode.HeaderLen() {
			d.t.Fatalf("a packet % x", b)
		}
		s := fmt.Sprintf("%s %d", names[h.Opcode], h.PSN.Sub(d.psn))
		if h.Opcode.Is(ib.HasAETH) {
			e, _ := ib.ParseAETH(b[ib.BTHLen:])
			if h.Opcode == ib.Acknowledge && e.Syndrome != ib.AckUnlimited {
				s = fmt.Sprintf("nak %#x %d", byte(e.Syndrome), h.PSN.Sub(d.psn))
			}
			s += fmt.Sprintf(" msn %d", e.MSN)
		}
		if h.Opcode != ib.Acknowledge {
			s += fmt.Sprintf(" %d bytes", len(b)-h.Opcode.HeaderLen())
		}
		all = append(all, s)
	}
	return all
}

var names = map[ib.Opcode]string{
	ib.Acknowledge: "ack", ib.ReadFirst: "first", ib.ReadMiddle: "middle", ib.ReadLast: "last", ib.ReadOnly: "only",
	ib.SendOnly: "send", ib.WriteOnly: "write", ib.ReadRequest: "read",
}

// take takes the packets that were sent.
func (d *desk) take() [][]byte {
	d.out.mu.Lock()
	defer d.out.mu.Unlock()
	all := d.out.flushed
	d.out.flushed = nil
	return all
}

// data is the payload of the packets that were sent, joined.
func (d *desk) data() (all []byte) {
	for _, b := range d.take() {
		h, _ := ib.ParseBTH(b)
		all = append(all, b[h.Opcode.HeaderLen():]...)
	}
	return all
}

// answers checks what the queue pair has sent.
func (d *desk) answers(want ...string) {
	d.t.Helper()
	if got := d.sent(); !slices.Equal(got, want) {
		d.t.Fatalf("it sent %q, not %q", got, want)
	}
}

// lengths checks how long the messages were that the handler got.
func (d *desk) lengths(want ...int) {
	d.t.Helper()
	var got []int
	for _, m := range d.h.messages {
		got = append(got, len(m.Data))
	}
	if !slices.Equal(got, want) {
		d.t.Fatalf("messages of %v bytes, not %v", got, want)
	}
}

// A yard is memory with guards around it.
type yard struct {
	t      testing.TB
	whole  []byte
	before []byte
	mem    []byte // the part that is exposed
	at     rdma.Remote
}

const fence = 64

// expose exposes n bytes, in pieces of some hundred.
func (d *desk) expose(n int, a rdma.Access) *yard {
	d.t.Helper()
	y := &yard{t: d.t, whole: count(n+2*fence, 0x55)}
	y.before = bytes.Clone(y.whole)
	y.mem = y.whole[fence : fence+n]
	var segs []buffer.Segment
	for rest := y.mem; len(rest) > 0; {
		k := min(len(rest), 300)
		segs = append(segs, buffer.Segment{Mem: rest[:k]})
		rest = rest[k:]
	}
	var err error
	if y.at, err = d.q.Expose(buffer.New(nil, segs...), a); err != nil {
		d.t.Fatal(err)
	}
	return y
}

// reth is an access to n bytes of the yard, from off on.
func (y *yard) reth(off, n int) ib.RETH {
	return ib.RETH{Address: y.at.Addr + uint64(off), Key: uint32(y.at.Key), Length: uint32(n)}
}

// untouched checks that nothing was written; but for the n bytes from off on.
func (y *yard) untouched(off, n int) {
	y.t.Helper()
	same := bytes.Clone(y.whole)
	copy(same[fence+off:fence+off+n], y.before[fence+off:])
	if !bytes.Equal(same, y.before) {
		y.t.Fatal("memory was touched")
	}
}

// A blackHole is an outlet that keeps nothing.
type blackHole struct{}

func (blackHole) Packet([]byte, ...[]byte) {}
func (blackHole) Flush()                   {}
func (blackHole) Room() int                { return 64 }

// nobody is a handler.
type nobody struct{}

func (nobody) Received(rdma.Message)  {}
func (nobody) Done(*rdma.Work, error) {}
func (nobody) Closed(error)           {}

// gosched is closed after others have had n turns.
func gosched(n int) <-chan struct{} {
	c := make(chan struct{})
	go func() {
		for range n {
			runtime.Gosched()
		}
		close(c)
	}()
	return c
}
