package ring

import (
	"errors"
	"fmt"
	"math"
	"sync/atomic"

	"github.com/lunette-io/lunette/internal/guard"
)

// Bounds of what a driver may have a device hold.
const (
	// MaxPieces is the most descriptors that a request may have, those of its indirect table with them.
	MaxPieces = 1024
	// MaxBytes is the most bytes that a request may have.
	MaxBytes = 1 << 31
	// maxHeld is the most pieces of memory that all requests together may have which the device holds.
	maxHeld = 1 << 20
)

// ErrBroken: the driver has broken the rules of the ring. What is wrong stands in the error around it.
var ErrBroken = errors.New("the driver has broken the rules of the ring")

// ErrFull: there is no room in the ring for a request.
var ErrFull = errors.New("ring: there is no room")

func broken(format string, args ...any) error {
	return fmt.Errorf("%w: "+format, append([]any{ErrBroken}, args...)...)
}

// A gatherer makes requests of descriptors. All of a request is read, once, before any of it is looked at any closer.
type gatherer struct {
	mem      Memory
	indirect bool
	packed   bool
	list     []descriptor // of the request that is being made
	table    []byte       // a copy of an indirect table
	held     atomic.Int64 // pieces of requests that the device holds
	pieces   []int32      // by ID: of a request that the device holds
}

func newGatherer(mem Memory, o Options, size int) gatherer {
	return gatherer{mem: mem, indirect: o.Indirect, packed: o.Packed, list: make([]descriptor, 0, min(size, MaxPieces)), pieces: make([]int32, size)}
}

// request fills b from the list.
func (g *gatherer) request(b *Buffers) error {
	b.Readable, b.Writable = b.Readable[:0], b.Writable[:0]
	b.ReadableLen, b.WritableLen = 0, 0
	for i, d := range g.list {
		if d.flags&flagIndirect == 0 {
			if err := g.piece(b, d); err != nil {
				return err
			}
			continue
		}
		switch {
		case !g.indirect:
			return broken("an indirect descriptor, which was not agreed on")
		case d.flags&flagNext != 0:
			return broken("an indirect descriptor that goes on (2.7.5.3.1)")
		case g.packed && i > 0:
			return broken("an indirect descriptor in a list (2.8.19)")
		}
		if err := g.follow(b, d, i); err != nil {
			return err
		}
	}
	n := len(b.Readable) + len(b.Writable)
	if g.held.Add(int64(n)) > maxHeld {
		return broken("requests of more than %d pieces", maxHeld)
	}
	g.pieces[b.ID] = int32(n)
	return nil
}

// returned forgets a request.
func (g *gatherer) returned(id uint16) { g.held.Add(-int64(g.pieces[id])) }

// piece adds one piece of memory.
func (g *gatherer) piece(b *Buffers, d descriptor) error {
	total := b.ReadableLen + b.WritableLen + int64(d.len)
	switch {
	case d.len == 0:
		return broken("a descriptor of no bytes")
	case d.addr > math.MaxUint64-uint64(d.len):
		return broken("a descriptor of %d bytes at %#x, which wraps", d.len, d.addr)
	case total > MaxBytes:
		return broken("a request of more than %d bytes", MaxBytes)
	}
	var err error
	if d.flags&flagWrite != 0 {
		b.Writable, err = g.mem.Translate(b.Writable, d.addr, d.len)
		b.WritableLen += int64(d.len)
	} else {
		if b.WritableLen > 0 {
			return broken("a descriptor to read after one to write (2.7.4.2)")
		}
		b.Readable, err = g.mem.Translate(b.Readable, d.addr, d.len)
		b.ReadableLen += int64(d.len)
	}
	if err != nil {
		return broken("%v", err)
	}
	return nil
}

// follow adds what the indirect table at d says; done is how many descriptors there were before.
func (g *gatherer) follow(b *Buffers, d descriptor, done int) error {
	n := int(d.len / descriptorSize)
	switch {
	case d.len == 0 || d.len%descriptorSize != 0:
		return broken("an indirect table of %d bytes", d.len)
	case n > MaxPieces-done:
		return broken("an indirect table of %d descriptors: %d are taken", n, MaxPieces-done)
	case d.addr > math.MaxUint64-uint64(d.len):
		return broken("an indirect table of %d bytes at %#x, which wraps", d.len, d.addr)
	}
	if err := g.copyTable(b, d); err != nil {
		return err
	}
	if g.packed {
		return g.packedTable(b, n)
	}
	// A table has as many descriptors as it has: one that is gone through more than once is in a loop.
	at := 0
	for range n {
		e := parseSplit(g.table[at*descriptorSize:])
		if e.flags&flagIndirect != 0 {
			return broken("an indirect table in another (2.7.5.3.1)")
		}
		if err := g.piece(b, e); err != nil {
			return err
		}
		if e.flags&flagNext == 0 {
			return nil
		}
		if at = int(e.other); at >= n {
			return broken("descriptor %d of an indirect table that has %d", at, n)
		}
	}
	return broken("an indirect table that is a loop")
}

// packedTable goes through an indirect table of a packed ring: its descriptors follow each other, and of their flags there is one (2.8.19).
func (g *gatherer) packedTable(b *Buffers, n int) error {
	for i := range n {
		e := parsePacked(g.table[i*descriptorSize:])
		if e.flags&flagIndirect != 0 {
			return broken("an indirect table in another (2.8.19)")
		}
		if err := g.piece(b, e); err != nil {
			return err
		}
	}
	return nil
}

// copyTable copies an indirect table, which may lie in several pieces of memory. b.Writable lends it the room to find them.
func (g *gatherer) copyTable(b *Buffers, d descriptor) error {
	was := len(b.Writable)
	all, err := g.mem.Translate(b.Writable, d.addr, d.len)
	if err != nil {
		return broken("an indirect table: %v", err)
	}
	if cap(g.table) < int(d.len) {
		g.table = make([]byte, MaxPieces*descriptorSize)
	}
	g.table = g.table[:0]
	for _, s := range all[was:] {
		n := len(g.table)
		if n+len(s.Mem) > int(d.len) {
			return broken("an indirect table: memory of more than %d bytes", d.len)
		}
		g.table = g.table[:n+len(s.Mem)]
		if _, err := guard.Copy(g.table[n:], s.Mem); err != nil {
			return err
		}
	}
	b.Writable = all[:was]
	if len(g.table) != int(d.len) {
		return broken("an indirect table: memory of %d bytes", len(g.table))
	}
	return nil
}
