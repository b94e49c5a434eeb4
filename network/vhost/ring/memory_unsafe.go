package ring

import (
	"encoding/binary"
	"sync/atomic"
	"unsafe"
)

// The words by which the two sides tell each other how far they are lie in memory that both write, perhaps from different processes. Neither the race detector nor Go's memory
// model knows of that; this file does for it what sync/atomic does for Go's own memory, and says why that is enough.
//
// What is needed (virtio 1.3, 2.7.13 and 2.8.21):
//
//   - What was written before an index is seen by who sees the index. sync/atomic's stores and loads do that: on amd64 any store and any load do, on arm64 they are STLR and LDAR.
//   - A side that has stored its index and then looks whether the other wants to be told sees that, or else the other, which has stored what it wants and looks at the index after that, sees
//     the index. Stores may not pass later loads. sync/atomic promises one order of all its operations; on amd64 its stores are XCHG, which are full barriers, and on arm64 no LDAR is done before an
//     earlier STLR.
//
// sync/atomic has no words of 16 bits. A word of 16 bits is loaded with the aligned 32 bits around it, which lie in the same page, hence can be read whenever it can. Where one is stored, the
// other half of the 32 bits may be the other side's: so it is stored as it is, which is one store as it is aligned, and barrier comes after it.

// load32 loads an aligned word of b.
func load32(b []byte, at int) uint32 {
	return little(atomic.LoadUint32((*uint32)(unsafe.Pointer(&b[at]))))
}

// store32 stores an aligned word of b.
func store32(b []byte, at int, v uint32) {
	atomic.StoreUint32((*uint32)(unsafe.Pointer(&b[at])), little(v))
}

// load16 loads a word that is aligned to its size.
func load16(b []byte, at int) uint16 {
	p := unsafe.Pointer(&b[at])
	odd := uintptr(p) & 2
	v := little(atomic.LoadUint32((*uint32)(unsafe.Add(p, -int(odd)))))
	return uint16(v >> (8 * odd))
}

// store16 stores a word that is aligned to its size. It is in no order with anything before a barrier.
func store16(b []byte, at int, v uint16) {
	_ = b[at+1]
	var le [2]byte
	binary.LittleEndian.PutUint16(le[:], v)
	*(*uint16)(unsafe.Pointer(&b[at])) = binary.NativeEndian.Uint16(le[:])
}

// A barrier is between all that is done before it and all that sync/atomic loads after it. On amd64 its store is XCHG; on arm64 it is STLR, which comes after everything before it, and no
// LDAR comes before it.
type barrier struct{ word atomic.Uint32 }

func (b *barrier) wait() { b.word.Store(0) }

// little turns a word as the processor has it into one of virtio, which is little-endian, and back.
func little(v uint32) uint32 {
	var b [4]byte
	binary.NativeEndian.PutUint32(b[:], v)
	return binary.LittleEndian.Uint32(b[:])
}

// aligned reports that b starts at a multiple of n.
func aligned(b []byte, n uintptr) bool { return uintptr(unsafe.Pointer(unsafe.SliceData(b)))%n == 0 }
