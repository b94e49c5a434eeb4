package sim

import (
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"math"

	"github.com/lunette-io/lunette/buffer"
	"github.com/lunette-io/lunette/network/rdma"
)

const (
	// piece is how much data moves at a time: between two pieces others may act.
	piece = 16 << 10
	// maxWindows is how many windows a connection has at most.
	maxWindows = 1 << 16
)

// A window is memory that the peer may reach.
type window struct {
	data   *buffer.Lease
	base   uint64
	access rdma.Access
}

// Expose lets the peer reach data. Neither the key nor the address can be guessed, and the
// address has nothing to do with that of the memory.
func (c *conn) Expose(data *buffer.Lease, a rdma.Access) (rdma.Remote, error) {
	var random [12]byte
	if _, err := rand.Read(random[:]); err != nil {
		return rdma.Remote{}, fmt.Errorf("sim: expose: %w", err)
	}
	c.l.mu.Lock()
	defer c.l.mu.Unlock()
	switch {
	case c.ended || c.closed:
		return rdma.Remote{}, fmt.Errorf("sim: expose: %w", rdma.ErrClosed)
	case len(c.windows) >= maxWindows:
		return rdma.Remote{}, fmt.Errorf("sim: expose: %w", rdma.ErrExhausted)
	}
	at := rdma.Remote{
		Key:  rdma.Key(binary.LittleEndian.Uint32(random[:])),
		Addr: binary.LittleEndian.Uint64(random[4:]) >> 8, // the end does not wrap
	}
	for {
		if _, taken := c.windows[at.Key]; at.Key != 0 && !taken {
			break
		}
		at.Key += 0x9e3779b9
	}
	c.windows[at.Key] = window{data: data, base: at.Addr, access: a}
	return at, nil
}

// Revoke ends a window. Data moves under the lock, so that none does any more afterwards.
func (c *conn) Revoke(k rdma.Key) bool {
	c.l.mu.Lock()
	defer c.l.mu.Unlock()
	_, ok := c.windows[k]
	delete(c.windows, k)
	return ok
}

// window finds n bytes that the peer wants to reach, or says why it may not.
func (c *conn) window(r rdma.Remote, n int64, a rdma.Access) (data *buffer.Lease, off int64, why string) {
	w, ok := c.windows[r.Key]
	switch {
	case !ok:
		return nil, 0, "no such key"
	case w.access&a == 0:
		return nil, 0, "the key is not for that"
	case uint64(n) > math.MaxUint64-r.Addr:
		return nil, 0, "the address wraps"
	case r.Addr < w.base || r.Addr-w.base > uint64(w.data.Len()) || uint64(n) > uint64(w.data.Len())-(r.Addr-w.base):
		return nil, 0, "outside of the memory of the key"
	}
	return w.data, int64(r.Addr - w.base), ""
}

// transfer copies n bytes between leases.
func transfer(to *buffer.Lease, at int64, from *buffer.Lease, off, n int64) {
	for n > 0 {
		dst, src := to.At(at), from.At(off)
		if dst == nil || src == nil {
			return
		}
		k := copy(dst[:min(int64(len(dst)), n)], src)
		at, off, n = at+int64(k), off+int64(k), n-int64(k)
	}
}
