package els

import (
	"encoding/binary"
	"fmt"

	"github.com/lunette-io/lunette/network/fc"
)

// Formats of addresses in RSCN: how much of the address counts.
const (
	AffectedPort   = 0
	AffectedArea   = 1
	AffectedDomain = 2
	AffectedFabric = 3
)

// An Affected is a page of RSCN.
type Affected struct {
	Event  uint8 // qualifier, four bits
	Format uint8 // two bits
	ID     fc.ID
}

// A StateChange is an RSCN (FC-LS-4 "registered state change notification"). The answer is [AppendAccept]'s.
type StateChange struct{ Pages []Affected }

// MaxAffected is how many pages an RSCN has room for.
const MaxAffected = 255

// ParseStateChange reads an RSCN.
func ParseStateChange(b []byte) (x StateChange, err error) {
	if err := check(b, 8, RSCN); err != nil {
		return x, err
	}
	n := int(binary.BigEndian.Uint16(b[2:]))
	if b[1] != 4 || n < 8 || n%4 != 0 || n > len(b) || n/4-1 > MaxAffected {
		return x, &Error{RSCN, true, fmt.Sprintf("pages of %d bytes and a length of %d in %d bytes", b[1], n, len(b))}
	}
	x.Pages = make([]Affected, 0, n/4-1)
	for at := 4; at < n; at += 4 {
		x.Pages = append(x.Pages, Affected{b[at] >> 2 & 15, b[at] & 3, fc.ID24(b[at+1:])})
	}
	return x, nil
}

// Append appends the payload.
func (x StateChange) Append(dst []byte) []byte {
	dst = binary.BigEndian.AppendUint16(append(dst, byte(RSCN), 4), uint16(4+4*len(x.Pages)))
	for _, p := range x.Pages {
		dst = binary.BigEndian.AppendUint32(dst, uint32(p.Event&15<<2|p.Format&3)<<24|uint32(p.ID)&fc.MaxID)
	}
	return dst
}
