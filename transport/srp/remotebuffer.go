package srp

import (
	"fmt"

	"github.com/lunette-io/lunette/buffer"
	"github.com/lunette-io/lunette/network/rdma"
	"github.com/lunette-io/lunette/transport/srp/iu"
)

// A remoteBuffer is a data buffer of a command in the initiator's memory: a list of descriptors, of
// which nothing outside is ever touched. It belongs to the goroutine that takes the command, then
// to the connection if the list has to be fetched, and is not changed while the command is with
// the target.
type remoteBuffer struct {
	k     *task
	list  []byte        // as it is on the wire; in room, or in table
	room  []byte        // retained from command to command
	table *buffer.Lease // of a long list, or of an external one, when it has come or is coming
	fetch rdma.Work     // the Read of the table
	at    iu.Descriptor // the external table
	total uint32        // the length that the command tells
	len   int64         // how much of it there is: not more than the descriptors have together

	immediate bool // it has come along: there are no descriptors
}

// shortList is how long a list may be that is kept with the task, in bytes. The initiator pays for a longer
// one.
const shortList = 64 * iu.DescriptorLen

// set takes the descriptor of a command. It refers to nothing of it afterwards.
func (m *remoteBuffer) set(b *iu.Buffer) *refusal {
	m.at, m.total, m.len = b.Table, b.Len, 0
	m.immediate = b.Format == iu.Immediate
	switch {
	case b.External(): // all of it is fetched
		m.list = nil
	case len(b.List) > shortList:
		l, err := m.k.c.nexus.scsi.Memory().Get(int64(len(b.List)))
		if err != nil {
			return noMemory
		}
		m.table = l
		m.list = l.At(0)[:len(b.List)] // one piece: an IU is not longer than a block
		copy(m.list, b.List)
	default:
		m.room = append(m.room[:0], b.List...)
		m.list = m.room
	}
	return nil
}

// fetchTable asks for an external descriptor table.
func (m *remoteBuffer) fetchTable() *refusal {
	c := m.k.c
	l, err := c.nexus.scsi.Memory().Get(int64(m.at.Len))
	if err != nil {
		return noMemory
	}
	m.table = l
	w := &m.fetch
	w.Op, w.Data, w.At, w.Len = rdma.Read, l, 0, l.Len()
	w.Remote = rdma.Remote{Key: rdma.Key(m.at.Key), Addr: m.at.Addr}
	m.k.fetching.Add(1) // it stays so if the connection has ended: then the command is lost with it
	_ = c.link.conn.Post(w)
	return nil
}

// fetched takes a table that has come. If it has not, the connection is ending, and the command
// waits for that: it is lost with it.
func (m *remoteBuffer) fetched(err error) {
	k, c := m.k, m.k.c
	if err != nil {
		return
	}
	c.works.settled.Add(1)
	m.list = m.table.At(0)[:m.table.Len()] // one piece: it is not longer than a block
	if k.fetching.Add(-1) == 0 {
		c.arrivals.advance()
	}
}

// measure adds the descriptors up. It is wrong that one of them wraps around the end of the
// address space.
func (m *remoteBuffer) measure() error {
	if m.immediate {
		m.len = int64(m.total)
		return nil
	}
	sum := uint64(0) // of at most 2^16 numbers of 32 bits
	for i := range len(m.list) / iu.DescriptorLen {
		d := iu.DescriptorAt(m.list, i)
		if d.Len > 0 && d.Addr+uint64(d.Len)-1 < d.Addr {
			return fmt.Errorf("descriptor %d wraps around", i)
		}
		sum += uint64(d.Len)
	}
	m.len = int64(min(sum, uint64(m.total)))
	return nil
}

func (m *remoteBuffer) reset() {
	if m.table != nil {
		m.table.Release()
		m.table = nil
	}
	m.list, m.len = nil, 0
}

// A cursor is a place in a buffer: a descriptor, and bytes of it.
type cursor struct {
	i  int
	in uint32
}

// seek finds the place of offset off.
func (m *remoteBuffer) seek(off int64) (c cursor) {
	for c.i = range len(m.list) / iu.DescriptorLen {
		n := int64(iu.DescriptorAt(m.list, c.i).Len)
		if off < n {
			c.in = uint32(off)
			return c
		}
		off -= n
	}
	return cursor{i: len(m.list) / iu.DescriptorLen}
}

// next is the next place of at most n bytes that lie in one descriptor, and goes past it. It is
// nothing at the end.
func (m *remoteBuffer) next(c *cursor, n int64) iu.Descriptor {
	for ; c.i < len(m.list)/iu.DescriptorLen; c.i, c.in = c.i+1, 0 {
		d := iu.DescriptorAt(m.list, c.i)
		if c.in == d.Len {
			continue
		}
		d.Addr += uint64(c.in)
		d.Len = uint32(min(int64(d.Len-c.in), n))
		c.in += d.Len
		return d
	}
	return iu.Descriptor{}
}
