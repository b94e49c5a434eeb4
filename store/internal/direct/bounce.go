package direct

import (
	"context"
	"unsafe"

	"github.com/lunette-io/lunette/buffer"
	"github.com/lunette-io/lunette/store"
	"github.com/lunette-io/lunette/store/internal/fdio"
)

func address(m []byte) uintptr { return uintptr(unsafe.Pointer(unsafe.SliceData(m))) }

// aligned returns bounceSize bytes that are aligned to both; heap memory is not moved.
func aligned(a Align) []byte {
	align := uintptr(max(a.Offset, a.Memory, 4096))
	m := make([]byte, bounceSize+int(align))
	skip := (align - address(m)%align) % align
	return m[skip : skip+bounceSize : skip+bounceSize]
}

// whole widens a range to whole blocks.
func (d *IO) whole(off, n int64) (from, to int64) {
	mask := d.align.Offset - 1
	return off &^ mask, (off + n + mask) &^ mask
}

// pieces calls do for each piece of a range that one bounce has room for.
func (d *IO) pieces(ctx context.Context, off, n int64, do func(b []byte, at, n int64) error) error {
	d.bounced[0].Add(1)
	d.bounced[1].Add(uint64(n))
	bounce := d.bounces.Get().(*buffer.Lease)
	defer d.bounces.Put(bounce)
	mem := bounce.Segment(0).Mem
	for end := off + n; off < end; {
		if err := ctx.Err(); err != nil {
			return err
		}
		first, _ := d.whole(off, 0)
		m := min(first+bounceSize, end) - off
		if err := do(mem, off, m); err != nil {
			return err
		}
		off += m
	}
	return nil
}

func (d *IO) bounceRead(ctx context.Context, into *buffer.Lease, off int64) error {
	return d.pieces(ctx, off, into.Len(), func(b []byte, at, n int64) error {
		from, to := d.whole(at, n)
		if err := d.move(b[:to-from], from, 0, fdio.ReadAt); err != nil {
			return err
		}
		return foreign(into.GuardedCopy(at-off, b[at-from:at-from+n]))
	})
}

// bounceFrom writes from, by bounceWrite.
func (d *IO) bounceFrom(ctx context.Context, from *buffer.Lease, off int64, flags int) error {
	return d.bounceWrite(ctx, off, from.Len(), flags, func(at int64, part []byte) error {
		return foreign(from.GuardedRead(at, part))
	})
}

// bounceWrite writes what fill copies into the parts it is asked for, by their offset
// in the range, or fails. The flags are those of pwritev2(2), for whole blocks alone.
func (d *IO) bounceWrite(ctx context.Context, off, n int64, flags int, fill func(at int64, part []byte) error) error {
	if from, to := d.whole(off, n); from != off || to != off+n {
		d.parts.Lock()
		defer d.parts.Unlock()
	} else {
		d.parts.RLock()
		defer d.parts.RUnlock()
	}
	block := d.align.Offset
	return d.pieces(ctx, off, n, func(b []byte, at, n int64) error {
		from, to := d.whole(at, n)
		// What is kept of the first block and of the last must be there first.
		if from != at {
			if err := d.move(b[:block], from, 0, fdio.ReadAt); err != nil {
				return err
			}
		}
		last := to - block
		if to != at+n && (last != from || from == at) {
			if err := d.move(b[last-from:to-from], last, 0, fdio.ReadAt); err != nil {
				return err
			}
		}
		if err := fill(at-off, b[at-from:at-from+n]); err != nil {
			return err
		}
		return d.move(b[:to-from], from, flags, fdio.WriteAt)
	})
}

// foreign is the error of a copy that did not find its memory.
func foreign(err error) error {
	if err != nil {
		return store.ErrForeign
	}
	return nil
}

// move moves aligned bytes.
func (d *IO) move(b []byte, off int64, flags int, by func(int, *buffer.Lease, int64, int) (int64, error)) error {
	var l buffer.Lease
	l.Init(nil, buffer.Segment{Mem: b})
	_, err := by(d.fd, &l, off, flags)
	return err
}

// zeroParts writes zeros to the parts of blocks at the ends of a range, and returns
// the whole blocks in between.
func (d *IO) zeroParts(ctx context.Context, off, n int64) (from, to int64, err error) {
	zeros := func(_ int64, part []byte) error {
		clear(part)
		return nil
	}
	end := off + n
	from, _ = d.whole(off+d.align.Offset-1, 0)
	to, _ = d.whole(end, 0)
	if from > to { // a part of one block
		return off, off, d.bounceWrite(ctx, off, n, 0, zeros)
	}
	if off < from {
		err = d.bounceWrite(ctx, off, from-off, 0, zeros)
	}
	if err == nil && to < end {
		err = d.bounceWrite(ctx, to, end-to, 0, zeros)
	}
	return from, to, err
}
