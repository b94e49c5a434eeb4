package medium

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"

	"github.com/lunette-io/lunette/internal/failpoint"
)

const (
	headerMagic = "LNTP"
	headerSlot  = 4096 // bytes from one slot to the other
	headerLen   = 128
)

// A header is what a partition's header file says. What comes after saved is found in the log, as frames of the epoch.
type header struct {
	sequence uint64 // of two slots, the one with the higher counts
	salt     uint64 // of all checksums but those of blocks
	capacity int64
	epoch    uint64   // of the frames behind what is saved; those before it may have earlier ones
	saved    position // up to here data and index are durable
	index    int64    // entries of the index that count
	marks    int64    // entries of the filemark index that count
}

func (h *header) encode() []byte {
	b := make([]byte, headerLen)
	copy(b, headerMagic)
	binary.BigEndian.PutUint32(b[4:], Version)
	binary.BigEndian.PutUint64(b[8:], h.sequence)
	binary.BigEndian.PutUint64(b[16:], h.salt)
	binary.BigEndian.PutUint64(b[24:], uint64(h.capacity))
	binary.BigEndian.PutUint64(b[32:], h.epoch)
	h.saved.put(b[40:])
	binary.BigEndian.PutUint64(b[80:], uint64(h.index))
	binary.BigEndian.PutUint64(b[88:], uint64(h.marks))
	binary.BigEndian.PutUint32(b[124:], crc32.Checksum(b[:124], castagnoli))
	return b
}

var errHeader = errors.New("the header of the partition is damaged")

// decodeHeader reads one slot.
func decodeHeader(b []byte) (header, error) {
	var h header
	if len(b) < headerLen || string(b[:4]) != headerMagic || binary.BigEndian.Uint32(b[124:]) != crc32.Checksum(b[:124], castagnoli) {
		return h, errHeader
	}
	if v := binary.BigEndian.Uint32(b[4:]); v != Version {
		return h, newer("partition", int64(v))
	}
	h.sequence = binary.BigEndian.Uint64(b[8:])
	h.salt = binary.BigEndian.Uint64(b[16:])
	h.capacity = int64(binary.BigEndian.Uint64(b[24:]))
	h.epoch = binary.BigEndian.Uint64(b[32:])
	var ok bool
	h.saved, ok = takePosition(b[40:])
	h.index = int64(binary.BigEndian.Uint64(b[80:]))
	h.marks = int64(binary.BigEndian.Uint64(b[88:]))
	if !ok || h.capacity < 0 || h.index < 0 || h.marks < 0 || h.index > 1<<50 || h.marks > 1<<50 {
		return h, errHeader
	}
	return h, nil
}

// newer is the error of what has a version that this program does not know.
func newer(what string, version int64) error {
	if version < Version {
		return fmt.Errorf("the %s has version %d of the format, which never was", what, version)
	}
	return fmt.Errorf("%w: its %s has version %d of the format; use a lunette that knows that version (this one knows %d)", ErrNewer, what, version, Version)
}

// readHeader reads the newer right slot of a header file.
func readHeader(f file) (best header, err error) {
	b := make([]byte, headerSlot+headerLen)
	n, err := readAt(f, b, 0)
	if err != nil {
		return best, err
	}
	found := false
	var why error
	for _, at := range []int{0, headerSlot} {
		h, err := decodeHeader(b[min(at, n):max(min(at+headerLen, n), min(at, n))])
		if errors.Is(err, ErrNewer) {
			return best, err
		}
		if err != nil {
			why = err
		} else if !found || h.sequence > best.sequence {
			best, found = h, true
		}
	}
	if !found {
		return best, why
	}
	return best, nil
}

// writeHeader makes h, of which the sequence is the next one, what counts, durably. The other slot stays.
func writeHeader(f file, h *header) error {
	if err := writeAt(f, h.encode(), int64(h.sequence%2)*headerSlot); err != nil {
		return space(err)
	}
	failpoint.Here("medium/header/written")
	return space(f.sync())
}

// makeHeader makes a header file with both slots, so that it never grows again.
func makeHeader(f file, h header) error {
	b := make([]byte, 2*headerSlot)
	copy(b, h.encode())
	if err := writeAt(f, b, 0); err != nil {
		return space(err)
	}
	return space(f.sync())
}
