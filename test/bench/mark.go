package main

import (
	"encoding/binary"
	"fmt"
)

// Every grain on a disk has a mark at both ends: where it is, and which write it is from.
// No target can be fast by answering with something else.

func mix(index, gen uint64) uint64 {
	x := (index*0x9e3779b97f4a7c15 ^ gen) * 0xbf58476d1ce4e5b9
	return x ^ x>>29
}

// mark marks the grains of b, which go to offset off of a unit.
func mark(b []byte, unit int, off int64, gen uint64) {
	index := uint64(unit)<<32 | uint64(off/grain)
	for ; len(b) > 0; b, index = b[grain:], index+1 {
		binary.LittleEndian.PutUint64(b, index)
		binary.LittleEndian.PutUint64(b[8:], gen)
		binary.LittleEndian.PutUint64(b[grain-8:], mix(index, gen))
	}
}

// check looks at the marks of b, which came from offset off of a unit. gen 0 is any.
func check(b []byte, unit int, off int64, gen uint64) error {
	index := uint64(unit)<<32 | uint64(off/grain)
	for ; len(b) > 0; b, index = b[grain:], index+1 {
		at, of := binary.LittleEndian.Uint64(b), binary.LittleEndian.Uint64(b[8:])
		if at != index || of == 0 || gen != 0 && of != gen || binary.LittleEndian.Uint64(b[grain-8:]) != mix(at, of) {
			return fmt.Errorf("WRONG DATA: unit %d, offset %d: it says grain %#x of write %d, wanted grain %#x of write %d (0: any)",
				unit, off, at, of, index, gen)
		}
	}
	return nil
}
