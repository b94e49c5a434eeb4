package els

import (
	"encoding/binary"

	"github.com/lunette-io/lunette/network/fc"
)

// DiscoverLen is the length of an ADISC and of its LS_ACC.
const DiscoverLen = 28

// A Discover is an ADISC, or the LS_ACC of one (FC-LS-4 "discover address"): who is at an address.
type Discover struct {
	Answer     bool
	Hard       fc.ID // hard address, obsolete
	Port, Node fc.Name
	ID         fc.ID
}

// ParseDiscover reads either.
func ParseDiscover(b []byte) (x Discover, err error) {
	if err := check(b, DiscoverLen, ADISC, LSAcc); err != nil {
		return x, err
	}
	return Discover{
		Command(b[0]) == LSAcc, fc.ID24(b[5:]),
		fc.Name(binary.BigEndian.Uint64(b[8:])), fc.Name(binary.BigEndian.Uint64(b[16:])), fc.ID24(b[25:]),
	}, nil
}

// Append appends the payload.
func (x Discover) Append(dst []byte) []byte {
	dst = append(dst, code(x.Answer, ADISC), 0, 0, 0)
	dst = binary.BigEndian.AppendUint32(dst, uint32(x.Hard)&fc.MaxID)
	dst = binary.BigEndian.AppendUint64(dst, uint64(x.Port))
	dst = binary.BigEndian.AppendUint64(dst, uint64(x.Node))
	return binary.BigEndian.AppendUint32(dst, uint32(x.ID)&fc.MaxID)
}
