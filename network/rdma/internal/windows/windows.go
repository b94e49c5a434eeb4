// Package windows is the memory that the peer of one connection may reach: windows by key, as providers of RDMA in
// software keep them (RFC 5042 5, 6; IBTA volume 1, 10.6).
package windows

import (
	"crypto/rand"
	"encoding/binary"

	"github.com/lunette-io/lunette/buffer"
	"github.com/lunette-io/lunette/network/rdma"
)

// A Table has the windows of one connection. On another connection their keys mean nothing. It has no lock: its owner
// has one, which is held whenever a method is called.
type Table struct {
	max     int
	count   int
	closed  bool
	buckets []*Window // by key
	free    *Window
	numbers numbers
}

// A Window is memory that the peer may reach under a key, at addresses from a base on. It belongs to its table, as do
// its fields: the table's lock guards them.
type Window struct {
	// Key is 0 once the window was revoked. The window is another one's when it was recycled: who keeps a pointer to
	// it counts as one of its Users, or compares the key.
	Key  uint32
	Data *buffer.Lease
	// Users is how many packets that are being sent have their payload in the window.
	Users int

	base uint64
	acc  rdma.Access
	next *Window // in its bucket, or in the free list
}

// Init makes an empty table of up to max windows. numbers are random bytes; nil: crypto/rand's, which tests alone may
// not want.
func (t *Table) Init(max int, numbers func([]byte) (int, error)) {
	t.max = max
	t.numbers.init(numbers)
}

// Len is how many windows there are.
func (t *Table) Len() int { return t.count }

// Number is 32 bits that nobody can guess, and not 0.
func (t *Table) Number() uint32 { return t.numbers.next() }

// bucket is the list that has the window of a key. There are buckets.
func (t *Table) bucket(key uint32) **Window { return &t.buckets[key&uint32(len(t.buckets)-1)] }

// Find returns the window of key, or nil.
func (t *Table) Find(key uint32) *Window {
	if len(t.buckets) == 0 || key == 0 {
		return nil
	}
	w := *t.bucket(key)
	for w != nil && w.Key != key {
		w = w.next
	}
	return w
}

// Expose makes a window of data, which it borrows until the window is recycled, and returns how the peer reaches it.
func (t *Table) Expose(data *buffer.Lease, a rdma.Access) (rdma.Remote, error) {
	switch {
	case t.closed:
		return rdma.Remote{}, rdma.ErrClosed
	case t.count == t.max:
		return rdma.Remote{}, rdma.ErrExhausted
	}
	if t.count == len(t.buckets) {
		t.grow()
	}
	w := t.free
	if w == nil {
		w = new(Window)
	} else {
		t.free = w.next
	}
	// One time in four thousand million the key is one that was in use a while ago; even then the
	// base is another.
	key := t.Number()
	for t.Find(key) != nil {
		key = t.Number()
	}
	base := uint64(t.Number())<<32 | uint64(t.Number())
	b := t.bucket(key)
	// The base is at the begin of a page, and in the lower half of all addresses, so that no offset in
	// the window wraps.
	*w = Window{Key: key, base: base >> 1 &^ 0xFFF, Data: data, acc: a, next: *b}
	*b = w
	t.count++
	return rdma.Remote{Key: rdma.Key(key), Addr: w.base}, nil
}

// grow doubles the number of buckets.
func (t *Table) grow() {
	old := t.buckets
	t.buckets = make([]*Window, max(8, 2*len(old)))
	for _, w := range old {
		for w != nil {
			next := w.next
			b := t.bucket(w.Key)
			w.next, *b = *b, w
			w = next
		}
	}
}

// Drop ends the key of w. The memory of the window is free when nobody uses it any more, and then w is recycled.
func (t *Table) Drop(w *Window) {
	b := t.bucket(w.Key)
	for *b != w {
		b = &(*b).next
	}
	*b = w.next
	w.Key, w.next = 0, nil
	t.count--
}

// Recycle takes back a window that was dropped and has no users.
func (t *Table) Recycle(w *Window) { *w = Window{next: t.free}; t.free = w }

// Close ends all windows, which have no users, and makes no more.
func (t *Table) Close() {
	t.closed = true
	for i := range t.buckets {
		for w := t.buckets[i]; w != nil; w = t.buckets[i] {
			t.Drop(w)
			t.Recycle(w)
		}
	}
	t.buckets, t.free = nil, nil
}

// A Verdict is what is wrong with what the peer does to memory.
type Verdict uint8

// Verdicts.
const (
	Good   Verdict = iota
	NoKey          // there is no such key on this connection
	Denied         // the peer may not do that to the window
	Wraps          // the bytes go round the end of all addresses
	Beyond         // the bytes are not all inside the window
)

// Reach checks that the peer may access (a) the n bytes at an address under key, and returns the window and the offset
// in its data.
func (t *Table) Reach(key uint32, addr uint64, n int64, a rdma.Access) (*Window, int64, Verdict) {
	w := t.Find(key)
	if w == nil {
		return nil, 0, NoKey
	}
	if w.acc&a != a {
		return nil, 0, Denied
	}
	if addr+uint64(n) < addr {
		return nil, 0, Wraps
	}
	// An address before the base makes off a large number.
	size := uint64(w.Data.Len())
	if off := addr - w.base; off <= size && uint64(n) <= size-off {
		return w, int64(off), Good
	}
	return nil, 0, Beyond
}

// numbers are 32 bits each that nobody can guess.
type numbers struct {
	random [256]byte // random[used:] have not been given out
	used   int
	source func(b []byte) (int, error) // crypto/rand.Read never fails
}

func (n *numbers) init(source func(b []byte) (int, error)) {
	if source == nil {
		source = rand.Read
	}
	n.source, n.used = source, len(n.random)
}

func (n *numbers) next() uint32 {
	for {
		if n.used == len(n.random) {
			_, _ = n.source(n.random[:])
			n.used = 0
		}
		v := binary.NativeEndian.Uint32(n.random[n.used:])
		n.used += 4
		if v != 0 {
			return v
		}
	}
}
