package uring

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// The vectors of Readv and Writev need to live until the submission only; the memory that
// they, and the others, point to until the completion.

// Readv reads into vec from off on.
func (e *SQE) Readv(fd int, vec []unix.Iovec, off int64) { e.vector(opReadv, fd, vec, off) }

// Writev writes vec at off.
func (e *SQE) Writev(fd int, vec []unix.Iovec, off int64) { e.vector(opWritev, fd, vec, off) }

// ReadFixed reads into mem, which lies in the registered buffer of that index.
func (e *SQE) ReadFixed(fd int, mem []byte, off int64, index int) {
	e.fixed(opReadFixed, fd, mem, off, index)
}

// WriteFixed writes mem, which lies in the registered buffer of that index.
func (e *SQE) WriteFixed(fd int, mem []byte, off int64, index int) {
	e.fixed(opWriteFixed, fd, mem, off, index)
}

func (e *SQE) vector(op uint8, fd int, vec []unix.Iovec, off int64) {
	e.opcode, e.fd, e.off = op, int32(fd), uint64(off)
	e.addr = uint64(uintptr(unsafe.Pointer(unsafe.SliceData(vec))))
	e.len = uint32(len(vec))
}

func (e *SQE) fixed(op uint8, fd int, mem []byte, off int64, index int) {
	e.opcode, e.fd, e.off = op, int32(fd), uint64(off)
	e.addr = uint64(uintptr(unsafe.Pointer(unsafe.SliceData(mem))))
	e.len = uint32(len(mem))
	e.buffer = uint16(index)
}

// Command gives payload to the driver of a file, whose command op it is; in a wide ring alone. What the driver says beside a number
// is [Ring.Extra]. Memory that payload points to lies in the registered buffer of that index, unless that is negative.
func (e *SQE) Command(fd int, op uint32, payload *[CommandSize]byte, index int) {
	e.opcode, e.fd = opCommand, int32(fd)
	*(*uint32)(unsafe.Pointer(&e.off)) = op // the first half of that word, whatever the byte order
	if index >= 0 {
		e.opFlags, e.buffer = commandFixed, uint16(index)
	}
	*(*[CommandSize]byte)(unsafe.Pointer(&e.payload)) = *payload
}

// Cancel ends the operation whose completion has the number user, if it can be ended: one that a
// disk has already cannot. That operation completes in any case, and so does this one.
func (e *SQE) Cancel(user uint64) { e.opcode, e.addr = opAsyncCancel, user }

// cancelAll ends whatever can be ended.
func (e *SQE) cancelAll() { e.opcode, e.opFlags = opAsyncCancel, cancelAll|cancelAny }

// ReserveBuffers makes an empty table for so many registered buffers. It reports whether
// there is one: kernels before 5.19 have none that may be empty.
func (r *Ring) ReserveBuffers(n int) bool {
	arg := rsrcRegister{n: uint32(n), flags: rsrcSparse}
	if r.register(registerBuffers2, unsafe.Pointer(&arg), uint32(unsafe.Sizeof(arg))) != nil {
		return false
	}
	r.buffers = n
	return true
}

// RegisterBuffer makes the kernel hold the pages of mem, as entry i of the table, until the
// ring is closed. It reports whether it does: RLIMIT_MEMLOCK bounds what a user may hold.
func (r *Ring) RegisterBuffer(i int, mem []byte) bool {
	if i < 0 || i >= r.buffers || len(mem) == 0 {
		return false
	}
	vec := unix.Iovec{Base: unsafe.SliceData(mem)}
	vec.SetLen(len(mem))
	arg := rsrcUpdate{offset: uint32(i), n: 1, data: uint64(uintptr(unsafe.Pointer(&vec)))}
	return r.register(registerBuffersUpdate, unsafe.Pointer(&arg), uint32(unsafe.Sizeof(arg))) == nil
}

// ForgetBuffer lets go of entry i of the table, which no operation uses any more.
func (r *Ring) ForgetBuffer(i int) {
	if i < 0 || i >= r.buffers {
		return
	}
	var none unix.Iovec
	arg := rsrcUpdate{offset: uint32(i), n: 1, data: uint64(uintptr(unsafe.Pointer(&none)))}
	_ = r.register(registerBuffersUpdate, unsafe.Pointer(&arg), uint32(unsafe.Sizeof(arg)))
}

func (r *Ring) register(op uintptr, arg unsafe.Pointer, n uint32) error {
	for {
		_, _, errno := unix.Syscall6(unix.SYS_IO_URING_REGISTER, uintptr(r.fd), op, uintptr(arg), uintptr(n), 0, 0)
		switch errno {
		case 0:
			return nil
		case unix.EINTR:
		default:
			return errno
		}
	}
}
