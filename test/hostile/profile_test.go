//go:build hostile

package hostile

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"errors"
	"io"
	"slices"
	"strings"
)

var errProfile = errors.New("no profile")

// fields calls f with each field of a message of protocol buffers: its number, and its value, or its bytes.
func fields(b []byte, f func(number int, value uint64, data []byte)) error {
	for len(b) > 0 {
		tag, n := binary.Uvarint(b)
		if n <= 0 {
			return errProfile
		}
		v, k := binary.Uvarint(b[n:])
		if k <= 0 {
			return errProfile
		}
		b = b[n+k:]
		switch tag & 7 {
		case 0:
			f(int(tag>>3), v, nil)
		case 2:
			if v > uint64(len(b)) {
				return errProfile
			}
			f(int(tag>>3), 0, b[:v])
			b = b[v:]
		default:
			return errProfile
		}
	}
	return nil
}

// integers are those of a repeated field, which may be packed.
func integers(all []uint64, value uint64, packed []byte) []uint64 {
	if packed == nil {
		return append(all, value)
	}
	for len(packed) > 0 {
		v, n := binary.Uvarint(packed)
		if n <= 0 {
			break
		}
		all, packed = append(all, v), packed[n:]
	}
	return all
}

// idle is a function of goroutines that stay a while when they have nothing to do, for the next time: there is a
// bound on how many there are.
const idle = "target.(*Workers).work"

// goroutines counts those of a profile of goroutines, but for the workers of units.
func goroutines(profile []byte) (n int, err error) {
	z, err := gzip.NewReader(bytes.NewReader(profile))
	if err != nil {
		return 0, err
	}
	b, err := io.ReadAll(z)
	if err != nil {
		return 0, err
	}
	type sample struct{ locations, values []uint64 }
	var all []sample
	var names []string
	places, functions := map[uint64][]uint64{}, map[uint64]uint64{} // functions of a location, names of functions
	var bad error
	see := func(b []byte, f func(number int, v uint64, data []byte)) { bad = errors.Join(bad, fields(b, f)) }
	see(b, func(number int, _ uint64, data []byte) { // profile.proto of pprof
		var id, name uint64
		switch number {
		case 2:
			var x sample
			see(data, func(number int, v uint64, packed []byte) {
				switch number {
				case 1:
					x.locations = integers(x.locations, v, packed)
				case 2:
					x.values = integers(x.values, v, packed)
				}
			})
			all = append(all, x)
		case 4:
			var lines []uint64
			see(data, func(number int, v uint64, line []byte) {
				switch number {
				case 1:
					id = v
				case 4:
					see(line, func(number int, v uint64, _ []byte) {
						if number == 1 {
							lines = append(lines, v)
						}
					})
				}
			})
			places[id] = lines
		case 5:
			see(data, func(number int, v uint64, _ []byte) {
				switch number {
				case 1:
					id = v
				case 2:
					name = v
				}
			})
			functions[id] = name
		case 6:
			names = append(names, string(data))
		}
	})
	for _, x := range all {
		worker := slices.ContainsFunc(x.locations, func(l uint64) bool {
			return slices.ContainsFunc(places[l], func(f uint64) bool {
				k := functions[f]
				return k < uint64(len(names)) && strings.HasSuffix(names[k], idle)
			})
		})
		if len(x.values) > 0 && !worker {
			n += int(x.values[0])
		}
	}
	return n, bad
}
