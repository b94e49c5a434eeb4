package els

import (
	"encoding/binary"
	"fmt"

	"github.com/lunette-io/lunette/network/fc"
)

// Lengths of RNID and its LS_ACC.
const (
	RNIDLen        = 8
	identityHeader = 8
	commonLen      = 16
)

// RNID data formats.
const (
	FormatCommon  = 0x00 // the names alone
	FormatGeneral = 0xdf // general topology discovery
)

// An Identify is an RNID (FC-LS-4 "request node identification data").
type Identify struct{ Format uint8 }

// ParseIdentify reads an RNID.
func ParseIdentify(b []byte) (x Identify, err error) {
	if err := check(b, RNIDLen, RNID); err != nil {
		return x, err
	}
	return Identify{b[4]}, nil
}

// Append appends the payload.
func (x Identify) Append(dst []byte) []byte { return append(word(dst, RNID), x.Format, 0, 0, 0) }

// An Identity is the LS_ACC of RNID. Specific refers to the payload that it was read from.
type Identity struct {
	Format     uint8
	Named      bool // there is common data: the names
	Port, Node fc.Name
	Specific   []byte
}

// ParseIdentity reads it.
func ParseIdentity(b []byte) (x Identity, err error) {
	if err := check(b, identityHeader, LSAcc); err != nil {
		return x, err
	}
	common, specific := int(b[5]), int(b[7])
	if common != 0 && common != commonLen {
		return x, &Error{RNID, true, fmt.Sprintf("common data of %d bytes", common)}
	}
	if n := identityHeader + common + specific; len(b) < n {
		return x, &Error{RNID, true, fmt.Sprintf("%d bytes, want %d", len(b), n)}
	}
	x.Format, x.Named = b[4], common != 0
	if x.Named {
		x.Port, x.Node = fc.Name(binary.BigEndian.Uint64(b[8:])), fc.Name(binary.BigEndian.Uint64(b[16:]))
	}
	if specific > 0 {
		x.Specific = b[identityHeader+common : identityHeader+common+specific]
	}
	return x, nil
}

// Append appends the payload.
func (x Identity) Append(dst []byte) []byte {
	common := byte(0)
	if x.Named {
		common = commonLen
	}
	dst = append(word(dst, LSAcc), x.Format, common, 0, byte(len(x.Specific)))
	if x.Named {
		dst = binary.BigEndian.AppendUint64(dst, uint64(x.Port))
		dst = binary.BigEndian.AppendUint64(dst, uint64(x.Node))
	}
	return append(dst, x.Specific[:min(len(x.Specific), 255)]...)
}
