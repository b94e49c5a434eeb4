// Package direct moves leases past the page cache, which wants everything aligned: what is
// not is copied, and parts of blocks are read before they are written.
package direct

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"github.com/lunette-io/lunette/buffer"
	"github.com/lunette-io/lunette/store/internal/fdio"
)

// bounceSize is how much is copied at a time.
const bounceSize = 256 << 10

// Align is what direct I/O wants multiples of, in bytes; both are powers of two.
type Align struct {
	Memory int64 // addresses
	Offset int64 // offsets and lengths: the block
}

// Ask asks the kernel, which says so of block devices and of most file systems from 6.1 on;
// ok is false where it does not. An Offset of 0 says that there is no direct I/O.
func Ask(fd int) (a Align, ok bool) {
	var st unix.Statx_t
	err := fdio.Retry(func() error { return unix.Statx(fd, "", unix.AT_EMPTY_PATH, unix.STATX_DIOALIGN, &st) })
	if err != nil || st.Mask&unix.STATX_DIOALIGN == 0 {
		return a, false
	}
	return Align{Memory: int64(st.Dio_mem_align), Offset: int64(st.Dio_offset_align)}, true
}

// Probe finds out by reading, where the kernel does not say, what the file takes.
func Probe(fd int) (a Align, ok bool) {
	for _, block := range []int64{512, 4096} {
		a = Align{Memory: block, Offset: block}
		if n, err := unix.Pread(fd, aligned(a)[:block], 0); err == nil && n > 0 {
			return a, true
		}
	}
	return Align{}, false
}

// IO moves leases to and from a descriptor that is open for direct I/O. It is safe for
// concurrent use.
type IO struct {
	fd    int
	align Align

	// parts is held for writing while a part of a block is read, changed and written,
	// and for reading by those who write whole blocks.
	parts   sync.RWMutex
	bounces sync.Pool
	bounced [2]atomic.Uint64
}

// New returns an IO for fd, which it does not close.
func New(fd int, a Align) (*IO, error) {
	if !power(a.Offset) || !power(a.Memory) {
		return nil, fmt.Errorf("cannot align to blocks of %d bytes and memory of %d", a.Offset, a.Memory)
	}
	d := &IO{fd: fd, align: a}
	d.bounces.New = func() any { return buffer.Of(aligned(a)) }
	return d, nil
}

func power(n int64) bool { return n > 0 && n <= bounceSize && n&(n-1) == 0 }

// Bounced is how many calls had to copy, and how many bytes.
func (d *IO) Bounced() (calls, bytes uint64) { return d.bounced[0].Load(), d.bounced[1].Load() }

// Aligned says whether the lease can go as it is.
func (d *IO) Aligned(l *buffer.Lease, off int64) bool {
	if (off|l.Len())&(d.align.Offset-1) != 0 {
		return false
	}
	// Each piece but the last must also end where a block may.
	for i := range l.Segments() {
		m := l.Segment(i).Mem
		if address(m)&uintptr(d.align.Memory-1) != 0 || int64(len(m))&(d.align.Offset-1) != 0 {
			return false
		}
	}
	return true
}

// ReadAt fills into. Of a block device the kernel says EIO too when foreign memory is gone, if that is so large that it
// takes several operations of the device. So after EIO such memory is copied, which tells whose fault it is.
func (d *IO) ReadAt(ctx context.Context, into *buffer.Lease, off int64) error {
	if !d.Aligned(into, off) {
		return d.bounceRead(ctx, into, off)
	}
	_, err := fdio.ReadAt(d.fd, into, off, 0)
	if err == unix.EIO && into.Foreign() {
		return d.bounceRead(ctx, into, off)
	}
	return err
}

// WriteAt writes from. The flags are those of pwritev2(2), for what is aligned: nothing else
// is written with any. Of EIO see ReadAt.
func (d *IO) WriteAt(ctx context.Context, from *buffer.Lease, off int64, flags int) error {
	if !d.Aligned(from, off) {
		return d.bounceFrom(ctx, from, off, 0)
	}
	err := d.writeWhole(from, off, flags)
	if err == unix.EIO && from.Foreign() {
		return d.bounceFrom(ctx, from, off, flags)
	}
	return err
}

func (d *IO) writeWhole(from *buffer.Lease, off int64, flags int) error {
	d.parts.RLock()
	defer d.parts.RUnlock()
	_, err := fdio.WriteAt(d.fd, from, off, flags)
	return err
}

// TryBegin is for those who write whole blocks by other means: no part of a block is written
// from now to End. It does not wait, and reports false if it would have to.
func (d *IO) TryBegin() bool { return d.parts.TryRLock() }

// End is called once for each TryBegin, on any goroutine.
func (d *IO) End() { d.parts.RUnlock() }

// Zero makes the range read as zeros: the whole blocks in it by a call of whole, if there are
// any, and the parts of blocks at its ends by writing them.
func (d *IO) Zero(ctx context.Context, off, n int64, whole func(off, n int64) error) error {
	from, to, err := d.zeroParts(ctx, off, n)
	if err != nil || from == to {
		return err
	}
	d.parts.RLock()
	defer d.parts.RUnlock()
	return whole(from, to-from)
}

// WriteZeros writes zeros to whole blocks. It is for use inside Zero.
func (d *IO) WriteZeros(ctx context.Context, off, n int64) error {
	return d.pieces(ctx, off, n, func(b []byte, at, n int64) error {
		clear(b[:n])
		return d.move(b[:n], at, 0, fdio.WriteAt)
	})
}
