package disk

import (
	"context"
	"errors"

	"github.com/lunette-io/lunette/buffer"
	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/store"
)

// A medium is the store of a disk with its capabilities, and what the disk asks of it by calls
// that wait for storage. It knows no task: their errors are what the initiator is told (see
// failed), and they end early when their context does. All of it is set once.
type medium struct {
	geometry
	store store.Store
	info  store.Info // Size is not kept up: see geometry
	arena *buffer.Arena

	lender    store.Lender        // nil: the store does not lend its memory
	tryer     store.Tryer         // nil: the store can do nothing without waiting
	submitter store.Submitter     // nil: the store has no calls that end later
	trimmer   store.Trimmer       // nil: the medium is not thin
	zeroer    store.Zeroer        // nil: zeros are written like other data
	mapper    store.Mapper        // nil: all blocks count as mapped
	comparer  store.CompareWriter // nil: nobody else changes what the store holds
	resizer   store.Resizer       // nil: the size is what it is
	live      store.LiveResizer   // nil: the unit is paused for another size
	foreign   bool                // the store takes memory that is the initiator's own

	sweepStep int64 // how much is trimmed or made zero at a time

	errors errorCounts
	log    *errorLog
}

func newMedium(s store.Store, arena *buffer.Arena, blockSize int) *medium {
	m := &medium{store: s, info: s.Info(), arena: arena}
	m.init(blockSize, m.info.Size)
	m.lender, _ = store.As[store.Lender](s)
	m.tryer, _ = store.As[store.Tryer](s)
	m.submitter, _ = store.As[store.Submitter](s)
	m.trimmer, _ = store.As[store.Trimmer](s)
	m.zeroer, _ = store.As[store.Zeroer](s)
	m.mapper, _ = store.As[store.Mapper](s)
	m.comparer, _ = store.As[store.CompareWriter](s)
	m.resizer, _ = store.As[store.Resizer](s)
	m.live, _ = store.As[store.LiveResizer](s)
	_, m.foreign = store.As[store.Foreign](s)
	m.sweepStep = sweepStep
	if g := m.info.Granularity; g > 0 {
		m.sweepStep = max(1, sweepStep/g) * g
	}
	return m
}

// sweepEnd is where a piece ends at the latest that begins at off. Between two pieces is a boundary of
// what the store can give back, so that pieces give back as much as their whole would.
func (m *medium) sweepEnd(off int64) int64 {
	first := m.info.Alignment
	if off < first {
		return first
	}
	return off + m.sweepStep - (off-first)%m.sweepStep
}

// A memory is whose account pays for what a call needs on its way: a task, or the medium itself where
// there is none.
type memory interface {
	Memory(n int64) (*buffer.Lease, error)
}

// Memory implements memory: no initiator pays.
func (m *medium) Memory(n int64) (*buffer.Lease, error) { return m.arena.Get(n) }

// readAt fills into, which it borrows.
func (m *medium) readAt(ctx context.Context, into *buffer.Lease, off int64, kind ioKind) error {
	return m.failed(m.store.ReadAt(ctx, into, off), kind, m.lba(off))
}

// writeAt writes from, which it borrows.
func (m *medium) writeAt(ctx context.Context, from *buffer.Lease, off int64, f store.Flags) error {
	return m.failed(m.store.WriteAt(ctx, from, off, f), writing, m.lba(off))
}

// flush makes all that was written durable. An error is told of lba.
func (m *medium) flush(ctx context.Context, lba uint64) error {
	return m.failed(m.store.Flush(ctx), writing, lba)
}

// fetch lends n bytes of the medium at off, to look at.
func (m *medium) fetch(ctx context.Context, mem memory, off, n int64, kind ioKind) (*buffer.Lease, error) {
	if m.lender != nil {
		l, err := m.lender.Lend(off, n, store.ForRead)
		return l, m.failed(err, kind, m.lba(off))
	}
	l, err := mem.Memory(n)
	if err != nil {
		return nil, err
	}
	if err := m.readAt(ctx, l, off, kind); err != nil {
		l.Release()
		return nil, err
	}
	return l, nil
}

// readThrough reads a range and forgets it.
func (m *medium) readThrough(ctx context.Context, mem memory, off, n int64) error {
	l, err := mem.Memory(min(readPiece, n))
	if err != nil {
		return err
	}
	defer l.Release()
	for done := int64(0); done < n; done += l.Len() {
		if err := ctx.Err(); err != nil {
			return m.failed(err, verifying, 0)
		}
		l.Truncate(n - done)
		if err := m.readAt(ctx, l, off+done, verifying); err != nil {
			return err
		}
	}
	return nil
}

// compare compares n bytes of data at from with the medium at off. A difference is a MISCOMPARE
// whose INFORMATION counts from base.
func (m *medium) compare(ctx context.Context, mem memory, data *buffer.Lease, from, n, off int64, base uint64) error {
	for done := int64(0); done < n; {
		size := min(readPiece, n-done)
		have, err := m.fetch(ctx, mem, off+done, size, verifying)
		if err != nil {
			return err
		}
		at := difference(data, from+done, have)
		have.Release()
		if at >= 0 {
			return scsi.Miscompare(base + uint64(done+at))
		}
		done += size
	}
	return nil
}

// swap writes the second half of data at off if the medium is like the first. If the store
// compares by itself it is atomic wherever others write; if not, the caller sees to it that
// nobody does.
func (m *medium) swap(ctx context.Context, mem memory, data *buffer.Lease, off int64, f store.Flags) error {
	n := data.Len() / 2
	with := data.Slice(n, n)
	defer with.Release()
	if m.comparer != nil {
		expect := data.Slice(0, n)
		defer expect.Release()
		err := m.comparer.CompareAndWrite(ctx, expect, with, off, f)
		if !errors.Is(err, store.ErrNotSupported) {
			return m.failed(err, writing, m.lba(off))
		}
	}
	if err := m.compare(ctx, mem, data, 0, n, off, 0); err != nil {
		return err
	}
	return m.writeAt(ctx, with, off, f)
}

// or ORs data into the medium at off. It reads all blocks before it writes any, so that a block
// that cannot be read changes none. The caller sees to it that nobody else writes them.
func (m *medium) or(ctx context.Context, mem memory, data *buffer.Lease, off int64, f store.Flags) error {
	n := data.Len()
	for done := int64(0); done < n; {
		size := min(readPiece, n-done)
		have, err := m.fetch(ctx, mem, off+done, size, reading)
		if err != nil {
			return err
		}
		orInto(data, done, have)
		have.Release()
		done += size
	}
	return m.writeAt(ctx, data, off, f)
}

// fill writes block, nil for zeros, to all of a range, from done on; done is how far it has come.
func (m *medium) fill(ctx context.Context, mem memory, block *buffer.Lease, off, n int64, done *int64) error {
	l, err := mem.Memory(min(optimalTransfer, n-*done))
	if err != nil {
		return err
	}
	defer l.Release()
	if block == nil {
		l.Clear(0, l.Len())
	} else {
		one := contiguous(block)
		for at := int64(0); at < l.Len(); at += m.blockSize {
			l.Copy(at, one)
		}
	}
	for *done < n {
		if err := ctx.Err(); err != nil {
			return m.failed(err, writing, 0)
		}
		l.Truncate(n - *done)
		if err := m.writeAt(ctx, l, off+*done, 0); err != nil {
			return err
		}
		*done += l.Len()
	}
	return nil
}
