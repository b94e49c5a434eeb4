package cm

import (
	"context"
	"math/rand/v2"
	"net/netip"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lunette-io/lunette/network/rdma/ib"
	"github.com/lunette-io/lunette/network/rdma/ib/mad"
)

var (
	hostA = netip.MustParseAddr("10.0.0.1")
	hostB = netip.MustParseAddr("10.0.0.2")
)

// A wire leads datagrams from manager to manager, late, not at all, twice, as its faults say.
type wire struct {
	mu               sync.Mutex
	rand             *rand.Rand
	loss, twice      float64
	least, most      time.Duration // on the way
	nodes            map[netip.Addr]*Manager
	sent, lost, came int
	silent           bool // nothing passes
}

func newWire(seed uint64) *wire {
	return &wire{rand: rand.New(rand.NewPCG(seed, 1)), nodes: map[netip.Addr]*Manager{}, least: time.Millisecond, most: time.Millisecond}
}

func (w *wire) send(p ib.Path, b []byte) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.sent++
	to := w.nodes[p.Remote]
	n := 1
	if w.rand.Float64() < w.twice {
		n = 2
	}
	for range n {
		if to == nil || w.silent || w.rand.Float64() < w.loss {
			w.lost++
			continue
		}
		w.came++
		data := append([]byte(nil), b...)
		time.AfterFunc(w.least+time.Duration(w.rand.Int64N(int64(w.most-w.least)+1)), func() { to.Received(ib.Path{Local: p.Remote, Remote: p.Local}, data) })
	}
}

func (w *wire) faults(f func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	f()
}

func (w *wire) node(t testing.TB, at netip.Addr, c Config) *Manager {
	c.Send, c.GUID = w.send, uint64(at.As4()[3])
	m := New(c)
	w.mu.Lock()
	w.nodes[at] = m
	w.mu.Unlock()
	t.Cleanup(m.Close)
	return m
}

// A record is what an owner was told.
type record struct {
	mu          sync.Mutex
	established int
	ends        int
	private     []byte
	err         error
}

func (r *record) Established() { r.mu.Lock(); defer r.mu.Unlock(); r.established++ }
func (r *record) Disconnected(private []byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.ends++
	r.private = private
}

func (r *record) Failed(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.ends++
	r.err = err
}

func (r *record) got() (established, ends int, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.established, r.ends, r.err
}

// A server is a listener that does with requests what do says.
type server struct {
	mu        sync.Mutex
	do        func(r *Request) bool
	requests  []*Request
	withdrawn []*Request
	evicted   int
	conns     []*Connection
	owners    []*record
}

func (s *server) Requested(r *Request) bool {
	s.mu.Lock()
	s.requests = append(s.requests, r)
	do := s.do
	s.mu.Unlock()
	return do == nil || do(r)
}

func (s *server) Withdrawn(r *Request, evicted bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.withdrawn = append(s.withdrawn, r)
	if evicted {
		s.evicted++
	}
}

// accept accepts a request at once, each with a queue pair of its own.
func (s *server) accept(t Terms) func(r *Request) bool {
	return func(r *Request) bool {
		o := new(record)
		c, err := r.Accept(t, o)
		t.QPN++
		if err == nil {
			s.mu.Lock()
			s.conns, s.owners = append(s.conns, c), append(s.owners, o)
			s.mu.Unlock()
		}
		return true
	}
}

func (s *server) count() (requests, withdrawn, evicted int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.requests), len(s.withdrawn), s.evicted
}

func terms(qpn ib.QPN) Terms {
	return Terms{QPN: qpn, PSN: ib.PSN(qpn) * 3, MTU: 1024, Reads: 16, Serves: 4, Timeout: 500 * time.Millisecond, Retries: 7, RNR: 7}
}

func path(from, to netip.Addr) ib.Path { return ib.Path{Local: from, Remote: to} }

func dial(t testing.TB, m *Manager, port uint16, tt Terms, o Owner) (*Connection, Terms) {
	t.Helper()
	ctx, stop := context.WithTimeout(context.Background(), time.Minute)
	defer stop()
	c, got, err := m.Dial(ctx, path(hostA, hostB), port, tt, o)
	if err != nil {
		t.Fatal(err)
	}
	synctest.Wait() // whoever was told has done what they do
	return c, got
}

func listen(t testing.TB, m *Manager, port uint16, s *server) {
	t.Helper()
	done, err := m.Listen(netip.IPv4Unspecified(), port, s)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(done)
}

// A peer by hand: what the manager sends is kept, what it gets is built here.
type hand struct {
	m    *Manager
	mu   sync.Mutex
	sent [][]byte
	to   []ib.Path
}

func newHand(t testing.TB, c Config) *hand {
	h := new(hand)
	c.GUID = 0xB0B
	c.Send = func(p ib.Path, b []byte) {
		h.mu.Lock()
		defer h.mu.Unlock()
		h.sent = append(h.sent, append([]byte(nil), b...))
		h.to = append(h.to, p)
	}
	h.m = New(c)
	t.Cleanup(h.m.Close)
	return h
}

// give hands a message of hostA to the manager, which is hostB, and returns what it has sent since the last give.
func (h *hand) give(a mad.Attribute, tid uint64, msg message) [][]byte {
	return h.from(hostA, a, tid, msg)
}

func (h *hand) from(at netip.Addr, a mad.Attribute, tid uint64, msg message) [][]byte {
	head := mad.CM(a, tid)
	return h.raw(at, msg.Append(head.Append(nil)))
}

func (h *hand) raw(at netip.Addr, b []byte) [][]byte {
	h.m.Received(path(hostB, at), b)
	return h.take()
}

func (h *hand) take() [][]byte {
	h.mu.Lock()
	defer h.mu.Unlock()
	s := h.sent
	h.sent, h.to = nil, nil
	return s
}

// one is the header and the data of the only datagram.
func one(t testing.TB, all [][]byte, a mad.Attribute) (mad.Header, []byte) {
	t.Helper()
	if len(all) != 1 {
		t.Fatalf("%d datagrams, where one of attribute %#x was to come", len(all), a)
	}
	h, data, ok := mad.Parse(all[0])
	if !ok || h.Attribute != a {
		t.Fatalf("a datagram of attribute %#x, not %#x", h.Attribute, a)
	}
	return h, data
}

func rejection(t testing.TB, all [][]byte) mad.REJ {
	t.Helper()
	_, data := one(t, all, mad.AttrREJ)
	r, _ := mad.ParseREJ(data)
	return r
}

func reply(t testing.TB, all [][]byte) mad.REP {
	t.Helper()
	_, data := one(t, all, mad.AttrREP)
	r, _ := mad.ParseREP(data)
	return r
}

// req is a REQ of a host to hostB.
func req(from netip.Addr, id uint32, qpn ib.QPN, port uint16) *mad.REQ {
	h := mad.IPHeader{SourcePort: 40000, Source: from, Destination: hostB}
	return &mad.REQ{
		LocalID: id, ServiceID: mad.ServiceID(port), GUID: 0xA11CE, QPN: qpn, ResponderResources: 4, InitiatorDepth: 1, RemoteTimeout: 20, PSN: ib.PSN(qpn) + 7,
		LocalTimeout: 20, RetryCount: 7, PKey: 0xFFFF, MTU: ib.MTU1024, RNRRetryCount: 6, MaxCMRetries: 15,
		Primary: mad.Route{LocalLID: 0xFFFF, RemoteLID: 0xFFFF, Local: from, Remote: hostB, HopLimit: 64, Timeout: 19}, Private: h.Append(nil),
	}
}
