package page

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/lunette-io/lunette/scsi"
)

// ErrLUNs is wrapped by every error of [ParseLUNs].
var ErrLUNs = errors.New("malformed LUN list")

// AppendLUNs appends REPORT LUNS data (SPC-5 6.33). Hosts expect LUN 0 first.
func AppendLUNs(dst []byte, luns ...scsi.LUN) []byte {
	dst = binary.BigEndian.AppendUint32(dst, uint32(8*len(luns)))
	dst = append(dst, 0, 0, 0, 0)
	for _, l := range luns {
		dst = l.Append(dst)
	}
	return dst
}

// ParseLUNs returns the LUNs in REPORT LUNS data, as many as are there when the
// list was cut by an allocation length.
func ParseLUNs(b []byte) ([]scsi.LUN, error) {
	if len(b) < 8 {
		return nil, fmt.Errorf("%w: %d bytes", ErrLUNs, len(b))
	}
	n := binary.BigEndian.Uint32(b)
	if n%8 != 0 {
		return nil, fmt.Errorf("%w: length %d is not a multiple of 8", ErrLUNs, n)
	}
	b = b[8:]
	if uint64(len(b)) > uint64(n) {
		b = b[:n]
	}
	luns := make([]scsi.LUN, 0, len(b)/8)
	for ; len(b) >= 8; b = b[8:] {
		luns = append(luns, scsi.LUN(binary.BigEndian.Uint64(b)))
	}
	return luns, nil
}
