//go:build hostile

package hostile

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"errors"
	"io"
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

// samples adds up the first value of all samples of a profile: of a profile of goroutines, how many there are.
func samples(profile []byte) (sum int, err error) {
	z, err := gzip.NewReader(bytes.NewReader(profile))
	if err != nil {
		return 0, err
	}
	b, err := io.ReadAll(z)
	if err != nil {
		return 0, err
	}
	const sample, value = 2, 2
	var bad error
	err = fields(b, func(number int, _ uint64, data []byte) {
		if number != sample {
			return
		}
		first := true
		bad = errors.Join(bad, fields(data, func(number int, v uint64, packed []byte) {
			if number != value || !first {
				return
			}
			first = false
			if packed != nil {
				v, _ = binary.Uvarint(packed)
			}
			sum += int(v)
		}))
	})
	return sum, errors.Join(err, bad)
}
