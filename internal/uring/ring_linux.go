package uring

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"
)

// ErrUnavailable reports that there is no io_uring here, or none that is good enough; the
// error that wraps it says why.
var ErrUnavailable = errors.New("io_uring is not available")

// A Ring is one io_uring. All its methods are called on the thread that made it, and on no
// other: the kernel may hold it to that.
type Ring struct {
	fd   int
	maps [][]byte

	sqHead, sqTail *uint32 // shared with the kernel; it moves the head
	sqes           []SQE
	tail           uint32 // of what Next has given out: published by Enter

	cqHead, cqTail *uint32 // shared with the kernel; it moves the tail
	cqes           []cqe

	// In a wide ring each entry takes two elements of sqes and of cqes: wide is 1, else 0.
	wide             uint32
	entries, cqCount uint32
	extra            uint64

	inFlight int // given out by Next and not reaped
	buffers  int // slots of the table of registered buffers
}

// newRing makes a ring of that many entries, a power of two, and room for at least twice as
// many completions, with the first flags of the ladder that the kernel knows.
func newRing(entries uint32, ladder []uint32) (*Ring, error) {
	r := &Ring{fd: -1}
	p, err := r.setup(entries, ladder)
	if err != nil {
		return nil, err
	}
	if err := r.mmap(p); err != nil {
		r.close()
		return nil, fmt.Errorf("%w: cannot map it: %w", ErrUnavailable, err)
	}
	return r, nil
}

// flagsLadder is what to ask for, best first: a kernel refuses flags that it does not know, and
// each step leaves out the youngest.
var flagsLadder = []uint32{
	setupCQSize | setupSubmitAll | setupCoopTaskrun | setupSingleIssuer | setupDeferTaskrun,
	setupCQSize | setupSubmitAll | setupCoopTaskrun | setupSingleIssuer,
	setupCQSize | setupSubmitAll | setupCoopTaskrun,
	setupCQSize | setupSubmitAll,
	setupCQSize,
	0,
}

// wideLadder is the same for a wide ring, which Linux 5.19 has.
var wideLadder = []uint32{
	setupSQE128 | setupCQE32 | setupCQSize | setupSubmitAll | setupCoopTaskrun | setupSingleIssuer | setupDeferTaskrun,
	setupSQE128 | setupCQE32 | setupCQSize | setupSubmitAll | setupCoopTaskrun,
}

func (r *Ring) setup(entries uint32, ladder []uint32) (*params, error) {
	for _, flags := range ladder {
		p := &params{flags: flags}
		if flags&setupCQSize != 0 {
			p.cqEntries = 2 * entries
		}
		fd, _, errno := unix.Syscall(unix.SYS_IO_URING_SETUP, uintptr(entries), uintptr(unsafe.Pointer(p)), 0)
		switch {
		case errno == unix.EINVAL:
			continue
		case errno != 0:
			return nil, explain(errno)
		}
		r.fd = int(fd)
		if flags&setupSQE128 != 0 {
			r.wide = 1
		}
		if p.features&featNeeded != featNeeded {
			r.close()
			return nil, fmt.Errorf("%w: the kernel's is too old, Linux 5.7 has what is needed", ErrUnavailable)
		}
		return p, nil
	}
	return nil, explain(unix.EINVAL)
}

// explain says why io_uring_setup was refused.
func explain(errno unix.Errno) error {
	switch errno {
	case unix.ENOSYS:
		return fmt.Errorf("%w: the kernel is built without it, or a sandbox hides it: %w", ErrUnavailable, errno)
	case unix.EPERM, unix.EACCES:
		if b, err := os.ReadFile("/proc/sys/kernel/io_uring_disabled"); err == nil {
			if v := strings.TrimSpace(string(b)); v != "0" {
				return fmt.Errorf("%w: the sysctl kernel.io_uring_disabled is %s: %w", ErrUnavailable, v, errno)
			}
		}
		return fmt.Errorf("%w: forbidden, most likely by the seccomp filter of a container: %w", ErrUnavailable, errno)
	case unix.ENOMEM:
		return fmt.Errorf("%w: no memory for it, see RLIMIT_MEMLOCK: %w", ErrUnavailable, errno)
	case unix.EMFILE, unix.ENFILE:
		return fmt.Errorf("%w: no file descriptor for it: %w", ErrUnavailable, errno)
	}
	return fmt.Errorf("%w: io_uring_setup: %w", ErrUnavailable, errno)
}

func (r *Ring) mmap(p *params) error {
	sq := int(p.sq.array + p.sqEntries*4)
	r.entries, r.cqCount = p.sqEntries, p.cqEntries
	cq := int(p.cq.cqes + p.cqEntries<<r.wide*uint32(unsafe.Sizeof(cqe{})))
	if p.features&featSingleMmap != 0 {
		sq = max(sq, cq)
	}
	sqRing, err := r.mapPart(offSQRing, sq)
	if err != nil {
		return err
	}
	cqRing := sqRing
	if p.features&featSingleMmap == 0 {
		if cqRing, err = r.mapPart(offCQRing, cq); err != nil {
			return err
		}
	}
	sqes, err := r.mapPart(offSQEs, int(p.sqEntries<<r.wide)*int(unsafe.Sizeof(SQE{})))
	if err != nil {
		return err
	}
	r.sqHead, r.sqTail = word(sqRing, p.sq.head), word(sqRing, p.sq.tail)
	r.cqHead, r.cqTail = word(cqRing, p.cq.head), word(cqRing, p.cq.tail)
	r.sqes = unsafe.Slice((*SQE)(unsafe.Pointer(&sqes[0])), p.sqEntries<<r.wide)
	r.cqes = unsafe.Slice((*cqe)(unsafe.Pointer(&cqRing[p.cq.cqes])), p.cqEntries<<r.wide)
	// SQEs are used in the order in which they lie: the array between them and the
	// queue never changes.
	array := unsafe.Slice(word(sqRing, p.sq.array), p.sqEntries)
	for i := range array {
		array[i] = uint32(i)
	}
	r.tail = atomic.LoadUint32(r.sqTail)
	return nil
}

func (r *Ring) mapPart(at int64, n int) ([]byte, error) {
	m, err := unix.Mmap(r.fd, at, n, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED|unix.MAP_POPULATE)
	if err == nil {
		r.maps = append(r.maps, m)
	}
	return m, err
}

func word(m []byte, at uint32) *uint32 { return (*uint32)(unsafe.Pointer(&m[at])) }

func (r *Ring) close() {
	for _, m := range r.maps {
		_ = unix.Munmap(m)
	}
	r.maps = nil
	_ = unix.Close(r.fd)
}

// Next gives out an empty SQE, which the next submission sends off; nil when the
// submission queue is full. Its completion has the number user.
func (r *Ring) Next(user uint64) *SQE {
	if r.full() {
		return nil
	}
	e := &r.sqes[r.tail&(r.entries-1)<<r.wide]
	*e = SQE{user: user, fd: -1}
	r.tail++
	r.inFlight++
	return e
}

func (r *Ring) full() bool { return r.tail-atomic.LoadUint32(r.sqHead) == r.entries }

// Extra is the second result of the completion that [Driver.Ended] is being called for, in a wide ring.
func (r *Ring) Extra() uint64 { return r.extra }

// enter submits what Next has given out, and waits until at least so many completions are
// there. It may return earlier, with unix.EINTR or another error that passes; what was not
// submitted then is the next time.
func (r *Ring) enter(wait int) error {
	atomic.StoreUint32(r.sqTail, r.tail)
	n := r.tail - atomic.LoadUint32(r.sqHead)
	// Not RawSyscall: it blocks, and others need the processor meanwhile.
	_, _, errno := unix.Syscall6(unix.SYS_IO_URING_ENTER, uintptr(r.fd), uintptr(n), uintptr(wait), enterGetEvents, 0, 0)
	if errno != 0 {
		return errno
	}
	return nil
}

// reap calls f for each completion that is there, and returns how many there were. f may
// call Next.
func (r *Ring) reap(f func(user uint64, res int32)) int {
	head := atomic.LoadUint32(r.cqHead)
	n := 0
	for ; head != atomic.LoadUint32(r.cqTail); n++ {
		at := head & (r.cqCount - 1) << r.wide
		c := r.cqes[at]
		if r.wide != 0 {
			r.extra = r.cqes[at+1].user // the word behind the first 16 bytes
		}
		head++
		atomic.StoreUint32(r.cqHead, head)
		r.inFlight--
		f(c.user, c.res)
	}
	return n
}
