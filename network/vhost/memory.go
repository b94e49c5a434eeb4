package vhost

import (
	"fmt"
	"math"
	"sync/atomic"

	"github.com/lunette-io/lunette/buffer"
	"github.com/lunette-io/lunette/network/vhost/message"
)

// A region is a piece of the guest's memory, mapped.
type region struct {
	message.Region
	mem    []byte // its bytes
	mapped []byte // mem, and what is before and after it in the pages of its file
}

// A table is all of a guest's memory. It is never changed, but replaced.
type table struct {
	regions []region
	bytes   int64
}

// memory is a guest's memory. One goroutine at a time changes it, and takes regions away only while no queue runs and no chain is out; any may look.
type memory struct {
	maxBytes   int64
	maxRegions int
	table      atomic.Pointer[table]
}

func newMemory(o Options) *memory {
	m := &memory{maxBytes: o.MaxMemory, maxRegions: o.MaxRegions}
	m.table.Store(new(table))
	return m
}

// replace has all of regions instead of what there was; fds are their files, in the same order, and stay the caller's. After an error everything is as it was.
func (m *memory) replace(r message.Request, regions []message.Region, fds []int) error {
	old, fresh := m.table.Load(), new(table)
	for i := range regions {
		next, err := fresh.with(m, r, regions[i], fds[i])
		if err != nil {
			fresh.unmap()
			return err
		}
		fresh = next
	}
	m.table.Store(fresh)
	old.unmap()
	return nil
}

// add has one more region, of the file fd, which stays the caller's.
func (m *memory) add(x message.Region, fd int) error {
	t, err := m.table.Load().with(m, message.AddMemReg, x, fd)
	if err == nil {
		m.table.Store(t)
	}
	return err
}

// remove takes a region away.
func (m *memory) remove(x message.Region) error {
	t := m.table.Load()
	for i := range t.regions {
		// The offset is not part of what tells regions apart (vhost-user, VHOST_USER_REM_MEM_REG).
		if r := &t.regions[i]; r.Guest == x.Guest && r.User == x.User && r.Size == x.Size {
			fresh := &table{bytes: t.bytes - int64(r.Size)}
			fresh.regions = append(append(fresh.regions, t.regions[:i]...), t.regions[i+1:]...)
			m.table.Store(fresh)
			unmapFile(r.mapped)
			return nil
		}
	}
	return message.Errorf(message.RemMemReg, "there is no region of %d bytes at %#x", x.Size, x.Guest)
}

// unmap lets all of the memory go.
func (m *memory) unmap() { m.table.Swap(new(table)).unmap() }

func (t *table) unmap() {
	for i := range t.regions {
		unmapFile(t.regions[i].mapped)
	}
}

// with is the table with one region more.
func (t *table) with(m *memory, request message.Request, x message.Region, fd int) (*table, error) {
	switch {
	case x.Size == 0:
		return nil, message.Errorf(request, "a region of no bytes at %#x", x.Guest)
	case x.Guest > math.MaxUint64-x.Size || x.User > math.MaxUint64-x.Size || x.Offset > math.MaxInt64-min(x.Size, math.MaxInt64):
		return nil, message.Errorf(request, "a region of %d bytes at %#x (%#x in the front-end, offset %#x), which wraps", x.Size, x.Guest, x.User, x.Offset)
	case len(t.regions) >= m.maxRegions:
		return nil, message.Errorf(request, "more than %d regions", m.maxRegions)
	case x.Size > uint64(m.maxBytes-t.bytes):
		return nil, message.Errorf(request, "more than %d bytes of memory", m.maxBytes)
	}
	for i := range t.regions {
		r := &t.regions[i]
		if x.Guest < r.Guest+r.Size && r.Guest < x.Guest+x.Size || x.User < r.User+r.Size && r.User < x.User+x.Size {
			return nil, message.Errorf(request, "a region of %d bytes at %#x (%#x in the front-end) overlaps that of %d bytes at %#x (%#x)", x.Size, x.Guest, x.User, r.Size, r.Guest, r.User)
		}
	}
	mapped, before, err := mapFile(fd, x.Offset, x.Size)
	if err != nil {
		return nil, message.Errorf(request, "a region of %d bytes at %#x: %v", x.Size, x.Guest, err)
	}
	fresh := &table{bytes: t.bytes + int64(x.Size)}
	fresh.regions = append(append(fresh.regions, t.regions...), region{x, mapped[before:][:x.Size:x.Size], mapped})
	return fresh, nil
}

// user is the n bytes at an address of the front-end's process, in one piece.
func (t *table) user(addr uint64, n int) ([]byte, error) {
	for i := range t.regions {
		r := &t.regions[i]
		if off := addr - r.User; addr >= r.User && off < r.Size {
			if uint64(n) > r.Size-off {
				break
			}
			return r.mem[off:][:n:n], nil
		}
	}
	return nil, fmt.Errorf("%d bytes at %#x of the front-end are in no region", n, addr)
}

// A finder finds the guest's addresses for one queue. It looks first where it has found something last.
type finder struct {
	memory *memory
	last   int
}

// Translate appends the n bytes at the guest's address addr to dst: pieces of mapped memory, in order. It fails if any of it is outside. (It makes a finder a ring.Memory.)
func (f *finder) Translate(dst []buffer.Segment, addr uint64, n uint32) ([]buffer.Segment, error) {
	t := f.memory.table.Load()
	was := len(dst)
	for left := uint64(n); left > 0; {
		r := f.find(t, addr)
		if r == nil {
			return dst[:was], fmt.Errorf("%d bytes at %#x are outside of the guest's memory", left, addr)
		}
		off := addr - r.Guest
		here := min(left, r.Size-off)
		dst = append(dst, buffer.Segment{Mem: r.mem[off:][:here:here]})
		addr, left = addr+here, left-here
	}
	return dst, nil
}

// find is the region that addr lies in, or nil.
func (f *finder) find(t *table, addr uint64) *region {
	if f.last < len(t.regions) {
		if r := &t.regions[f.last]; addr-r.Guest < r.Size {
			return r
		}
	}
	for i := range t.regions {
		if r := &t.regions[i]; addr-r.Guest < r.Size {
			f.last = i
			return r
		}
	}
	return nil
}
