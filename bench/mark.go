package bench

import (
	"encoding/binary"
	"fmt"
)

// Data is marked in grains. Each begins with where it is and which write it is from, and
// ends with a mix of both; between them are words that follow from it, or, where only some
// of the data is looked at, anything.

// maxGrain is the size of the largest grain, in bytes.
const maxGrain = 4096

// grainOf is the grain of commands of size bytes: the largest power of two that fits.
func grainOf(size int) int { return min(size&-size, maxGrain) }

func mix(index, gen uint64) uint64 {
	x := (index*0x9e3779b97f4a7c15 ^ gen) * 0xbf58476d1ce4e5b9
	return x ^ x>>29
}

// word is the one at off of a grain.
func word(seed uint64, off int) uint64 {
	x := seed + uint64(off)*0x9e3779b97f4a7c15
	return x ^ x>>31
}

// mark marks the grains of b, which go to offset off of a unit.
func mark(b []byte, grain, unit int, off int64, gen uint64, full bool) {
	index := uint64(unit)<<48 | uint64(off/int64(grain))
	for ; len(b) > 0; b, index = b[grain:], index+1 {
		seed := mix(index, gen)
		binary.LittleEndian.PutUint64(b, index)
		binary.LittleEndian.PutUint64(b[8:], gen)
		binary.LittleEndian.PutUint64(b[grain-8:], seed)
		if full {
			for i := 16; i < grain-8; i += 8 {
				binary.LittleEndian.PutUint64(b[i:], word(seed, i))
			}
		}
	}
}

// A WrongDataError says that what was read is not what was written.
type WrongDataError struct {
	Unit   int
	Offset int64 // in the unit, of the first wrong word, in bytes
	Grain  int64 // offset of the grain that it is in
	Found  [2]uint64
	Wanted [2]uint64 // index and write; a write of 0 is any
}

func (e *WrongDataError) Error() string {
	if e.Found[0] == e.Wanted[0] && (e.Found[1] == e.Wanted[1] || e.Wanted[1] == 0 && e.Found[1] != 0) {
		return fmt.Sprintf("WRONG DATA: unit %d, offset %d: a wrong byte in the grain at %d, which is from write %d", e.Unit, e.Offset, e.Grain, e.Found[1])
	}
	return fmt.Sprintf("WRONG DATA: unit %d, offset %d: it says grain %#x of write %d, wanted grain %#x of write %d (0: any)",
		e.Unit, e.Offset, e.Found[0], e.Found[1], e.Wanted[0], e.Wanted[1])
}

// check looks at the marks of b, which came from offset off of a unit. gen 0 is any.
func check(b []byte, grain, unit int, off int64, gen uint64, full bool) error {
	index := uint64(unit)<<48 | uint64(off/int64(grain))
	for ; len(b) > 0; b, index, off = b[grain:], index+1, off+int64(grain) {
		at, of := binary.LittleEndian.Uint64(b), binary.LittleEndian.Uint64(b[8:])
		seed := mix(at, of)
		wrong := -1
		switch {
		case at != index:
			wrong = 0
		case of == 0 || gen != 0 && of != gen:
			wrong = 8
		case full:
			for i := 16; i < grain-8; i += 8 {
				if binary.LittleEndian.Uint64(b[i:]) != word(seed, i) {
					wrong = i
					break
				}
			}
		}
		if wrong < 0 && binary.LittleEndian.Uint64(b[grain-8:]) != seed {
			wrong = grain - 8
		}
		if wrong >= 0 {
			return &WrongDataError{Unit: unit, Offset: off + int64(wrong), Grain: off, Found: [2]uint64{at, of}, Wanted: [2]uint64{index, gen}}
		}
	}
	return nil
}
