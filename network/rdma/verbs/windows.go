package verbs

import (
	"fmt"
	"runtime"

	"github.com/lunette-io/lunette/buffer"
	"github.com/lunette-io/lunette/network/rdma"
)

// A window is memory that the peer may reach: registered on its own, with the rights that the peer has. On adapters keys reach as far as the
// protection domain, which is all connections of the device.
type window struct {
	r       registration
	pin     runtime.Pinner   // of memory of no region
	regions []*buffer.Region // that it lies in: their pages are held
}

// hold has the memory of data stay where the adapter finds it.
func (w *window) hold(data *buffer.Lease) {
	for s := range data.All() {
		switch {
		case len(s.Mem) == 0:
		case s.Region == nil:
			w.pin.Pin(&s.Mem[0]) // a heap's, perhaps: the adapter keeps the address
		default:
			s.Region.Pin()
			w.regions = append(w.regions, s.Region)
		}
	}
}

// let takes back what hold did.
func (w *window) let() {
	w.pin.Unpin()
	for _, r := range w.regions {
		r.Unpin()
	}
	w.regions = nil
}

// Expose implements rdma.Windows. The memory has to be in one piece for the adapter: pieces that lie one behind the other are.
func (c *conn) Expose(data *buffer.Lease, a rdma.Access) (rdma.Remote, error) {
	mem, err := whole(data)
	if err != nil {
		return rdma.Remote{}, err
	}
	var rights access
	if a&rdma.RemoteRead != 0 {
		rights |= remoteRead
	}
	if a&rdma.RemoteWrite != 0 {
		rights |= remoteWrite | localWrite
	}
	w := &window{}
	w.hold(data)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.failed {
		w.let()
		return rdma.Remote{}, fmt.Errorf("%w: verbs", rdma.ErrClosed)
	}
	if w.r, err = c.card.a.register(mem, rights); err != nil {
		w.let()
		return rdma.Remote{}, fmt.Errorf("%w: %w", rdma.ErrExhausted, err)
	}
	_, key := w.r.keys()
	c.windows[rdma.Key(key)] = w
	return rdma.Remote{Key: rdma.Key(key), Addr: uint64(addressOf(mem))}, nil
}

// whole is data, all of which lies in one piece.
func whole(data *buffer.Lease) ([]byte, error) {
	if data.Len() == 0 {
		return nil, fmt.Errorf("%w: verbs: no memory at all", rdma.ErrExhausted)
	}
	next := addressOf(data.Segment(0).Mem)
	for s := range data.All() {
		if addressOf(s.Mem) != next {
			return nil, fmt.Errorf("%w: verbs: memory that is exposed has to be in one piece, and this has %d", rdma.ErrExhausted, data.Segments())
		}
		next += uintptr(len(s.Mem))
	}
	return together(data.Segment(0).Mem, int(data.Len())), nil
}

// Revoke implements rdma.Windows.
func (c *conn) Revoke(k rdma.Key) bool {
	c.mu.Lock()
	w := c.windows[k]
	delete(c.windows, k)
	c.mu.Unlock()
	if w == nil {
		return false
	}
	c.revoke(w)
	return true
}

// forget ends a window that the peer has ended.
func (c *conn) forget(k rdma.Key) { c.Revoke(k) }

func (c *conn) revoke(w *window) {
	if err := w.r.end(); err != nil {
		c.dev.log.Error("verbs: the adapter keeps memory that was exposed", "adapter", c.card.name, "err", err)
		return // it stays pinned
	}
	w.let()
}

// revokeAll ends all windows.
func (c *conn) revokeAll() {
	c.mu.Lock()
	all := c.windows
	c.windows = nil
	c.mu.Unlock()
	for _, w := range all {
		c.revoke(w)
	}
}
