package medium

import (
	"errors"
	"hash/crc32"

	"github.com/lunette-io/lunette/buffer"
	"github.com/lunette-io/lunette/internal/guard"
)

// ErrMemory: the memory that a block was to be read into is gone. It says nothing about the cartridge.
var ErrMemory = errors.New("the initiator's memory is gone")

// mostPieces is how many pieces one system call moves (IOV_MAX).
const mostPieces = 1024

// readForeign is readFine into memory of an initiator ([buffer.Lease.Foreign]): the kernel fills it, and only the checksum is computed of what is there then. The initiator can change it before that,
// or take it away; so when the checksum is wrong, or it cannot be filled, the block is read again, into memory of our own, which alone decides whether it is damaged, and copied.
func (h *head) readForeign(f *frame, into *buffer.Lease, off, n int64) error {
	i := h.pos.Object - f.at.object
	at := f.at.offset + f.head() + int64(i)*f.length
	h.vec = vectors(h.vec[:0], into, off, n)
	if _, err := h.log.readv(h.vec, at); err == nil {
		sum := uint32(0)
		gone := guard.Do(func() {
			for _, p := range h.vec {
				sum = crc32.Update(sum, castagnoli, p)
			}
		})
		if gone == nil {
			if sum, err = h.sumRest(f, at, n, sum); err != nil {
				return err
			}
			if sum == h.sum(f, i) {
				return nil
			}
		}
	}
	h.stored = grow(h.stored, n)
	h.vec = append(h.vec[:0], h.stored)
	if err := h.readExactly(h.vec, at); err != nil {
		return err
	}
	sum, err := h.sumRest(f, at, n, crc32.Checksum(h.stored, castagnoli))
	if err != nil {
		return err
	}
	if sum != h.sum(f, i) {
		return h.corrupt(h.pos.Object, "its checksum is wrong")
	}
	return intoMemory(into, off, h.stored)
}

// intoMemory copies b into memory that may be an initiator's.
func intoMemory(into *buffer.Lease, off int64, b []byte) error {
	if into.GuardedCopy(off, b) != nil {
		return ErrMemory
	}
	return nil
}
