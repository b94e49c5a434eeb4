package frontend

import (
	"errors"
	"fmt"
	"slices"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/lunette-io/lunette/network/vhost/message"
	"github.com/lunette-io/lunette/network/vhost/ring"
)

// A Region says how a region of memory is to be.
type Region struct {
	// Guest is its address in the guest; 0: behind the region before it, or at 4 GiB.
	Guest uint64
	Size  int64 // bytes, a multiple of the page size
	// Offset is where it begins in its file.
	Offset int64
	// Huge asks for pages of 2 MiB, which the machine has to have reserved.
	Huge bool
	// Unsealed lets the file be cut short later; else it is sealed against that, as QEMU's is.
	Unsealed bool
}

// Mapped is a region that is there.
type Mapped struct {
	Region
	FD  int // of its file: a memfd
	Mem []byte
	// user is where Mem is in this process.
	user uint64
}

// wire is how the region is announced.
func (m *Mapped) wire() message.Region {
	return message.Region{Guest: m.Guest, Size: uint64(m.Size), User: m.user, Offset: uint64(m.Offset)}
}

// A Memory is that of a guest: what its driver and the device share. Its methods may be called by many goroutines, but not Close while others are at it.
type Memory struct {
	Regions []*Mapped

	mu   sync.Mutex
	free []extent // by region and place; no two touch
}

// An extent is a piece of a region that nobody has.
type extent struct {
	region   int
	from, to int // bytes from the start of the region
}

const (
	firstAddress = 1 << 32
	hugePage     = 2 << 20
	smallPage    = 4096
)

// NewMemory makes memory. The caller closes it.
func NewMemory(regions ...Region) (*Memory, error) {
	m := &Memory{}
	next := uint64(firstAddress)
	for _, r := range regions {
		if r.Guest == 0 {
			r.Guest = next
		}
		next = r.Guest + uint64(r.Size)
		if err := m.add(r); err != nil {
			return nil, errors.Join(err, m.Close())
		}
	}
	return m, nil
}

// add makes one region.
func (m *Memory) add(r Region) error {
	page := int64(smallPage)
	flags := unix.MFD_CLOEXEC | unix.MFD_ALLOW_SEALING
	if r.Huge {
		page = hugePage
		flags |= unix.MFD_HUGETLB | unix.MFD_HUGE_2MB
	}
	if r.Size <= 0 || (r.Size|r.Offset|int64(r.Guest))%page != 0 || r.Offset < 0 {
		return fmt.Errorf("a region of %d bytes at %#x, at %d of its file: multiples of %d are possible", r.Size, r.Guest, r.Offset, page)
	}
	if r.Unsealed {
		flags &^= unix.MFD_ALLOW_SEALING
	}
	fd, err := unix.MemfdCreate("guest", flags)
	if err != nil {
		return fmt.Errorf("memory of %d bytes: %w", r.Size, err)
	}
	if err := unix.Ftruncate(fd, r.Offset+r.Size); err != nil {
		return errors.Join(err, unix.Close(fd))
	}
	if !r.Unsealed {
		if _, err := unix.FcntlInt(uintptr(fd), unix.F_ADD_SEALS, unix.F_SEAL_SHRINK|unix.F_SEAL_GROW|unix.F_SEAL_SEAL); err != nil {
			return errors.Join(err, unix.Close(fd))
		}
	}
	mem, err := unix.Mmap(fd, r.Offset, int(r.Size), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED|unix.MAP_NORESERVE)
	if err != nil {
		return errors.Join(err, unix.Close(fd))
	}
	_ = unix.Madvise(mem, unix.MADV_HUGEPAGE) // it is faster where the kernel does it
	m.Regions = append(m.Regions, &Mapped{Region: r, FD: fd, Mem: mem, user: addressOf(mem)})
	m.free = append(m.free, extent{len(m.Regions) - 1, 0, len(mem)})
	return nil
}

// ErrFull: there is not so much memory left.
var ErrFull = errors.New("vhost: the guest's memory is used up")

// alignment is that of all memory that is given out: of a ring, and of a page if it is as large as one.
const alignment = 64

// Alloc gives n bytes of one region out, which are zeros unless somebody had them before. It is aligned to 64 bytes, from 4096 bytes on to a page.
func (m *Memory) Alloc(n int) ([]byte, error) {
	align := alignment
	if n >= smallPage {
		align = smallPage
	}
	size := (max(n, 1) + alignment - 1) &^ (alignment - 1)
	m.mu.Lock()
	defer m.mu.Unlock()
	for i, e := range m.free {
		from := (e.from + align - 1) &^ (align - 1)
		if from+size > e.to {
			continue
		}
		left := make([]extent, 0, 2)
		if from > e.from {
			left = append(left, extent{e.region, e.from, from})
		}
		if from+size < e.to {
			left = append(left, extent{e.region, from + size, e.to})
		}
		m.free = slices.Replace(m.free, i, i+1, left...)
		return m.Regions[e.region].Mem[from:][:n:n], nil
	}
	return nil, ErrFull
}

// Free takes back what Alloc has given out, as long as it was.
func (m *Memory) Free(b []byte) {
	region, from, ok := m.find(b)
	if !ok {
		return
	}
	e := extent{region, from, from + (max(len(b), 1)+alignment-1)&^(alignment-1)}
	m.mu.Lock()
	defer m.mu.Unlock()
	i, _ := slices.BinarySearchFunc(m.free, e, func(a, b extent) int {
		if a.region != b.region {
			return a.region - b.region
		}
		return a.from - b.from
	})
	if i < len(m.free) && m.free[i].region == region && m.free[i].from == e.to {
		e.to = m.free[i].to
		m.free = slices.Delete(m.free, i, i+1)
	}
	if i > 0 && m.free[i-1].region == region && m.free[i-1].to == e.from {
		m.free[i-1].to = e.to
		return
	}
	m.free = slices.Insert(m.free, i, e)
}

// find says where b lies: all of it is in one region.
func (m *Memory) find(b []byte) (region, from int, ok bool) {
	at := addressOf(b)
	for i, r := range m.Regions {
		if at >= r.user && at-r.user <= uint64(len(r.Mem)) && uint64(len(b)) <= uint64(len(r.Mem))-(at-r.user) {
			return i, int(at - r.user), true
		}
	}
	return 0, 0, false
}

// Address is the guest's address of b; false: it is not of this memory.
func (m *Memory) Address(b []byte) (uint64, bool) {
	i, from, ok := m.find(b)
	if !ok {
		return 0, false
	}
	return m.Regions[i].Guest + uint64(from), true
}

// Pieces appends b to dst, in pieces of at most n bytes (0: one piece); false: it is not of this memory.
func (m *Memory) Pieces(dst []ring.Piece, b []byte, n int) ([]ring.Piece, bool) {
	addr, ok := m.Address(b)
	if !ok {
		return dst, false
	}
	if n <= 0 {
		n = len(b)
	}
	for len(b) > 0 {
		k := min(n, len(b))
		dst = append(dst, ring.Piece{Addr: addr, Len: uint32(k)})
		addr += uint64(k)
		b = b[k:]
	}
	return dst, true
}

// At is the n bytes at the guest's address addr; nil: they are not all in one region.
func (m *Memory) At(addr uint64, n int) []byte {
	for _, r := range m.Regions {
		if addr >= r.Guest && addr-r.Guest <= uint64(len(r.Mem)) && uint64(n) <= uint64(len(r.Mem))-(addr-r.Guest) {
			return r.Mem[addr-r.Guest:][:n:n]
		}
	}
	return nil
}

// Cut cuts the file of a region that is not sealed to n bytes: who touches what was behind them faults, here as well.
func (m *Memory) Cut(region int, n int64) error { return unix.Ftruncate(m.Regions[region].FD, n) }

// Close gives the memory back. Nobody may touch it any more.
func (m *Memory) Close() error {
	var errs []error
	for _, r := range m.Regions {
		errs = append(errs, unix.Munmap(r.Mem), unix.Close(r.FD))
	}
	m.Regions, m.free = nil, nil
	return errors.Join(errs...)
}
