package medium

import (
	"errors"
	"fmt"
	"hash/crc32"
	"runtime"
	"sync"

	"github.com/klauspost/compress/s2"
	"github.com/klauspost/compress/zstd"
)

// zstdWorkers compress at a time for one cartridge: each has memory of its own.
const zstdWorkers = 4

// codecs are what a cartridge compresses with. They are made when they are needed first.
type codecs struct {
	frames sync.Pool // of *packed
	once   sync.Once
	enc    *zstd.Encoder
	dec    *zstd.Decoder
	err    error
}

func (c *codecs) init() error {
	c.once.Do(func() {
		c.enc, c.err = zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderCRC(false),
			zstd.WithWindowSize(1<<20), zstd.WithEncoderConcurrency(min(runtime.GOMAXPROCS(0), zstdWorkers)), zstd.WithLowerEncoderMem(true))
		if c.err == nil {
			c.dec, c.err = zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(maxStored), zstd.WithDecoderLowmem(true))
		}
	})
	return c.err
}

func (c *codecs) encoder() (*zstd.Encoder, error) { err := c.init(); return c.enc, err }
func (c *codecs) decoder() (*zstd.Decoder, error) { err := c.init(); return c.dec, err }

func (c *codecs) close() {
	c.once.Do(func() { c.err = errDead })
	if c.dec != nil {
		c.dec.Close()
	}
}

// poolMost is the largest memory that a frame keeps for the next one.
const poolMost = 2 << 20

// A packed is a [Frame].
type packed struct {
	c      *codecs
	blocks Blocks
	codec  Codec
	sealed bool
	key    []byte
	sums   []uint32
	stored int64
	buf    []byte   // what is kept, if it is not Data as it is
	tmp    []byte   // what comes before that: one piece, or what is sealed
	vec    [][]byte // what is kept
}

func (p *packed) Stored() int64 { return p.stored + frameCharge }
func (p *packed) Blocks() int   { return p.blocks.Count }

func (p *packed) Release() {
	c := p.c
	if c == nil {
		return // it has ended already
	}
	p.c, p.blocks.Data, p.blocks.Cipher = nil, nil, nil
	clear(p.vec)
	if cap(p.buf) > poolMost {
		p.buf = nil
	}
	if cap(p.tmp) > poolMost {
		p.tmp = nil
	}
	c.frames.Put(p)
}

var (
	errBlocks  = errors.New("these blocks cannot be a frame")
	errForeign = errors.New("the frame was not made by a head of this cartridge, or it has ended")
)

func (h *head) Pack(b Blocks) (Frame, error) {
	p, err := h.pack(b)
	if err != nil {
		return nil, err
	}
	return p, nil
}

func (h *head) pack(b Blocks) (*packed, error) {
	all := b.Len * int64(b.Count)
	switch {
	case b.Len < 1 || b.Len > MaxBlock || b.Count < 1 || b.Count > 1 && (b.Len > MaxFrame || int64(b.Count) > MaxFrame/b.Len):
		return nil, fmt.Errorf("%w: %d of %d bytes", errBlocks, b.Count, b.Len)
	case b.Off < 0 || b.Off > b.Data.Len()-all:
		return nil, fmt.Errorf("%w: they are not in the memory that is given", errBlocks)
	case b.Codec > Fast:
		return nil, fmt.Errorf("%w: there is no codec %d", errBlocks, b.Codec)
	}
	c := &h.c.codecs
	p, _ := c.frames.Get().(*packed)
	if p == nil {
		p = new(packed)
	}
	p.c, p.blocks, p.codec, p.sealed = c, b, Plain, false
	p.key, p.sums = p.key[:0], p.sums[:0]
	p.vec = vectors(p.vec[:0], b.Data, b.Off, all)
	p.stored = all
	if err := p.shrink(); err != nil {
		p.Release()
		return nil, err
	}
	if b.Cipher != nil {
		if err := p.seal(); err != nil {
			p.Release()
			return nil, err
		}
	}
	p.checksum()
	return p, nil
}

// piece returns what is kept as one piece.
func (p *packed) piece() []byte {
	if len(p.vec) == 1 {
		return p.vec[0]
	}
	p.tmp = p.tmp[:0]
	for _, v := range p.vec {
		p.tmp = append(p.tmp, v...)
	}
	return p.tmp
}

// shrink compresses, if that saves anything worth the time of decompressing.
func (p *packed) shrink() error {
	if p.blocks.Codec == Plain || p.stored < 64 {
		return nil
	}
	in := p.piece()
	var out []byte
	switch p.blocks.Codec {
	case Fast:
		p.buf = grow(p.buf, int64(s2.MaxEncodedLen(len(in))))
		out = s2.Encode(p.buf, in)
	case Zstd:
		z, err := p.c.encoder()
		if err != nil {
			return err
		}
		p.buf = grow(p.buf, int64(len(in)+len(in)/64+1024))
		out = z.EncodeAll(in, p.buf[:0])
	}
	if int64(len(out)) >= p.stored-p.stored/32 {
		return nil
	}
	p.codec, p.stored = p.blocks.Codec, int64(len(out))
	p.buf = out
	p.vec = append(p.vec[:0], out)
	return nil
}

// seal encrypts.
func (p *packed) seal() error {
	in := p.piece()
	s := p.blocks.Cipher
	n := int64(len(in) + s.Overhead())
	if p.codec != Plain {
		p.tmp = grow(p.tmp, n)
		p.buf, p.tmp = p.tmp, p.buf
	} else {
		p.buf = grow(p.buf, n)
	}
	out := s.Seal(p.buf[:0], in)
	key := s.Header()
	if len(out) == 0 || len(out) > maxStored || len(key) > 255 {
		return fmt.Errorf("%w: encrypted they have %d bytes, and %d of header", errBlocks, len(out), len(key))
	}
	p.sealed, p.stored = true, int64(len(out))
	p.buf = out
	p.vec = append(p.vec[:0], out)
	p.key = append(p.key[:0], key...)
	return nil
}

// header is the frame's header, at no place yet.
func (p *packed) header() frame {
	n := uint64(p.blocks.Count)
	return frame{kind: kindBlocks, codec: p.codec, sealed: p.sealed, key: uint8(len(p.key)), count: n, all: n, length: p.blocks.Len, stored: p.stored}
}

// checksum sums up what is kept: of each block, or of all.
func (p *packed) checksum() {
	f := p.header()
	piece := f.stored
	if f.fine() {
		piece = f.length
	}
	sum, left := uint32(0), piece
	for _, v := range p.vec {
		for len(v) > 0 {
			n := min(int64(len(v)), left)
			sum = crc32.Update(sum, castagnoli, v[:n])
			v = v[n:]
			if left -= n; left == 0 {
				p.sums = append(p.sums, sum)
				sum, left = 0, piece
			}
		}
	}
}

// first cuts the frame down to the first n blocks as they are; they are not compressed then. It cannot be done with sealed ones.
func (p *packed) first(n int) {
	p.blocks.Count = n
	p.codec, p.stored = Plain, int64(n)*p.blocks.Len
	p.vec = vectors(p.vec[:0], p.blocks.Data, p.blocks.Off, p.stored)
	p.sums = p.sums[:0]
	p.checksum()
}
