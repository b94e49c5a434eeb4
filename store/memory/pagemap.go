package memory

import (
	"math/bits"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"
)

// A pageMap has one bit for each page that was written: 32 KiB for a GiB of 4 KiB
// pages, itself mapped as it is needed. The kernel's own record (mincore) will not
// do: it calls a page that was swapped out absent, though it holds data.
type pageMap struct {
	mem   []byte
	words []atomic.Uint64
}

func (m *pageMap) open(pages int64) error {
	words := (pages + 63) / 64
	mem, err := mapZero(words * 8)
	if err != nil {
		return err
	}
	m.mem = mem
	m.words = unsafe.Slice((*atomic.Uint64)(unsafe.Pointer(unsafe.SliceData(mem))), words)
	return nil
}

func (m *pageMap) close() error {
	m.words = nil
	return unix.Munmap(m.mem)
}

// copy takes the marks of the first so many pages of another map. Nobody else uses either.
func (m *pageMap) copy(from *pageMap, pages int64) {
	for w := int64(0); w*64 < pages; w++ {
		m.words[w].Store(from.words[w].Load() & part(w, 0, pages))
	}
}

// part is the bits of word w that stand for pages of [from, to).
func part(w, from, to int64) uint64 {
	bits := ^uint64(0)
	if at := w * 64; at < from {
		bits <<= uint(from - at)
	}
	if end := w*64 + 64; end > to {
		bits &= ^uint64(0) >> uint(end-to)
	}
	return bits
}

// set marks the pages [from, to). Looking first keeps the line shared between the
// processors that write pages which are marked already: nearly always.
func (m *pageMap) set(from, to int64) {
	for w := from / 64; w*64 < to; w++ {
		if b := part(w, from, to); m.words[w].Load()&b != b {
			m.words[w].Or(b)
		}
	}
}

func (m *pageMap) reset(from, to int64) {
	for w := from / 64; w*64 < to; w++ {
		if b := part(w, from, to); m.words[w].Load()&b != 0 {
			m.words[w].And(^b)
		}
	}
}

// any says whether one of the pages [from, to) is marked.
func (m *pageMap) any(from, to int64) bool { return m.find(from, to, true) < to }

// find returns the first page of [from, to) that is marked, or that is not; to if
// there is none.
func (m *pageMap) find(from, to int64, marked bool) int64 {
	for w := from / 64; w*64 < to; w++ {
		v := m.words[w].Load()
		if !marked {
			v = ^v
		}
		if v &= part(w, from, to); v != 0 {
			return w*64 + int64(bits.TrailingZeros64(v))
		}
	}
	return to
}
