package vhost

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// Errors of files that a guest's memory does not lie in.
var (
	errNoFile  = errors.New("the descriptor is not that of a file in memory or on a disk")
	errProgram = errors.New("the file is another program's (FUSE), which could keep us waiting for ever")
)

// mapFile maps size bytes at offset of a file, and what else is in the pages that they are in; before is how many bytes of what is mapped come before them. The file cannot be cut short any more if
// whoever has made it allows that to be said. fd stays the caller's.
func mapFile(fd int, offset, size uint64) (mapped []byte, before uint64, err error) {
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return nil, 0, os.NewSyscallError("fstat", err)
	}
	if st.Mode&unix.S_IFMT != unix.S_IFREG {
		return nil, 0, errNoFile
	}
	// Sealed first: what is looked at after that stays so. A file that cannot be sealed can be cut short while it is mapped, which package guard is for.
	_, _ = unix.FcntlInt(uintptr(fd), unix.F_ADD_SEALS, unix.F_SEAL_SHRINK)
	if err := unix.Fstat(fd, &st); err != nil {
		return nil, 0, os.NewSyscallError("fstat", err)
	}
	if end := offset + size; end > uint64(st.Size) {
		return nil, 0, fmt.Errorf("the file has %d bytes, and %d are wanted of it", st.Size, end)
	}
	page := uint64(os.Getpagesize())
	var fs unix.Statfs_t
	if err := unix.Fstatfs(fd, &fs); err != nil {
		return nil, 0, os.NewSyscallError("fstatfs", err)
	}
	switch uint32(fs.Type) { // as wide as the processor is, and signed
	case unix.HUGETLBFS_MAGIC:
		page = uint64(fs.Bsize)
	case unix.FUSE_SUPER_MAGIC:
		return nil, 0, errProgram
	}
	before = offset % page
	length := (before + size + page - 1) / page * page
	mapped, err = unix.Mmap(fd, int64(offset-before), int(length), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED|unix.MAP_NORESERVE)
	if err != nil {
		return nil, 0, os.NewSyscallError("mmap", err)
	}
	// A guest's secrets do not belong in a core dump of this process. Where that cannot be said the memory is used all the same.
	_ = unix.Madvise(mapped, unix.MADV_DONTDUMP)
	return mapped, before, nil
}

// unmapFile undoes mapFile.
func unmapFile(mapped []byte) { _ = unix.Munmap(mapped) }

// newFile makes a file in memory that another process may map, of size bytes of zero, which stay as many.
func newFile(name string, size int64) (fd int, err error) {
	fd, err = unix.MemfdCreate(name, unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING)
	if err != nil {
		return none, os.NewSyscallError("memfd_create", err)
	}
	err = os.NewSyscallError("ftruncate", unix.Ftruncate(fd, size))
	if err == nil {
		_, err = unix.FcntlInt(uintptr(fd), unix.F_ADD_SEALS, unix.F_SEAL_SHRINK|unix.F_SEAL_GROW|unix.F_SEAL_SEAL)
		err = os.NewSyscallError("fcntl", err)
	}
	if err != nil {
		_ = unix.Close(fd)
		return none, err
	}
	return fd, nil
}
