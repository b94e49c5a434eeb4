package vhosttest

import (
	"encoding/binary"
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// RAM is a guest's memory: a file that is mapped here, and by the back-end.
type RAM struct {
	File  *os.File
	Mem   []byte
	Guest uint64 // address of its first byte for the guest
	User  uint64 // and for the front-end
}

// Where the memory begins unless a test wants it elsewhere. Both are no addresses of this process.
const (
	GuestBase = 0x1_0000_0000
	UserBase  = 0x7000_0000_0000
)

// Ways to make RAM.
const (
	Sealable = 1 << iota // others may seal it
	Sealed               // it cannot shrink
)

// NewRAM makes memory of size bytes, which are zeros.
func NewRAM(size int64, how int) (*RAM, error) {
	flags := unix.MFD_CLOEXEC
	if how&(Sealable|Sealed) != 0 {
		flags |= unix.MFD_ALLOW_SEALING
	}
	fd, err := unix.MemfdCreate("guest", flags)
	if err != nil {
		return nil, err
	}
	r := &RAM{File: os.NewFile(uintptr(fd), "guest"), Guest: GuestBase, User: UserBase}
	if err := r.File.Truncate(size); err != nil {
		return nil, errors.Join(err, r.File.Close())
	}
	if how&Sealed != 0 {
		if _, err := unix.FcntlInt(uintptr(fd), unix.F_ADD_SEALS, unix.F_SEAL_SHRINK); err != nil {
			return nil, errors.Join(err, r.File.Close())
		}
	}
	if r.Mem, err = unix.Mmap(fd, 0, int(size), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED|unix.MAP_NORESERVE); err != nil {
		return nil, errors.Join(err, r.File.Close())
	}
	return r, nil
}

// Close unmaps it here, and closes the file.
func (r *RAM) Close() error { return errors.Join(unix.Munmap(r.Mem), r.File.Close()) }

// Cut makes the file shorter. Who touches what was there ends by SIGBUS: here too.
func (r *RAM) Cut(size int64) error { return r.File.Truncate(size) }

// Region describes all of it, as messages do.
func (r *RAM) Region() []byte { return Region(r.Guest, uint64(len(r.Mem)), r.User, 0) }

// Region is a region of memory as messages have it.
func Region(guest, size, user, offset uint64) (b []byte) {
	for _, v := range []uint64{guest, size, user, offset} {
		b = binary.NativeEndian.AppendUint64(b, v)
	}
	return b
}
