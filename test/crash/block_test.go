//go:build crash

package crash

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// fill makes b the content of a block: its address, the generation of the write, bytes
// that follow from both, and a checksum over all of them.
func fill(b []byte, lba, gen uint64) {
	binary.LittleEndian.PutUint64(b, lba)
	binary.LittleEndian.PutUint64(b[8:], gen)
	x := lba*0x9e3779b97f4a7c15 ^ gen
	for i := 16; i < len(b); i += 8 {
		x = x*6364136223846793005 + 1442695040888963407
		binary.LittleEndian.PutUint64(b[i:], x)
	}
	sum := b[len(b)-4:]
	binary.LittleEndian.PutUint32(sum, crc32.Checksum(b[:len(b)-4], castagnoli))
}

// generation returns which write a block is from; 0 if it was never written. An error says
// that it is from no write at all, or of another block.
func generation(b []byte, lba uint64) (uint64, error) {
	if zero(b) {
		return 0, nil
	}
	sum := binary.LittleEndian.Uint32(b[len(b)-4:])
	if crc32.Checksum(b[:len(b)-4], castagnoli) != sum {
		return 0, fmt.Errorf("block %d is torn: wrong checksum (its header says block %d, generation %d)",
			lba, binary.LittleEndian.Uint64(b), binary.LittleEndian.Uint64(b[8:]))
	}
	if at := binary.LittleEndian.Uint64(b); at != lba {
		return 0, fmt.Errorf("block %d has the content of block %d", lba, at)
	}
	return binary.LittleEndian.Uint64(b[8:]), nil
}

func zero(b []byte) bool {
	for _, x := range b {
		if x != 0 {
			return false
		}
	}
	return true
}
