package disk

import (
	"bytes"
	"encoding/binary"

	"github.com/lunette-io/lunette/buffer"
)

// difference is where b first differs from a at from, or negative.
func difference(a *buffer.Lease, from int64, b *buffer.Lease) int64 {
	for done := int64(0); done < b.Len(); {
		x, y := a.At(from+done), b.At(done)
		n := min(len(x), len(y))
		if !bytes.Equal(x[:n], y[:n]) {
			for i := range n {
				if x[i] != y[i] {
					return done + int64(i)
				}
			}
		}
		done += int64(n)
	}
	return -1
}

// orInto ORs b into a at off.
func orInto(a *buffer.Lease, off int64, b *buffer.Lease) {
	for done := int64(0); done < b.Len(); {
		x, y := a.At(off+done), b.At(done)
		n := min(len(x), len(y))
		words := n &^ 7 // a word at a time
		for i := 0; i < words; i += 8 {
			binary.NativeEndian.PutUint64(x[i:], binary.NativeEndian.Uint64(x[i:])|binary.NativeEndian.Uint64(y[i:]))
		}
		for i := words; i < n; i++ {
			x[i] |= y[i]
		}
		done += int64(n)
	}
}

// isZero reports that a lease holds nothing but zeros.
func isZero(l *buffer.Lease) bool {
	for s := range l.All() {
		for _, b := range s.Mem {
			if b != 0 {
				return false
			}
		}
	}
	return true
}

// contiguous is the memory of a lease in one piece: its own, if that is one, or a copy.
func contiguous(l *buffer.Lease) []byte {
	if l.Segments() == 1 {
		return l.At(0)
	}
	b := make([]byte, l.Len())
	l.Read(0, b)
	return b
}
