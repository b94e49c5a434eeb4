package iwarp

import (
	"crypto/rand"
	"encoding/binary"
	"sync"

	"github.com/lunette-io/lunette/buffer"
	"github.com/lunette-io/lunette/network/rdma"
)

// Memory is what the peer of a connection may reach: the windows, and the sinks of our Reads.
type memory struct {
	// filling is held during each receive, so that Revoke can wait for it, and so that a large
	// Read is known before its answer can come: what has not been asked for by then is not of it. mu
	// is not held: who exposes something would wait for the copying. filling comes before mu.
	filling sync.Mutex

	mu      sync.Mutex
	closed  bool
	max     int
	count   int       // windows
	buckets []*window // by key
	free    *window
	reads   reads

	random [256]byte // bytes random[used:] are random
	used   int
	source func(b []byte) (int, error) // of crypto/rand, but in tests; it never fails
}

// A window is memory that the peer may reach under a key, from base on. It is there for one
// connection only: another one does not know the key.
type window struct {
	key   uint32 // 0: it is none
	base  uint64
	data  *buffer.Lease
	acc   rdma.Access
	users int     // vectors of a batch that is being sent
	next  *window // in its bucket, or the free list
}

func (m *memory) init(max int) {
	m.max, m.used, m.source = max, len(m.random), rand.Read
}

// number is 32 bits that nobody can guess, and not 0. mu is held.
func (m *memory) number() uint32 {
	for {
		if m.used == len(m.random) {
			_, _ = m.source(m.random[:])
			m.used = 0
		}
		n := binary.NativeEndian.Uint32(m.random[m.used:])
		m.used += 4
		if n != 0 {
			return n
		}
	}
}

// bucket is where the window of a key is. mu is held, and there are some.
func (m *memory) bucket(key uint32) **window { return &m.buckets[key&uint32(len(m.buckets)-1)] }

// find returns the window of key, or nil. mu is held.
func (m *memory) find(key uint32) *window {
	if len(m.buckets) == 0 || key == 0 {
		return nil
	}
	w := *m.bucket(key)
	for w != nil && w.key != key {
		w = w.next
	}
	return w
}

// expose makes a window. mu is held.
func (m *memory) expose(data *buffer.Lease, a rdma.Access) (rdma.Remote, error) {
	switch {
	case m.closed:
		return rdma.Remote{}, rdma.ErrClosed
	case m.count == m.max:
		return rdma.Remote{}, rdma.ErrExhausted
	}
	if m.count == len(m.buckets) {
		m.grow()
	}
	w := m.free
	if w == nil {
		w = new(window)
	} else {
		m.free = w.next
	}
	// A key that was in use a while ago comes again once in four thousand million times, and
	// then with another base.
	key := m.number()
	for m.find(key) != nil {
		key = m.number()
	}
	base := uint64(m.number())<<32 | uint64(m.number())
	b := m.bucket(key)
	// The base is on a page, and no offset in the window wraps.
	*w = window{key: key, base: base >> 1 &^ 0xFFF, data: data, acc: a, next: *b}
	*b = w
	m.count++
	return rdma.Remote{Key: rdma.Key(key), Addr: w.base}, nil
}

// grow makes more buckets. mu is held.
func (m *memory) grow() {
	old := m.buckets
	m.buckets = make([]*window, max(8, 2*len(old)))
	for _, w := range old {
		for w != nil {
			next := w.next
			b := m.bucket(w.key)
			w.next, *b = *b, w
			w = next
		}
	}
}

// drop ends the key of w. Its memory is free when nobody uses it. mu is held.
func (m *memory) drop(w *window) {
	b := m.bucket(w.key)
	for *b != w {
		b = &(*b).next
	}
	*b = w.next
	w.key, w.next = 0, nil
	m.count--
}

// recycle keeps a window that was dropped and has no users. mu is held.
func (m *memory) recycle(w *window) { *w = window{next: m.free}; m.free = w }

// reach checks that the peer may do a to n bytes at to of the memory under key, and returns
// the window and the offset in it. mu is held.
func (m *memory) reach(key uint32, to uint64, n int64, a rdma.Access) (*window, int64, *TerminateError) {
	read := a == rdma.RemoteRead
	w := m.find(key)
	if w == nil {
		return nil, 0, failure(either(read, causeReadKey, causeKey), "the peer uses an STag that is none of ours")
	}
	if w.acc&a == 0 {
		return nil, 0, failure(causeAccess, "the peer may not do that to this window")
	}
	if to+uint64(n) < to {
		return nil, 0, failure(either(read, causeReadWrap, causeWrap), "%d bytes of the peer go round the end of all addresses", n)
	}
	// Before the base the offset is a large number.
	if off := to - w.base; off <= uint64(w.data.Len()) && uint64(n) <= uint64(w.data.Len())-off {
		return w, int64(off), nil
	}
	return nil, 0, failure(either(read, causeReadBounds, causeBounds), "%d bytes of the peer are not inside the window of %d", n, w.data.Len())
}

func either(read bool, a, b cause) cause {
	if read {
		return a
	}
	return b
}

// leave ends a use of each window of ws. mu is not held; nobody else uses ws.
func (m *memory) leave(ws []*window) {
	if len(ws) == 0 {
		return
	}
	m.mu.Lock()
	for i, w := range ws {
		ws[i] = nil
		w.users--
	}
	m.mu.Unlock()
}

// Expose implements rdma.Windows.
func (c *Conn) Expose(data *buffer.Lease, a rdma.Access) (rdma.Remote, error) {
	c.mem.mu.Lock()
	defer c.mem.mu.Unlock()
	return c.mem.expose(data, a)
}

// Revoke implements rdma.Windows. What waits to be sent from the window is copied, so that
// nobody has to wait for the peer. A Read of the peer that was answered in part ends the
// connection.
func (c *Conn) Revoke(k rdma.Key) bool { return c.revoke(uint32(k)) }

func (c *Conn) revoke(key uint32) bool {
	m := &c.mem
	m.mu.Lock()
	w := m.find(key)
	if w == nil {
		m.mu.Unlock()
		return false
	}
	m.drop(w)
	used := w.users > 0
	m.mu.Unlock()
	if used {
		c.tx.detach()
	}
	m.filling.Lock() // the receive that may have begun before has ended
	m.mu.Lock()
	m.recycle(w)
	m.mu.Unlock()
	m.filling.Unlock()
	return true
}

// invalidate ends a key because the peer says so, with a Send.
func (c *Conn) invalidate(key uint32) *TerminateError {
	if !c.revoke(key) {
		return failure(causeInvalidate, "the peer invalidates an STag that is none of ours")
	}
	return nil
}

// close ends all windows, after the last receive and the last send.
func (m *memory) close() {
	m.mu.Lock()
	m.closed = true
	for i := range m.buckets {
		for w := m.buckets[i]; w != nil; w = m.buckets[i] {
			m.drop(w)
			m.recycle(w)
		}
	}
	m.buckets, m.free = nil, nil
	m.mu.Unlock()
}
