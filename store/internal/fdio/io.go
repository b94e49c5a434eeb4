// Package fdio moves leases to and from file descriptors, for the stores that have one.
package fdio

import (
	"context"
	"io"
	"sync"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/lunette-io/lunette/buffer"
	"github.com/lunette-io/lunette/store"
)

// batch is how many pieces one system call moves: more than any lease of our own memory has but the
// largest; the vectors lie on the stack. An initiator's own memory may be in many more: then there
// are as many as the system takes, in memory that is recycled.
const (
	batch = 16
	Most  = 1024 // pieces of one system call (IOV_MAX)
)

// longs recycles the vectors of leases with many pieces.
var longs = sync.Pool{New: func() any { return new([Most]unix.Iovec) }}

// zeros is what WriteZeros writes.
var zeros [64 << 10]byte

// ReadAt fills into from off on and returns the number of bytes; flags are those of
// preadv2(2). Fewer bytes than into has come with an error, [io.ErrUnexpectedEOF] at
// the end of the file, or, with RWF_NOWAIT, when only those were there. If into is foreign, and
// gone, that is [store.ErrForeign].
func ReadAt(fd int, into *buffer.Lease, off int64, flags int) (int64, error) {
	return transfer(fd, into, off, flags, false, into.Len())
}

// WriteAt writes from at off and returns the number of bytes; flags are those of
// pwritev2(2). Fewer bytes than from has come with an error, as of ReadAt.
func WriteAt(fd int, from *buffer.Lease, off int64, flags int) (int64, error) {
	return transfer(fd, from, off, flags, true, from.Len())
}

// folio is how much one call writes to the page cache. The kernel takes memory for as much
// as one call writes in one piece, a folio, and ext4 then looks at all 4 KiB blocks of it
// for each later write of one: measured, such a write took 5 to 9 µs, once 14, after
// writes of 1 MiB, 3 to 4 µs after writes of 128 KiB, and 2 to 3 µs after writes of 4 KiB. Smaller
// calls than this make large writes slower.
const folio = 128 << 10

// WriteCached is WriteAt through the page cache, without flags.
func WriteCached(fd int, from *buffer.Lease, off int64) (int64, error) {
	return transfer(fd, from, off, 0, true, folio)
}

// transfer moves at most that many bytes with one call.
func transfer(fd int, l *buffer.Lease, off int64, flags int, write bool, most int64) (int64, error) {
	if l.Segments() <= batch {
		var vec [batch]unix.Iovec
		return by(vec[:], fd, l, off, flags, write, most)
	}
	vec := longs.Get().(*[Most]unix.Iovec)
	done, err := by(vec[:], fd, l, off, flags, write, most)
	clear(vec[:min(l.Segments(), Most)])
	longs.Put(vec)
	return done, err
}

// by is transfer with vec to describe memory in.
func by(vec []unix.Iovec, fd int, l *buffer.Lease, off int64, flags int, write bool, most int64) (int64, error) {
	for done := int64(0); ; {
		n := Vectors(vec, l, done)
		if n == 0 {
			return done, nil
		}
		n = cut(vec[:n], most)
		moved, errno := call(fd, &vec[0], n, off+done, flags, write)
		switch {
		case errno == unix.EINTR:
		case errno == unix.EFAULT && l.Foreign():
			return done, store.ErrForeign
		case errno != 0:
			return done, errno
		case moved == 0 && l.Foreign() && (write || off+done < end(fd)):
			return done, store.ErrForeign // not every file system says EFAULT
		case moved == 0 && write:
			return done, io.ErrShortWrite
		case moved == 0:
			return done, io.ErrUnexpectedEOF
		default:
			done += moved
		}
		if flags&unix.RWF_NOWAIT != 0 && done < l.Len() {
			return done, unix.EAGAIN // what is there now was moved; more would wait
		}
	}
}

// end is where the file, or the device, ends.
func end(fd int) int64 {
	n, err := unix.Seek(fd, 0, io.SeekEnd) // nobody uses the position
	if err != nil {
		return 0
	}
	return n
}

// Vectors describes what follows the first skip bytes of l in vec, as far as that reaches,
// and returns how many of its entries it has used.
func Vectors(vec []unix.Iovec, l *buffer.Lease, skip int64) int {
	n := 0
	for i := 0; i < l.Segments() && n < len(vec); i++ {
		m := l.Segment(i).Mem
		if skip >= int64(len(m)) {
			skip -= int64(len(m))
			continue
		}
		m = m[skip:]
		skip = 0
		vec[n].Base = unsafe.SliceData(m)
		vec[n].SetLen(len(m))
		n++
	}
	return n
}

// cut shortens vec to n bytes, and returns how many of its entries are left.
func cut(vec []unix.Iovec, n int64) int {
	for i := range vec {
		have := int64(vec[i].Len)
		if have >= n {
			vec[i].SetLen(int(n))
			return i + 1
		}
		n -= have
	}
	return len(vec)
}

// call makes the plain system call when there are no flags: some sandboxes and old
// kernels know only that one.
func call(fd int, vec *unix.Iovec, n int, off int64, flags int, write bool) (int64, unix.Errno) {
	nr := uintptr(unix.SYS_PREADV)
	switch {
	case write && flags != 0:
		nr = unix.SYS_PWRITEV2
	case write:
		nr = unix.SYS_PWRITEV
	case flags != 0:
		nr = unix.SYS_PREADV2
	}
	// The offset comes in two halves; where a register holds all of it, the kernel
	// shifts the second one away.
	moved, _, errno := unix.Syscall6(nr, uintptr(fd), uintptr(unsafe.Pointer(vec)), uintptr(n),
		uintptr(off), uintptr(uint64(off)>>32), uintptr(flags))
	if errno != 0 {
		return 0, errno
	}
	return int64(moved), 0
}

// WriteZeros writes n zero bytes at off, and looks at ctx between pieces of 1 MiB.
func WriteZeros(ctx context.Context, fd int, off, n int64) error {
	var vec [batch]unix.Iovec
	for n > 0 {
		if err := ctx.Err(); err != nil {
			return err
		}
		pieces, left := 0, n
		for pieces < batch && left > 0 {
			m := min(left, int64(len(zeros)))
			vec[pieces].Base = &zeros[0]
			vec[pieces].SetLen(int(m))
			left -= m
			pieces++
		}
		moved, errno := call(fd, &vec[0], pieces, off, 0, true)
		switch {
		case errno == unix.EINTR:
		case errno != 0:
			return errno
		case moved == 0:
			return io.ErrShortWrite
		default:
			off += moved
			n -= moved
		}
	}
	return nil
}

// Retry calls f until a signal does not interrupt it.
func Retry(f func() error) error {
	for {
		if err := f(); err != unix.EINTR {
			return err
		}
	}
}

// allocateStep is how many bytes one fallocate changes, so that a canceled context ends a
// long one early.
const allocateStep = 1 << 30

// Allocate calls fallocate(2) for the range, piece by piece.
func Allocate(ctx context.Context, fd int, mode uint32, off, n int64) error {
	for n > 0 {
		if err := ctx.Err(); err != nil {
			return err
		}
		m := min(n, allocateStep)
		if err := Retry(func() error { return unix.Fallocate(fd, mode, off, m) }); err != nil {
			return err
		}
		off += m
		n -= m
	}
	return nil
}

// Linger is how long a file may stay in use after its process was killed. What io_uring has
// under way then is not waited for by the end of the process; it holds the file, with its
// lock, until it has ended, so that none of it comes after the writes of a new process.
const Linger = time.Second

// Await calls f until it is not busy any more, or patience has ended; both from Open, where
// waiting is allowed.
func Await(patience time.Duration, f func() error) error {
	const step = 10 * time.Millisecond
	for ; ; patience -= step {
		err := Retry(f)
		if patience <= 0 || err != unix.EBUSY && err != unix.EAGAIN {
			return err
		}
		time.Sleep(step)
	}
}
