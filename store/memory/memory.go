// Package memory keeps a store in this process's memory.
package memory

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"github.com/lunette-io/lunette/buffer"
	"github.com/lunette-io/lunette/store"
)

// Config says what Open makes.
type Config struct {
	// Size in bytes: a positive multiple of 512. It may be larger than the machine's
	// memory: pages are taken when they are first written, and given back by Trim.
	Size  int64
	Pages Pages
}

// Pages are the pages that memory is asked for in. Huge ones save the processor work when it
// looks addresses up, but the first write to each 2 MiB clears and takes all of them.
type Pages uint8

// Pages that can be asked for.
const (
	SmallPages   Pages = iota
	HugePages          // if the kernel has them
	InsistOnHuge       // or fail to open
)

// A Store is memory that the kernel gives page by page, all zeros at first. It is
// safe for concurrent use. What it holds is lost by Close.
type Store struct {
	mem    []byte // page aligned; longer than size by less than a page
	size   atomic.Int64
	page   int64
	dirty  pageMap
	leases buffer.Pool
	closed atomic.Bool

	regions regions
}

// Lent for writing: the low bit of the token of a lease; the rest is the offset.
const forWrite = 1

// Open returns a store of cfg.Size zero bytes.
func Open(cfg Config) (*Store, error) {
	if cfg.Size <= 0 || cfg.Size%512 != 0 {
		return nil, fmt.Errorf("memory: size %d is not a positive multiple of 512 bytes", cfg.Size)
	}
	page := int64(os.Getpagesize())
	mem, err := mapZero((cfg.Size + page - 1) / page * page)
	if err != nil {
		return nil, fmt.Errorf("memory: cannot map %d bytes: %w", cfg.Size, err)
	}
	if cfg.Pages != SmallPages {
		if err := unix.Madvise(mem, unix.MADV_HUGEPAGE); err != nil && cfg.Pages == InsistOnHuge {
			_ = unix.Munmap(mem)
			return nil, fmt.Errorf("memory: the kernel refuses huge pages: %w", err)
		}
	}
	s := &Store{mem: mem, page: page}
	s.size.Store(cfg.Size)
	if err := s.dirty.open(int64(len(mem)) / page); err != nil {
		_ = unix.Munmap(mem)
		return nil, fmt.Errorf("memory: cannot map the page map of %d bytes: %w", cfg.Size, err)
	}
	return s, nil
}

// mapZero maps n zero bytes that take no memory until they are written.
func mapZero(n int64) ([]byte, error) {
	if int64(int(n)) != n || n < 0 {
		return nil, unix.ENOMEM
	}
	return unix.Mmap(-1, 0, int(n), unix.PROT_READ|unix.PROT_WRITE,
		unix.MAP_ANON|unix.MAP_PRIVATE|unix.MAP_NORESERVE)
}

// Info describes the store: volatile, trimmed by pages.
func (s *Store) Info() store.Info {
	return store.Info{
		Size:          s.size.Load(),
		PhysicalBlock: 512,
		Volatile:      true,
		Granularity:   s.page,
		Concurrency:   runtime.GOMAXPROCS(0),
	}
}

// check refuses what is outside the store, and everything after Close.
func (s *Store) check(off, n int64) error {
	if s.closed.Load() {
		return fmt.Errorf("memory: %w", store.ErrClosed)
	}
	if off < 0 || n < 0 || off > s.size.Load()-n {
		return fmt.Errorf("memory: %d bytes at %d are outside the store of %d bytes", n, off, s.size.Load())
	}
	return nil
}

// TryReadAt fills into; it never waits.
func (s *Store) TryReadAt(into *buffer.Lease, off int64) (bool, error) {
	n := into.Len()
	if err := s.check(off, n); err != nil {
		return true, err
	}
	into.Copy(0, s.mem[off:off+n])
	return true, nil
}

// TryWriteAt writes from; it never waits.
func (s *Store) TryWriteAt(from *buffer.Lease, off int64) (bool, error) {
	n := from.Len()
	if err := s.check(off, n); err != nil {
		return true, err
	}
	from.Read(0, s.mem[off:off+n])
	s.mark(off, n)
	return true, nil
}

// ReadAt fills into.
func (s *Store) ReadAt(_ context.Context, into *buffer.Lease, off int64) error {
	_, err := s.TryReadAt(into, off)
	return err
}

// WriteAt writes from. There is nothing more durable, so FUA changes nothing.
func (s *Store) WriteAt(_ context.Context, from *buffer.Lease, off int64, _ store.Flags) error {
	_, err := s.TryWriteAt(from, off)
	return err
}

// Flush has nothing to do.
func (s *Store) Flush(context.Context) error { return s.check(0, 0) }

// Lend lends the store's own memory, without an allocation. A range lent for
// writing counts as data from then on.
func (s *Store) Lend(off, n int64, a store.Access) (*buffer.Lease, error) {
	if err := s.check(off, n); err != nil {
		return nil, err
	}
	l := s.lend(off, n, a)
	l.Token = uint64(off) << 1
	if a == store.ForWrite {
		l.Keep()
		l.Token |= forWrite
		s.mark(off, n)
	}
	return l, nil
}

// Reclaim takes a lent lease back; it is called by [buffer.Lease.Release].
func (s *Store) Reclaim(l *buffer.Lease) {
	if l.Token&forWrite != 0 && l.Segments() > 0 {
		// Again, since a Trim in between may have cleared the marks of Lend before
		// the holder filled the memory. Truncate keeps the capacity, and the first segment has that of all.
		s.mark(int64(l.Token>>1), int64(cap(l.Segment(0).Mem)))
	}
	s.leases.Put(l)
}

// Outstanding is the number of lent leases that were not released yet.
func (s *Store) Outstanding() int64 { return s.leases.Outstanding() }

// Close gives the memory back. While leases are lent it fails and changes nothing;
// closing a closed store does nothing.
func (s *Store) Close() error {
	if n := s.leases.Outstanding(); n != 0 {
		return fmt.Errorf("memory: cannot close: %d leases are not released", n)
	}
	if s.closed.Swap(true) {
		return nil
	}
	s.regions.drop()
	return errors.Join(unix.Munmap(s.mem), s.dirty.close())
}
