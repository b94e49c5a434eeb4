package tape_test

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"slices"
	"testing"

	"github.com/lunette-io/lunette/device/tape"
	"github.com/lunette-io/lunette/scsi"
)

// solomon is the Reed-Solomon CRC of ECMA-319 by long division, a byte at a time.
func solomon(b []byte) uint32 {
	times := func(a, b int) (p int) {
		for i := range 8 {
			if b>>i&1 != 0 {
				p ^= a << i
			}
		}
		for i := 14; i >= 8; i-- {
			if p>>i&1 != 0 {
				p ^= 0x11d << (i - 8)
			}
		}
		return p
	}
	var reg [4]int
	for _, c := range b {
		top := reg[0] ^ int(c)
		reg = [4]int{reg[1] ^ times(top, 0x38), reg[2] ^ times(top, 0xcf), reg[3] ^ times(top, 0x38), top}
	}
	return uint32(reg[0])<<24 | uint32(reg[1])<<16 | uint32(reg[2])<<8 | uint32(reg[3])
}

func guarded(method byte, b []byte) []byte {
	if method == 1 {
		return binary.BigEndian.AppendUint32(slices.Clone(b), solomon(b))
	}
	return binary.LittleEndian.AppendUint32(slices.Clone(b), crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli)))
}

// Logical block protection: the guard behind each block is checked on WRITE, and appended on READ.
func TestProtection(t *testing.T) {
	if got := solomon([]byte{1}); got != 0x38cf3801 {
		t.Fatalf("%08x", got)
	}
	for _, method := range []byte{1, 2} {
		b := loaded(t, 100<<20, nil)
		set := func(w, r bool) {
			b.d.Set(func(s *tape.Setting) { s.LBPMethod, s.LBPW, s.LBPR = method, w, r })
		}
		set(true, true)
		for i, n := range []int{1, 5, 1000, 3<<20 + 1} {
			b.good(writeCDB(n+4), guarded(method, block(i, n)), 0)
		}
		bad := guarded(method, block(9, 100))
		bad[50] ^= 1
		b.ends(writeCDB(104), bad, 0, sense(scsi.KeyHardwareError, scsi.ASCGuardCheckFailed), 104)
		b.at(4, 0)
		b.ends(writeCDB(4), make([]byte, 4), 0, scsi.InvalidFieldInCDB(2, -1), 4)
		b.good(rewind(), nil, 0)
		for i, n := range []int{1, 5, 1000, 3<<20 + 1} {
			b.reads(guarded(method, block(i, n)))
		}
		b.good(locate(2), nil, 0)
		want := guarded(method, block(2, 1000))
		for _, c := range []struct {
			n    int
			want scsi.Sense
		}{{1002, ili(-2)}, {1000, ili(-4)}, {10, ili(-994)}} {
			if r := b.ends(readCDB(c.n), nil, c.n, c.want, 0); !bytes.Equal(r.data, want[:c.n]) {
				t.Errorf("%d bytes", len(r.data))
			}
			b.good(locate(2), nil, 0)
		}
		if r := b.ends(readCDB(2000), nil, 2000, ili(996), 996); !bytes.Equal(r.data, want) {
			t.Errorf("%d bytes", len(r.data))
		}
		set(true, false)
		b.good(locate(2), nil, 0)
		b.reads(block(2, 1000))
		// Blocks of a fixed length have their guards in between.
		set(true, true)
		b.d.SetBlockLength(104)
		var all []byte
		for i := range 10 {
			all = append(all, guarded(method, block(i, 100))...)
		}
		b.good(locate(4), nil, 0)
		b.good(writeFixed(10), all, 0)
		b.good(locate(4), nil, 0)
		if got := b.good(readFixed(10), nil, len(all)); !bytes.Equal(got, all) {
			t.Error("other data")
		}
		set(false, false)
		b.good(locate(6), nil, 0)
		b.reads(block(2, 100))
		set(true, false)
		all[3*104] ^= 1
		b.ends(writeFixed(10), all, 0, sense(scsi.KeyHardwareError, scsi.ASCGuardCheckFailed), 1040)
		b.at(7, 0)
	}
}
