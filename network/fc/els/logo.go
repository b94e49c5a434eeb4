package els

import (
	"encoding/binary"

	"github.com/lunette-io/lunette/network/fc"
)

// LogoutLen is the length of a LOGO.
const LogoutLen = 16

// A Logout is a LOGO (FC-LS-4 "logout"). The answer is [AppendAccept]'s.
type Logout struct {
	ID   fc.ID // who logs out
	Port fc.Name
}

// ParseLogout reads a LOGO.
func ParseLogout(b []byte) (x Logout, err error) {
	if err := check(b, LogoutLen, LOGO); err != nil {
		return x, err
	}
	return Logout{fc.ID24(b[5:]), fc.Name(binary.BigEndian.Uint64(b[8:]))}, nil
}

// Append appends the payload.
func (x Logout) Append(dst []byte) []byte {
	dst = binary.BigEndian.AppendUint32(word(dst, LOGO), uint32(x.ID)&fc.MaxID)
	return binary.BigEndian.AppendUint64(dst, uint64(x.Port))
}
