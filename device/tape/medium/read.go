package medium

import (
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"reflect"

	"github.com/klauspost/compress/s2"

	"github.com/lunette-io/lunette/buffer"
)

// decoded is a frame of several blocks, as it was before it was packed.
type decoded struct {
	is     bool
	at     int64 // of its frame
	opener Opener
	b      []byte
}

func (h *head) Read(ctx context.Context, into *buffer.Lease, off, n int64, o Opener) (int64, error) {
	f, err := h.block(ctx)
	if err != nil {
		return 0, err
	}
	n = max(min(n, f.length, into.Len()-off), 0)
	switch {
	case f.fine() && into.Foreign():
		err = h.readForeign(f, into, off, n)
	case f.fine():
		err = h.readFine(f, into, off, n)
	default:
		err = h.readPacked(f, into, off, n, o)
	}
	if err != nil {
		return 0, err
	}
	h.pos.Object++
	return f.length, nil
}

// block returns the frame of the block that comes next. A filemark is passed.
func (h *head) block(ctx context.Context) (*frame, error) {
	if err := h.alive(); err != nil {
		return nil, err
	}
	if h.pos.Object >= h.end.object {
		return nil, ErrEndOfData
	}
	f, err := h.find(ctx, h.pos.Object)
	switch {
	case err != nil:
		return nil, err
	case f.kind == kindMarks:
		h.pos.Object++
		h.pos.File++
		return nil, ErrFilemark
	case f.kind == kindDamaged:
		return nil, h.corrupt(h.pos.Object, "its header is damaged")
	}
	if _, ok, err := h.readHead(f.at.offset); err != nil && !unreadable(err) {
		return nil, err
	} else if !ok {
		return nil, h.corrupt(h.pos.Object, "its header is damaged")
	}
	return f, nil
}

// sum is checksum number i of the header in h.raw.
func (h *head) sum(f *frame, i uint64) uint32 {
	at := frameFixed + int(f.key) + 4*int(i)
	return uint32(h.raw[at])<<24 | uint32(h.raw[at+1])<<16 | uint32(h.raw[at+2])<<8 | uint32(h.raw[at+3])
}

// readFine reads a block that lies as it was written: into the lease, with no copy.
func (h *head) readFine(f *frame, into *buffer.Lease, off, n int64) error {
	i := h.pos.Object - f.at.object
	at := f.at.offset + f.head() + int64(i)*f.length
	h.vec = vectors(h.vec[:0], into, off, n)
	if err := h.readExactly(h.vec, at); err != nil {
		return err
	}
	sum := uint32(0)
	for _, p := range h.vec {
		sum = crc32.Update(sum, castagnoli, p)
	}
	sum, err := h.sumRest(f, at, n, sum)
	if err != nil {
		return err
	}
	if sum != h.sum(f, i) {
		return h.corrupt(h.pos.Object, "its checksum is wrong")
	}
	return nil
}

// sumRest goes on with the checksum of a block at a place in the log, which is that of all of it, behind its first n bytes.
func (h *head) sumRest(f *frame, at, n int64, sum uint32) (uint32, error) {
	for left := f.length - n; left > 0; {
		h.rest = grow(h.rest, min(left, 256<<10))
		h.vec = append(h.vec[:0], h.rest)
		if err := h.readExactly(h.vec, at+f.length-left); err != nil {
			return 0, err
		}
		sum = crc32.Update(sum, castagnoli, h.rest)
		left -= int64(len(h.rest))
	}
	return sum, nil
}

// readExactly fills v from the log.
func (h *head) readExactly(v [][]byte, at int64) error {
	if len(v) == 0 {
		return nil
	}
	_, err := h.log.readv(v, at)
	if errors.Is(err, io.EOF) || err != nil && unreadable(err) {
		return h.corrupt(h.pos.Object, "it cannot be read: "+err.Error())
	}
	return err
}

// vectors adds the pieces of n bytes of l at off to v.
func vectors(v [][]byte, l *buffer.Lease, off, n int64) [][]byte {
	for n > 0 {
		p := l.At(off)
		if p == nil {
			break
		}
		if int64(len(p)) > n {
			p = p[:n]
		}
		v = append(v, p)
		off, n = off+int64(len(p)), n-int64(len(p))
	}
	return v
}

// grow makes b n bytes long; what is in it is lost.
func grow(b []byte, n int64) []byte {
	if int64(cap(b)) < n {
		return make([]byte, n)
	}
	return b[:n]
}

// readPacked reads a block of a frame that is compressed, sealed, or of small blocks.
func (h *head) readPacked(f *frame, into *buffer.Lease, off, n int64, o Opener) error {
	i := int64(h.pos.Object-f.at.object) * f.length
	if d := &h.decoded; !d.is || d.at != f.at.offset || f.sealed && !same(d.opener, o) {
		// The one block of a frame is decoded where it is to be, if it is to be there in one piece.
		var direct []byte
		if mem := into.At(off); !into.Foreign() && f.all == 1 && n == f.length && int64(len(mem)) >= n {
			direct = mem[:0:n]
		}
		b, err := h.decode(f, direct, o)
		if err != nil {
			return err
		}
		if direct != nil && len(b) > 0 && &b[0] == &direct[:1][0] {
			return nil
		}
		*d = decoded{true, f.at.offset, o, b}
	}
	return intoMemory(into, off, h.decoded.b[i:i+n])
}

// same reports that two Openers are one.
func same(a, b Opener) bool {
	return a != nil && b != nil && reflect.TypeOf(a).Comparable() && a == b
}

// decode returns the blocks of a frame. It decodes into direct, if that is not nil.
func (h *head) decode(f *frame, direct []byte, o Opener) ([]byte, error) {
	h.decoded.is = false
	b, err := h.kept(f, h.pos.Object)
	if err != nil {
		return nil, err
	}
	if f.sealed {
		if o == nil {
			return nil, ErrKey
		}
		dst := direct
		if dst == nil {
			dst = h.decoded.b[:0]
		}
		if f.codec != Plain {
			dst = h.opened[:0]
		}
		key := h.raw[frameFixed : frameFixed+int(f.key)]
		if b, err = o.Open(dst, b, key); err != nil {
			return nil, err
		}
		if f.codec != Plain {
			h.opened = b
		}
	}
	out := direct
	if out == nil {
		out = h.decoded.b[:0]
	}
	if b, err = h.unpack(f, b, out); err != nil {
		return nil, h.corrupt(h.pos.Object, "it cannot be decompressed: "+err.Error())
	}
	return b, nil
}

var errLength = errors.New("it has another length than its header says")

// unpack returns the blocks of a frame, decrypted if need be, that is kept as b: in out, as far as that has room.
func (h *head) unpack(f *frame, b, out []byte) ([]byte, error) {
	switch f.codec {
	case Fast:
		n, err := s2.DecodedLen(b)
		if err != nil {
			return nil, err
		}
		if !f.fits(int64(n)) {
			return nil, errLength
		}
		return s2.Decode(out[:cap(out)], b)
	case Zstd:
		z, err := h.c.codecs.decoder()
		if err != nil {
			return nil, err
		}
		if b, err = z.DecodeAll(b, out); err != nil {
			return nil, err
		}
	default:
		if !f.sealed { // it lies in h.stored, which the next frame needs
			b = append(out, b...)
		}
	}
	if !f.fits(int64(len(b))) {
		return nil, errLength
	}
	return b, nil
}

// fits reports that n bytes are all blocks of the frame.
func (f *frame) fits(n int64) bool { return n == int64(f.all)*f.length }

// kept reads a frame as it is kept, into h.stored, and checks it, for one of its objects.
func (h *head) kept(f *frame, object uint64) ([]byte, error) {
	h.stored = grow(h.stored, f.stored)
	h.vec = append(h.vec[:0], h.stored)
	if err := h.readExactly(h.vec, f.at.offset+f.head()); err != nil {
		return nil, err
	}
	for i, b := uint64(0), h.stored; len(b) > 0; i++ {
		n := int64(len(b))
		if f.fine() {
			n, object = f.length, f.at.object+i
		}
		if crc32.Checksum(b[:n], castagnoli) != h.sum(f, i) {
			return nil, h.corrupt(object, "its checksum is wrong")
		}
		b = b[n:]
	}
	return h.stored, nil
}

func (h *head) Raw(ctx context.Context, into *buffer.Lease, off, n int64) (int64, error) {
	f, err := h.block(ctx)
	if err != nil {
		return 0, err
	}
	if f.codec == Plain && !f.sealed {
		return h.Read(ctx, into, off, n, nil)
	}
	if h.pos.Object != f.at.object {
		return 0, fmt.Errorf("object %d is kept together with those before it: raw, all are read from object %d", h.pos.Object, f.at.object)
	}
	b, err := h.kept(f, h.pos.Object)
	if err != nil {
		return 0, err
	}
	if err := intoMemory(into, off, b[:max(min(n, f.stored, into.Len()-off), 0)]); err != nil {
		return 0, err
	}
	h.pos.Object += f.count
	return f.stored, nil
}
