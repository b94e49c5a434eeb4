package iwarp

import (
	"sync"

	"github.com/lunette-io/lunette/buffer"
	"github.com/lunette-io/lunette/network/rdma"
	"github.com/lunette-io/lunette/network/rdma/internal/windows"
)

// A memory is what the peer of a connection may reach: the windows, whose keys are STags and whose addresses are
// tagged offsets, and the memory of our Reads, which the peer's answers go to.
type memory struct {
	// filling is held during each receive, for two reasons. Revoke waits for the receive that may
	// be writing to the window. And a large Read is noted with filling held, before the peer is asked
	// for it: so no receive that has begun before takes any of its answer. mu is not held during a
	// receive: whoever exposes memory would wait until the system has copied. filling comes before mu.
	filling sync.Mutex

	mu      sync.Mutex // guards what follows
	windows windows.Table
	reads   reads
}

// reach checks that the peer may access (a) the n bytes at the tagged offset to under key, and returns
// the window and the offset in its data. mu is held.
func (m *memory) reach(key uint32, to uint64, n int64, a rdma.Access) (*windows.Window, int64, *TerminateError) {
	read := a == rdma.RemoteRead
	w, off, verdict := m.windows.Reach(key, to, n, a)
	switch verdict {
	case windows.NoKey:
		return nil, 0, failure(either(read, causeReadKey, causeKey), "the peer uses an STag that is none of ours")
	case windows.Denied:
		return nil, 0, failure(causeAccess, "the peer may not do that to this window")
	case windows.Wraps:
		return nil, 0, failure(either(read, causeReadWrap, causeWrap), "%d bytes of the peer go round the end of all addresses", n)
	case windows.Beyond:
		return nil, 0, failure(either(read, causeReadBounds, causeBounds), "%d bytes of the peer are not inside the window", n)
	}
	return w, off, nil
}

func either(read bool, a, b cause) cause {
	if read {
		return a
	}
	return b
}

// leave ends one use of each window of ws, and clears ws, which is the caller's.
func (m *memory) leave(ws []*windows.Window) {
	if len(ws) == 0 {
		return
	}
	m.mu.Lock()
	for i, w := range ws {
		ws[i] = nil
		w.Users--
	}
	m.mu.Unlock()
}

// Expose implements rdma.Windows.
func (c *Conn) Expose(data *buffer.Lease, a rdma.Access) (rdma.Remote, error) {
	c.mem.mu.Lock()
	defer c.mem.mu.Unlock()
	return c.mem.windows.Expose(data, a)
}

// Revoke implements rdma.Windows. What is in a batch that waits for room is copied, so that nobody
// has to wait for the peer. If the peer's Read of the window was answered in part only, the
// connection ends when the rest of the answer would be sent.
func (c *Conn) Revoke(k rdma.Key) bool { return c.revoke(uint32(k)) }

func (c *Conn) revoke(key uint32) bool {
	m := &c.mem
	m.mu.Lock()
	w := m.windows.Find(key)
	if w == nil {
		m.mu.Unlock()
		return false
	}
	m.windows.Drop(w)
	used := w.Users > 0
	m.mu.Unlock()
	if used {
		c.tx.detach()
	}
	m.filling.Lock() // when we have it, the receive that may have used the window has ended
	m.mu.Lock()
	m.windows.Recycle(w)
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
	m.windows.Close()
	m.mu.Unlock()
}
