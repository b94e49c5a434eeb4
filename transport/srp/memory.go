package srp

import (
	"fmt"

	"github.com/lunette-io/lunette/buffer"
	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/transport/srp/iu"
)

// A memory is a data buffer of a command in the initiator's memory: a list of descriptors, of
// which nothing outside is ever touched.
type memory struct {
	list  []byte        // as it is on the wire; in room, or in table
	room  []byte        // kept from command to command
	table *buffer.Lease // of an external table, when it has come or is coming
	at    iu.Descriptor // the external table
	total uint32        // the length that the command tells
	len   int64         // how much of it there is: not more than the descriptors have together

	immediate bool // it has come along: there are no descriptors
}

// set takes the descriptor of a command. It refers to nothing of it afterwards.
func (m *memory) set(b *iu.Buffer) {
	m.at, m.total, m.len = b.Table, b.Len, 0
	m.room = append(m.room[:0], b.List...)
	m.list = m.room
	m.immediate = b.Format == iu.Immediate
}

// measure adds the descriptors up. It is wrong that one of them wraps around the end of the
// address space.
func (m *memory) measure() error {
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

func (m *memory) reset() {
	if m.table != nil {
		m.table.Release()
		m.table = nil
	}
	m.list, m.len = nil, 0
}

// A cursor is a place in a memory: a descriptor, and bytes of it.
type cursor struct {
	i  int
	in uint32
}

// seek finds the place of offset off.
func (m *memory) seek(off int64) (c cursor) {
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
func (m *memory) next(c *cursor, n int64) iu.Descriptor {
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

// A wrong is what is not right with the data buffers of a command: the sense for it.
type wrong struct {
	sense scsi.Sense
	why   string
}

func (w *wrong) Error() string { return w.why }

// wrongBuffer is a fault of a data buffer: SPC-5 has the same codes for either direction.
func wrongBuffer(out bool, in scsi.ASC, format string, args ...any) *wrong {
	asc, name := in, "data-in"
	if out {
		asc, name = in+(scsi.ASCDataOutBufferError-scsi.ASCDataInBufferError), "data-out"
	}
	return &wrong{scsi.AbortedCommand(asc), name + ": " + fmt.Sprintf(format, args...)}
}

// accept checks what a descriptor says about its length and number of entries.
func (c *channel) accept(b *iu.Buffer, out bool) *wrong {
	cfg := &c.node.cfg
	switch {
	case int64(b.Len) > cfg.MaxTransfer:
		return wrongBuffer(out, scsi.ASCDataInBufferOverflowSize, "%d bytes, %d are allowed", b.Len, cfg.MaxTransfer)
	case b.Entries() > cfg.MaxDescriptors:
		return wrongBuffer(out, scsi.ASCDataInBufferOverflowDescriptors, "%d descriptors, %d are allowed", b.Entries(), cfg.MaxDescriptors)
	case b.External() && b.Table.Addr+uint64(b.Table.Len)-1 < b.Table.Addr:
		return wrongBuffer(out, scsi.ASCDataInBufferError, "the descriptor table wraps around")
	case c.info.Reads == 0 && (b.External() || (out && b.Format != iu.Immediate && b.Len > 0)):
		return wrongBuffer(out, scsi.ASCDataInBufferError, "the initiator serves no RDMA Reads")
	}
	return nil
}
