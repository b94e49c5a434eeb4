package medium

import (
	"encoding/binary"
	"hash/crc32"
)

// What a frame is.
type frameKind uint8

const (
	kindBlocks  frameKind = 1
	kindMarks   frameKind = 2
	kindDamaged frameKind = 255 // in memory alone: objects that cannot be read
)

const (
	frameMagic  = "LNTF"
	frameFixed  = 72      // bytes of a header before what differs in length
	frameCharge = 512     // what a frame or filemark costs of the capacity, beside what is kept of its blocks
	fineBlock   = 4 << 10 // blocks of at least so many bytes have a checksum each where they are kept as they are
	maxStored   = MaxBlock + 64<<10
	maxHead     = frameFixed + 255 + 4*(MaxFrame/fineBlock)
	flagSealed  = 1
)

// A position is a place between two frames, and what comes before it.
type position struct {
	offset       int64  // in the log
	object, file uint64 // as Position
	used         int64  // of the capacity
	bytes        int64  // of blocks, as they were written
}

func (p position) Position() Position { return Position{p.object, p.file} }

// put writes p into 40 bytes.
func (p position) put(b []byte) {
	binary.BigEndian.PutUint64(b, uint64(p.offset))
	binary.BigEndian.PutUint64(b[8:], p.object)
	binary.BigEndian.PutUint64(b[16:], p.file)
	binary.BigEndian.PutUint64(b[24:], uint64(p.used))
	binary.BigEndian.PutUint64(b[32:], uint64(p.bytes))
}

// takePosition reads 40 bytes; false: no cartridge has such a place.
func takePosition(b []byte) (position, bool) {
	p := position{
		offset: int64(binary.BigEndian.Uint64(b)),
		object: binary.BigEndian.Uint64(b[8:]),
		file:   binary.BigEndian.Uint64(b[16:]),
		used:   int64(binary.BigEndian.Uint64(b[24:])),
		bytes:  int64(binary.BigEndian.Uint64(b[32:])),
	}
	const most = 1 << 61
	return p, uint64(p.offset) < most && p.object < most && p.file <= p.object && uint64(p.used) < most && uint64(p.bytes) < most
}

// A frame is the header of one in the log.
type frame struct {
	kind   frameKind
	codec  Codec
	sealed bool
	key    uint8 // bytes of Cipher.Header
	epoch  uint64
	at     position // before it
	count  uint64   // objects that count: the frame that follows may start within this one
	all    uint64   // objects that it was written with
	length int64    // of each block
	stored int64    // bytes of all of them, as they are kept
	marks  uint64   // of a damaged one: filemarks in it
}

// fine reports that each block has a checksum of its own and lies as it was written.
func (f *frame) fine() bool {
	return f.kind == kindBlocks && f.codec == Plain && !f.sealed && (f.all == 1 || f.length >= fineBlock)
}

// sums is how many checksums follow the header.
func (f *frame) sums() int64 {
	switch {
	case f.kind != kindBlocks:
		return 0
	case f.fine():
		return int64(f.all)
	}
	return 1
}

// head is how many bytes come before the blocks.
func (f *frame) head() int64 { return frameFixed + int64(f.key) + 4*f.sums() }

// end is where the next frame starts, if the segment has room for it.
func (f *frame) end() int64 { return f.at.offset + f.head() + f.stored }

// after is the place behind it.
func (f *frame) after() position {
	p := f.at
	if f.kind == kindDamaged {
		p.object, p.file = p.object+f.count, p.file+f.marks
		return p
	}
	p.offset = f.end()
	p.object += f.count
	switch f.kind {
	case kindMarks:
		p.file += f.count
		p.used += frameCharge * int64(f.count)
	case kindBlocks:
		p.used += frameCharge + f.stored
		p.bytes += int64(f.count) * f.length
	}
	return p
}

// within is the place before object number f.at.object+i, if a cut were there.
func (f *frame) within(i uint64) position {
	if i == 0 {
		return f.at
	}
	g := *f
	g.count = i
	p := g.after()
	p.offset = f.end()
	return p
}

// put writes the header into b, which has room for it, and returns it: key is Cipher.Header, sums the checksums.
func (f *frame) put(b []byte, seed uint32, key []byte, sums []uint32) []byte {
	b = b[:f.head()]
	copy(b, frameMagic)
	b[4], b[5], b[6], b[7] = byte(f.kind), byte(f.codec), 0, f.key
	if f.sealed {
		b[6] = flagSealed
	}
	binary.BigEndian.PutUint64(b[8:], f.epoch)
	f.at.put(b[16:])
	binary.BigEndian.PutUint32(b[56:], uint32(f.all))
	binary.BigEndian.PutUint32(b[60:], uint32(f.length))
	binary.BigEndian.PutUint32(b[64:], uint32(f.stored))
	at := frameFixed + copy(b[frameFixed:], key)
	for _, s := range sums {
		binary.BigEndian.PutUint32(b[at:], s)
		at += 4
	}
	binary.BigEndian.PutUint32(b[68:], headSum(b, seed))
	return b
}

// headSum is the checksum of a header. The seed comes of the partition's salt, and keeps what lies in blocks, which may be
// anything, from being taken for a frame.
func headSum(b []byte, seed uint32) uint32 {
	sum := crc32.Update(seed, castagnoli, b[:68])
	return crc32.Update(sum, castagnoli, b[frameFixed:])
}

// castagnoli is the table of CRC32C; that of this polynomial is the processor's instruction.
var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// seedOf is the checksum of a salt, with which all checksums of a partition but those of blocks start.
func seedOf(salt uint64) uint32 {
	var s [8]byte
	binary.BigEndian.PutUint64(s[:], salt)
	return crc32.Checksum(s[:], castagnoli)
}

// takeFixed reads the part of a header that all have; false: it is none.
func takeFixed(b []byte) (f frame, ok bool) {
	if len(b) < frameFixed || string(b[:4]) != frameMagic || b[6]&^flagSealed != 0 {
		return f, false
	}
	f = frame{kind: frameKind(b[4]), codec: Codec(b[5]), sealed: b[6]&flagSealed != 0, key: b[7], epoch: binary.BigEndian.Uint64(b[8:]),
		count: uint64(binary.BigEndian.Uint32(b[56:])), length: int64(binary.BigEndian.Uint32(b[60:])), stored: int64(binary.BigEndian.Uint32(b[64:]))}
	f.all = f.count
	if f.at, ok = takePosition(b[16:]); !ok {
		return f, false
	}
	return f, f.sane()
}

// sane reports that the fields go together.
func (f *frame) sane() bool {
	switch f.kind {
	case kindBlocks:
		all := int64(f.all) * f.length
		switch {
		case f.all < 1 || f.length < 1 || f.length > MaxBlock || f.all > 1 && all > MaxFrame || f.codec > Fast:
			return false
		case f.codec == Plain && !f.sealed:
			return f.stored == all && f.key == 0
		}
		return f.stored >= 1 && f.stored <= maxStored && (f.sealed || f.key == 0 && f.stored < all)
	case kindMarks:
		return f.all >= 1 && f.length == 0 && f.stored == 0 && f.key == 0 && f.codec == Plain && !f.sealed
	}
	return false
}

// checkHead reports that the checksum of a whole header is right, and it is that of a frame which lies at offset.
func checkHead(b []byte, f *frame, seed uint32, offset int64) bool {
	return f.at.offset == offset && int64(len(b)) == f.head() && binary.BigEndian.Uint32(b[68:]) == headSum(b, seed)
}
