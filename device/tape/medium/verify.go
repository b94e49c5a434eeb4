package medium

import (
	"context"
	"errors"
	"fmt"
	"hash/crc32"
)

// Verify reads all of a cartridge and checks it. It must not be open for writing. progress may be nil; it is told how many bytes are done, and
// how many there are. Blocks that are encrypted are not decrypted: their checksums are those of what is kept.
func Verify(ctx context.Context, dir string, progress func(done, total int64)) (Report, error) {
	c, err := Open(dir, Options{ReadOnly: true})
	if err != nil {
		return Report{}, err
	}
	r, err := c.verify(ctx, progress)
	return r, errors.Join(err, c.Close())
}

func (c *Cartridge) verify(ctx context.Context, progress func(done, total int64)) (r Report, err error) {
	total := int64(0)
	for _, h := range c.heads {
		_, n, err := h.log.behind(h.end.offset)
		if err != nil {
			return r, err
		}
		total += n
	}
	for _, h := range c.heads {
		r.Objects += h.end.object
		index := &checkWalk{t: &h.index, name: "index"}
		marks := &checkWalk{t: &h.marks, name: "filemark index"}
		told := int64(0)
		_, err := h.each(ctx, h.end, func(f frame) error {
			if f.kind == kindDamaged {
				r.add(Damage{h.n, f.at.object, f.count, "the header is damaged"})
				return nil
			}
			index.passes(&f, false)
			if f.kind == kindMarks {
				marks.passes(&f, true)
			} else if err := h.verifyFrame(&f, &r); err != nil {
				return err
			}
			r.Bytes += f.head() + f.stored
			if told += f.head() + f.stored; progress != nil && told >= 16<<20 {
				told = 0
				progress(r.Bytes, total)
			}
			return nil
		})
		if err != nil {
			return r, err
		}
		index.report(&r, h.n)
		marks.report(&r, h.n)
	}
	if progress != nil {
		progress(total, total)
	}
	return r, nil
}

// verifyFrame reads the blocks of a frame.
func (h *head) verifyFrame(f *frame, r *Report) error {
	damaged := func(object, count uint64, what string) {
		if object < f.at.object+f.count {
			r.add(Damage{h.n, object, min(count, f.at.object+f.count-object), what})
		}
	}
	if _, ok, err := h.readHead(f.at.offset); err != nil && !unreadable(err) {
		return err
	} else if !ok {
		damaged(f.at.object, f.count, "the header is damaged")
		return nil
	}
	h.stored = grow(h.stored, f.stored)
	h.vec = append(h.vec[:0], h.stored)
	if err := h.readExactly(h.vec, f.at.offset+f.head()); err != nil {
		if bad := (*CorruptError)(nil); !errors.As(err, &bad) {
			return err
		}
		damaged(f.at.object, f.count, "it cannot be read from the disk")
		return nil
	}
	if f.fine() {
		for i := range f.all {
			if b := h.stored[int64(i)*f.length:][:f.length]; crc32.Checksum(b, castagnoli) != h.sum(f, i) {
				damaged(f.at.object+i, 1, "the checksum is wrong")
			}
		}
		return nil
	}
	if crc32.Checksum(h.stored, castagnoli) != h.sum(f, 0) {
		damaged(f.at.object, f.count, "the checksum is wrong")
		return nil
	}
	if f.sealed {
		return nil
	}
	if b, err := h.unpack(f, h.stored, h.decoded.b[:0]); err != nil {
		damaged(f.at.object, f.count, fmt.Sprintf("it cannot be decompressed: %v", err))
	} else {
		h.decoded.b = b
	}
	return nil
}
