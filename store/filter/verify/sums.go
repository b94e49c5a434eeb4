package verify

import (
	"hash/crc32"
	"sync"
)

const (
	// Block is how many bytes have a checksum: 4 bytes of memory for each.
	Block = 4 << 10
	// stripe is how many bytes a lock covers: a multiple of 64 blocks, so that the
	// known bits of two stripes are in different words.
	stripe  = 1 << 20
	stripes = 64
)

// sums is a CRC-32C for each block, if it is known. Whoever uses those of a range
// holds its locks.
type sums struct {
	size  int64
	table *crc32.Table
	crc   []uint32
	known []uint64
	locks [stripes]sync.RWMutex
}

func newSums(size int64) *sums {
	blocks := (size + Block - 1) / Block
	return &sums{
		size:  size,
		table: crc32.MakeTable(crc32.Castagnoli),
		crc:   make([]uint32, blocks),
		known: make([]uint64, (blocks+63)/64),
	}
}

// resized is a copy for another size: a block that has another length now, the last one before
// or after, is not known.
func (s *sums) resized(size int64) *sums {
	n := newSums(size)
	copy(n.crc, s.crc)
	copy(n.known, s.known)
	if size > s.size {
		n.forget(s.size/Block*Block, s.size%Block)
	} else if rest := size % Block; rest != 0 {
		n.forget(size-rest, rest)
	}
	if spare := uint(len(n.crc)) % 64; spare != 0 { // bits of blocks that are gone
		n.known[len(n.known)-1] &= 1<<spare - 1
	}
	return n
}

// blockLen is the length of block i: the last may be shorter.
func (s *sums) blockLen(i int64) int64 { return min(Block, s.size-i*Block) }

func (s *sums) get(i int64) (crc uint32, known bool) {
	return s.crc[i], s.known[i/64]&(1<<(i%64)) != 0
}

func (s *sums) set(i int64, crc uint32) {
	s.crc[i] = crc
	s.known[i/64] |= 1 << (i % 64)
}

// forget makes the blocks that a range touches unknown.
func (s *sums) forget(off, n int64) {
	if n == 0 {
		return
	}
	for i := off / Block; i <= (off+n-1)/Block; i++ {
		s.known[i/64] &^= 1 << (i % 64)
	}
}

// each calls f for the locks of a range, always in the order of their index, so that
// two who want several do not wait for each other.
func (s *sums) each(off, n int64, f func(*sync.RWMutex)) {
	if n == 0 {
		return
	}
	first, last := off/stripe, (off+n-1)/stripe
	for i := range int64(stripes) {
		// Is there a stripe from first to last whose lock is i?
		if (i-first%stripes+stripes)%stripes <= last-first {
			f(&s.locks[i])
		}
	}
}

func (s *sums) lock(off, n int64)    { s.each(off, n, (*sync.RWMutex).Lock) }
func (s *sums) unlock(off, n int64)  { s.each(off, n, (*sync.RWMutex).Unlock) }
func (s *sums) rLock(off, n int64)   { s.each(off, n, (*sync.RWMutex).RLock) }
func (s *sums) rUnlock(off, n int64) { s.each(off, n, (*sync.RWMutex).RUnlock) }
