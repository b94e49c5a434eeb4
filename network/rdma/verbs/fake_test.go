package verbs

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"syscall"
)

// A fabric is adapters and a connection manager inside this process: what is above the libraries can be tested without any. mu guards all that
// the fabric has; data moves under it as well.
type fabric struct {
	mu        sync.Mutex
	changed   sync.Cond
	can       limits
	listeners map[netip.AddrPort]*fakeID
	ports     uint16
	pairs     uint32
	keys      uint32
	regions   map[uint32]*fakeRegion
	inline    int
	refuses   bool // memory that is to be registered
	devices   []*fakeAdapter
	queues    uint32
	overruns  int // completions for which a queue had no room
}

func newFabric() *fabric {
	f := &fabric{
		can:       limits{pieces: 4, readPieces: 2, works: 8192, completions: 32767, shared: 4096, reads: 16, serves: 16, invalidates: true},
		listeners: make(map[netip.AddrPort]*fakeID), ports: 20000, pairs: 100, regions: make(map[uint32]*fakeRegion), inline: 64,
	}
	f.changed.L = &f.mu
	return f
}

func (f *fabric) manager() (manager, error) { return &fakeManager{f: f}, nil }

type fakeManager struct {
	f      *fabric
	events []event
	over   bool
}

func (m *fakeManager) create(token uint64) (identifier, error) {
	return &fakeID{f: m.f, m: m, token: token}, nil
}

func (m *fakeManager) next() (event, error) {
	m.f.mu.Lock()
	defer m.f.mu.Unlock()
	for len(m.events) == 0 && !m.over {
		m.f.changed.Wait()
	}
	if m.over {
		return event{}, net.ErrClosed
	}
	e := m.events[0]
	m.events = m.events[1:]
	return e, nil
}

func (m *fakeManager) interrupt() {
	m.f.mu.Lock()
	m.over = true
	m.f.changed.Broadcast()
	m.f.mu.Unlock()
}

func (m *fakeManager) close() {}

type fakeID struct {
	f             *fabric
	m             *fakeManager
	token         uint64
	local, remote netip.AddrPort
	listening     bool
	peer          *fakeID
	pair          *fakePair
	greeting      greeting // of who asks
	connected     bool
	gone          bool
}

// tell has an event come. f.mu is held.
func (x *fakeID) tell(e event) {
	if x.gone {
		return
	}
	e.token = x.token
	x.m.events = append(x.m.events, e)
	x.f.changed.Broadcast()
}

func (x *fakeID) name() string { return "fake0" }
func (x *fakeID) port() uint32 { return 1 }

func (x *fakeID) addresses() (local, remote netip.AddrPort) {
	if x.gone {
		return // the libraries would read memory that is not theirs any more
	}
	return x.local, x.remote
}

func (x *fakeID) established()          {}
func (x *fakeID) setToken(token uint64) { x.token = token }

func (x *fakeID) adapter() (adapter, error) {
	a := &fakeAdapter{f: x.f}
	x.f.mu.Lock()
	x.f.devices = append(x.f.devices, a)
	x.f.mu.Unlock()
	return a, nil
}

func (x *fakeID) listen(at netip.AddrPort, _ int) error {
	x.f.mu.Lock()
	defer x.f.mu.Unlock()
	if at.Port() == 0 {
		x.f.ports++
		at = netip.AddrPortFrom(at.Addr(), x.f.ports)
	}
	if x.f.listeners[at] != nil {
		return syscall.EADDRINUSE
	}
	x.local, x.listening = at, true
	x.f.listeners[at] = x
	return nil
}

func (x *fakeID) resolve(to netip.AddrPort) error {
	x.f.mu.Lock()
	defer x.f.mu.Unlock()
	x.f.ports++
	x.remote, x.local = to, netip.AddrPortFrom(to.Addr(), x.f.ports)
	x.tell(event{kind: resolved})
	return nil
}

func (x *fakeID) route() error {
	x.f.mu.Lock()
	defer x.f.mu.Unlock()
	x.tell(event{kind: routed})
	return nil
}

func (x *fakeID) ask(g greeting) error {
	x.f.mu.Lock()
	defer x.f.mu.Unlock()
	l := x.f.listeners[x.remote]
	if l == nil {
		x.tell(event{kind: unreachable, status: 8})
		return nil
	}
	x.greeting = g
	x.peer = &fakeID{f: x.f, m: l.m, local: x.remote, remote: x.local, peer: x}
	l.tell(event{kind: requested, id: x.peer, private: g.private, reads: g.reads, serves: g.serves})
	return nil
}

func (x *fakeID) answer(g greeting) error {
	x.f.mu.Lock()
	defer x.f.mu.Unlock()
	if x.peer.gone {
		return errors.New("fake: the peer is gone")
	}
	x.connected, x.peer.connected = true, true
	x.pair.peer, x.peer.pair.peer = x.peer.pair, x.pair
	x.peer.tell(event{kind: established, private: g.private, reads: g.reads, serves: g.serves})
	x.tell(event{kind: established})
	return nil
}

func (x *fakeID) refuse(private []byte) error {
	x.f.mu.Lock()
	defer x.f.mu.Unlock()
	x.peer.tell(event{kind: rejected, private: private})
	return nil
}

func (x *fakeID) disconnect() error {
	x.f.mu.Lock()
	defer x.f.mu.Unlock()
	x.part()
	return nil
}

// part ends a connection. f.mu is held.
func (x *fakeID) part() {
	if x.pair != nil {
		x.pair.flush()
	}
	if !x.connected {
		return
	}
	x.connected, x.peer.connected = false, false
	x.tell(event{kind: disconnected})
	x.peer.tell(event{kind: disconnected})
}

func (x *fakeID) destroy() {
	x.f.mu.Lock()
	defer x.f.mu.Unlock()
	if x.listening {
		delete(x.f.listeners, x.local)
	}
	if x.peer != nil && !x.connected && x.pair == nil {
		x.peer.tell(event{kind: rejected})
	}
	x.part()
	x.gone = true
	x.f.changed.Broadcast()
}

func (x *fakeID) queuePair(p pairConfig) (queuePair, error) {
	x.f.mu.Lock()
	defer x.f.mu.Unlock()
	if p.adapter.(*fakeAdapter).lost {
		return nil, syscall.EINVAL // it is not that which the identifier is on
	}
	x.f.pairs++
	q := &fakePair{f: x.f, n: x.f.pairs, a: p.adapter.(*fakeAdapter), q: p.queue.(*fakeQueue), from: &fakeReceiver{f: x.f}, works: p.works}
	if p.shared != nil {
		q.from = p.shared.(*fakeReceiver)
	}
	x.pair = q
	q.done.Go(q.run)
	return q, nil
}

type fakeAdapter struct {
	f      *fabric
	events []happening
	over   bool
	lost   bool
}

func (a *fakeAdapter) limits() limits { return a.f.can }

func (a *fakeAdapter) register(mem []byte, rights access) (registration, error) {
	a.f.mu.Lock()
	defer a.f.mu.Unlock()
	if a.f.refuses {
		return nil, syscall.ENOMEM
	}
	a.f.keys += 0x101
	r := &fakeRegion{f: a.f, key: a.f.keys, mem: mem, at: uint64(addressOf(mem)), rights: rights}
	a.f.regions[r.key] = r
	return r, nil
}

func (a *fakeAdapter) queue(depth, _ int) (queue, error) {
	a.f.mu.Lock()
	defer a.f.mu.Unlock()
	a.f.queues++
	return &fakeQueue{f: a.f, depth: depth, n: a.f.queues}, nil
}

func (a *fakeAdapter) shared(int) (receiver, error) { return &fakeReceiver{f: a.f}, nil }
func (a *fakeAdapter) close()                       {}

func (a *fakeAdapter) happen(h happening) {
	a.lost = a.lost || h.kind == adapterLost
	a.events = append(a.events, h)
	a.f.changed.Broadcast()
}

func (a *fakeAdapter) interrupt() {
	a.f.mu.Lock()
	a.over = true
	a.f.changed.Broadcast()
	a.f.mu.Unlock()
}

func (a *fakeAdapter) next() (happening, error) {
	a.f.mu.Lock()
	defer a.f.mu.Unlock()
	for len(a.events) == 0 && !a.over {
		a.f.changed.Wait()
	}
	if a.over {
		return happening{}, net.ErrClosed
	}
	h := a.events[0]
	a.events = a.events[1:]
	return h, nil
}

type fakeRegion struct {
	f      *fabric
	key    uint32
	mem    []byte
	at     uint64
	rights access
}

func (r *fakeRegion) keys() (local, remote uint32) { return r.key, r.key }

func (r *fakeRegion) end() error {
	r.f.mu.Lock()
	defer r.f.mu.Unlock()
	if r.f.regions[r.key] != r {
		return fmt.Errorf("fake: key %#x is taken back twice", r.key)
	}
	delete(r.f.regions, r.key)
	return nil
}

type fakeQueue struct {
	f     *fabric
	depth int
	n     uint32
	all   []completion
	armed bool
	rings bool
	over  bool
}

// add has a completion come. f.mu is held.
func (q *fakeQueue) add(x completion) {
	if len(q.all) >= q.depth {
		q.f.overruns++
	}
	q.all = append(q.all, x)
	if q.armed {
		q.armed, q.rings = false, true
		q.f.changed.Broadcast()
	}
}

func (q *fakeQueue) number() uint32 { return q.n }

func (q *fakeQueue) poll(into []completion) (int, error) {
	q.f.mu.Lock()
	defer q.f.mu.Unlock()
	n := copy(into, q.all)
	q.all = q.all[n:]
	return n, nil
}

func (q *fakeQueue) arm() error {
	q.f.mu.Lock()
	q.armed = true
	q.f.mu.Unlock()
	return nil
}

func (q *fakeQueue) wait() error {
	q.f.mu.Lock()
	defer q.f.mu.Unlock()
	for !q.rings && !q.over {
		q.f.changed.Wait()
	}
	q.rings = false
	if q.over {
		return net.ErrClosed
	}
	return nil
}

func (q *fakeQueue) interrupt() {
	q.f.mu.Lock()
	q.over = true
	q.f.changed.Broadcast()
	q.f.mu.Unlock()
}
func (q *fakeQueue) close() {}

type fakeReceiver struct {
	f   *fabric
	all []receive
}

func (r *fakeReceiver) receive(b []receive) (int, error) {
	r.f.mu.Lock()
	defer r.f.mu.Unlock()
	r.all = append(r.all, b...)
	r.f.changed.Broadcast()
	return len(b), nil
}

func (r *fakeReceiver) end() {}
