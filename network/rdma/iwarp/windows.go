package iwarp

import (
	"crypto/rand"
	"encoding/binary"
	"sync"

	"github.com/lunette-io/lunette/buffer"
	"github.com/lunette-io/lunette/network/rdma"
)

// A memory is what the peer of a connection may reach: the windows, and the memory of our Reads,
// which the peer's answers go to.
type memory struct {
	// filling is held during each receive, for two reasons. Revoke waits for the receive that may
	// be writing to the window. And a large Read is noted with filling held, before the peer is asked
	// for it: so no receive that has begun before takes any of its answer. mu is not held during a
	// receive: whoever exposes memory would wait until the system has copied. filling comes before mu.
	filling sync.Mutex

	mu      sync.Mutex // guards what follows
	closed  bool
	max     int
	count   int       // windows
	buckets []*window // by key
	free    *window
	reads   reads

	random [256]byte // random[used:] are random bytes
	used   int
	source func(b []byte) (int, error) // crypto/rand.Read, which never fails; another one in tests
}

// A window is memory that the peer may reach under a key (STag), at tagged offsets from base on. It
// belongs to one connection: on another one the key means nothing.
type window struct {
	key   uint32 // 0: it was revoked
	base  uint64
	data  *buffer.Lease
	acc   rdma.Access
	users int     // FPDUs of the batch that is being sent whose payload is in the window
	next  *window // in its bucket, or in the free list
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

// bucket is the list that has the window of a key. There are buckets. mu is held.
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

// expose makes a window of data, and returns how the peer reaches it. mu is held.
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
	// One time in four thousand million the key is one that was in use a while ago; even then the
	// base is another.
	key := m.number()
	for m.find(key) != nil {
		key = m.number()
	}
	base := uint64(m.number())<<32 | uint64(m.number())
	b := m.bucket(key)
	// The base is at the begin of a page, and in the lower half of all addresses, so that no offset in
	// the window wraps.
	*w = window{key: key, base: base >> 1 &^ 0xFFF, data: data, acc: a, next: *b}
	*b = w
	m.count++
	return rdma.Remote{Key: rdma.Key(key), Addr: w.base}, nil
}

// grow doubles the number of buckets. mu is held.
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

// drop ends the key of w. The memory of the window is free when nobody uses it any more. mu is held.
func (m *memory) drop(w *window) {
	b := m.bucket(w.key)
	for *b != w {
		b = &(*b).next
	}
	*b = w.next
	w.key, w.next = 0, nil
	m.count--
}

// recycle puts a window that was dropped and has no users into the free list. mu is held.
func (m *memory) recycle(w *window) { *w = window{next: m.free}; m.free = w }

// reach checks that the peer may access (a) the n bytes at the tagged offset to under key, and returns
// the window and the offset in its data. mu is held.
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
	// A tagged offset before the base makes off a large number.
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

// leave ends one use of each window of ws, and clears ws, which is the caller's.
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

// Revoke implements rdma.Windows. What is in a batch that waits for room is copied, so that nobody
// has to wait for the peer. If the peer's Read of the window was answered in part only, the
// connection ends when the rest of the answer would be sent.
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
	m.filling.Lock() // when we have it, the receive that may have used the window has ended
	m.mu.Lock()
	m.recycle(w)
	m.mu.Unlock()
	m.filling.Unlock()
	return true
}

// invalidate revokes a key because a Send of the peer says so (RFC 5040 5.3).
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
