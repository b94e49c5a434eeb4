package record

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"maps"
	"slices"
)

// The encoding of a file, big endian:
//
//	magic "LNKEPT", format 1 (2 bytes), number of records (2 bytes);
//	each record: length of the name (1), name, length of the value (4), value;
//	CRC32C of all of this (4).
//
// Names are in order, each once.
const (
	magic  = "LNKEPT"
	format = 1
	header = len(magic) + 4

	maxFile    = 4 << 20
	maxRecords = 16
)

// ErrDamaged is wrapped by every error about what stands in a file.
var ErrDamaged = errors.New("damaged")

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// encode is the encoding of records.
func encode(records map[string][]byte) []byte {
	b := append([]byte(nil), magic...)
	b = binary.BigEndian.AppendUint16(b, format)
	b = binary.BigEndian.AppendUint16(b, uint16(len(records)))
	for _, name := range slices.Sorted(maps.Keys(records)) {
		b = append(append(b, byte(len(name))), name...)
		b = binary.BigEndian.AppendUint32(b, uint32(len(records[name])))
		b = append(b, records[name]...)
	}
	return binary.BigEndian.AppendUint32(b, crc32.Checksum(b, castagnoli))
}

// decode reads all of b. The records refer to it.
func decode(b []byte) (map[string][]byte, error) {
	damaged := func(format string, args ...any) (map[string][]byte, error) {
		return nil, fmt.Errorf("%w: "+format, append([]any{ErrDamaged}, args...)...)
	}
	switch {
	case len(b) < header+4 || string(b[:len(magic)]) != magic:
		return damaged("it does not start as such a file")
	case binary.BigEndian.Uint16(b[len(magic):]) != format:
		return nil, fmt.Errorf("it is of format %d, and this program knows %d: a newer one wrote it", binary.BigEndian.Uint16(b[len(magic):]), format)
	}
	n := int(binary.BigEndian.Uint16(b[header-2:]))
	body := b[:len(b)-4]
	if sum := binary.BigEndian.Uint32(b[len(body):]); sum != crc32.Checksum(body, castagnoli) {
		return damaged("its checksum is wrong")
	}
	if n > maxRecords {
		return damaged("%d records", n)
	}
	all := make(map[string][]byte, n)
	last := ""
	for rest := body[header:]; ; {
		if len(all) == n {
			if len(rest) != 0 {
				return damaged("%d bytes too many", len(rest))
			}
			return all, nil
		}
		if len(rest) < 1 || len(rest) < 1+int(rest[0])+4 {
			return damaged("it ends too early")
		}
		name := string(rest[1 : 1+rest[0]])
		rest = rest[1+len(name):]
		size := binary.BigEndian.Uint32(rest)
		if rest = rest[4:]; uint64(size) > uint64(len(rest)) {
			return damaged("it ends too early")
		}
		if name <= last {
			return damaged("its records are not in order")
		}
		last = name
		all[name] = rest[:size:size]
		rest = rest[size:]
	}
}
